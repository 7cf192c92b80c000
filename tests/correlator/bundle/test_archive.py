"""A bundle that verifies is the one that was signed: nothing changed, added, left out, or signed by another."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.bundle.archive import MANIFEST, SIGNATURE, verify_bundle, write_bundle
from correlator.bundle.signing import fingerprint, public_key, public_pem, signing_key
from ingest.errors import RecordError, SettingsError

FILES = {
    "incident.json": b'{"id": "a"}',
    "history.json": b"[]",
    "audit.json": b"[]",
    "pictures/001.jpg": b"\xff\xd8 jpeg",
}
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key()


def rewritten(path: Path, changes: dict[str, bytes | None]) -> Path:
    """The bundle with some of its files changed, added, or (None) taken away."""
    with zipfile.ZipFile(path) as archive:
        files: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    other = path.with_name("other.zip")
    with zipfile.ZipFile(other, "w") as archive:
        for name, data in (files | changes).items():
            if data is not None:
                archive.writestr(name, data)
    return other


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "a.zip"
    write_bundle(path, "a", FILES, KEY, 1_780_000_000 * 10**9)
    return path


def test_a_bundle_verifies_and_the_same_contents_make_the_same_bytes(bundle: Path) -> None:
    found = verify_bundle(bundle, PUBLIC)
    assert found.files == FILES
    assert (found.manifest.incident, found.manifest.key) == ("a", fingerprint(PUBLIC))
    again = bundle.with_name("again.zip")
    write_bundle(again, "a", dict(reversed(FILES.items())), KEY, 1_780_000_000 * 10**9)
    assert again.read_bytes() == bundle.read_bytes()
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["a.zip", "again.zip"], "no draft is left"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"incident.json": b'{"id": "b"}'}, "incident.json as it was signed"),
        ({"pictures/001.jpg": None}, "pictures/001.jpg missing"),
        ({"pictures/002.jpg": b"put in"}, "pictures/002.jpg too many"),
        ({MANIFEST: b"{}"}, "a signature by the key"),
        ({SIGNATURE: bytes(64)}, "a signature by the key"),
        ({SIGNATURE: b""}, "a signature by the key"),
        ({SIGNATURE: None}, "manifest.sig, got a bundle without"),
        ({"../escape": b""}, "plain files"),
    ],
)
def test_what_was_changed_is_named(bundle: Path, changes: dict[str, bytes | None], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        verify_bundle(rewritten(bundle, changes), PUBLIC)


def test_the_signature_of_another_key_is_refused(bundle: Path) -> None:
    other = Ed25519PrivateKey.generate()
    with pytest.raises(RecordError, match="a signature by the key"):
        verify_bundle(bundle, other.public_key())
    write_bundle(bundle, "a", FILES, other, 0)
    with pytest.raises(RecordError, match="a signature by the key"):
        verify_bundle(bundle, PUBLIC)


def test_a_compressed_file_is_refused_before_it_is_unpacked(bundle: Path) -> None:
    with zipfile.ZipFile(bundle, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(10_000_000))
    with pytest.raises(RecordError, match="not compressed, got bomb"):
        verify_bundle(bundle, PUBLIC)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_byte_can_be_changed_so_that_other_contents_verify(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _check_one_byte(Path(folder) / "law.zip", data)


def _check_one_byte(path: Path, data: st.DataObject) -> None:
    write_bundle(path, "a", FILES, KEY, 0)
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole[: data.draw(st.integers(at, len(whole)))])
    try:
        found = verify_bundle(path, PUBLIC)
    except RecordError:
        return
    assert found.files == FILES, "only what no reader looks at may have changed"


def test_a_key_is_made_once_for_us_alone_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "bundle.pem"
    first = signing_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert fingerprint(signing_key(path).public_key()) == fingerprint(first.public_key())
    assert [one.name for one in path.parent.iterdir()] == ["bundle.pem"]
    pem = tmp_path / "public.pem"
    pem.write_text(public_pem(first.public_key()))
    assert fingerprint(public_key(pem)) == fingerprint(first.public_key())
    with pytest.raises(SettingsError, match="expected an Ed25519 key in PEM"):
        signing_key(pem)
    with pytest.raises(SettingsError, match="No such file"):
        public_key(tmp_path / "away.pem")
