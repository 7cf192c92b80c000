"""
A bundle: a ZIP file whose `manifest.json` lists every other file with its SHA-256, and is signed.

Nothing can be changed, added or taken away unseen. To check one, its file and the public key are enough.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from correlator.bundle.signing import fingerprint
from ingest.clock import utc
from ingest.errors import RecordError

FORMAT = "drumtower.incident-bundle.v1"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
FILE_BYTES_MAX = 256 * 1024 * 1024
FILES_MAX = 10_000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}(/[a-z0-9][a-z0-9._-]{0,127})?")
_BROKEN = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OverflowError, struct.error)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same contents make the same bytes


class ListedFile(msgspec.Struct, frozen=True):
    size_bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    incident: str
    made_at: datetime
    key: str  # fingerprint of the public key
    files: dict[str, ListedFile]


@dataclass(frozen=True, slots=True)
class Verified:
    manifest: Manifest
    files: Mapping[str, bytes]


def write_bundle(
    path: Path, incident: str, files: Mapping[str, bytes], key: Ed25519PrivateKey, made_at_ns: int
) -> Manifest:
    """
    Write and sign a bundle; the file is there as a whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    assert all(_NAME.fullmatch(name) for name in files), "names of a bundle's files are plain"
    listed = {name: ListedFile(len(data), sha256(data).hexdigest()) for name, data in sorted(files.items())}
    manifest = Manifest(
        format=FORMAT, incident=incident, made_at=utc(made_at_ns), key=fingerprint(key.public_key()), files=listed
    )
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    draft = path.with_name(f"{path.name}.part")
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
        for name, data in ((MANIFEST, text), (SIGNATURE, key.sign(text)), *sorted(files.items())):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    draft.replace(path)
    return manifest


def verify_bundle(path: Path, key: Ed25519PublicKey) -> Verified:
    """
    The contents of a bundle that is whole and was signed with the key.

    Raises:
        RecordError: it is not; the message says what is wrong with which file.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _verified(path, archive, key)
    except _BROKEN as error:
        raise _refused(path, "a ZIP file that is whole", str(error)[:200]) from error


def _verified(path: Path, archive: zipfile.ZipFile, key: Ed25519PublicKey) -> Verified:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(names) > FILES_MAX or len(set(names)) != len(names):
        raise _refused(path, f"at most {FILES_MAX} files, each name once", f"{len(names)} files")
    for entry in entries:
        stored = entry.compress_type == zipfile.ZIP_STORED and entry.file_size <= FILE_BYTES_MAX
        if not stored or not _NAME.fullmatch(entry.filename):
            raise _refused(path, "plain files that are not compressed", entry.filename[:80])
    if MANIFEST not in names or SIGNATURE not in names:
        raise _refused(path, f"{MANIFEST} and {SIGNATURE}", "a bundle without")
    text = archive.read(MANIFEST)
    try:
        key.verify(archive.read(SIGNATURE), text)
    except InvalidSignature:
        raise _refused(path, f"a signature by the key {fingerprint(key)[:16]}", "another, or a changed list") from None
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise _refused(path, "a list of files", str(error)[:200]) from error
    if manifest.format != FORMAT:
        raise _refused(path, FORMAT, manifest.format[:80])
    there = set(names) - {MANIFEST, SIGNATURE}
    if there != manifest.files.keys():
        odd = sorted(there ^ manifest.files.keys())[0]
        raise _refused(path, "the files that were signed", f"{odd} {'too many' if odd in there else 'missing'}")
    files = {}
    for name, listed in manifest.files.items():
        files[name] = data = archive.read(name)
        if len(data) != listed.size_bytes or sha256(data).hexdigest() != listed.sha256:
            raise _refused(path, f"{name} as it was signed", "another content")
    return Verified(manifest, files)


def _refused(path: Path, expected: str, got: str) -> RecordError:
    return RecordError(
        f"bundle {path.name}", expected=expected, got=got, mend="Ask for it again; do not rely on this one."
    )
