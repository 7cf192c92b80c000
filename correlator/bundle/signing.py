"""The key that bundles are signed with: Ed25519 (RFC 8032), a PEM file that only we may read, made at its first use."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from ingest.errors import SettingsError


def signing_key(path: Path) -> Ed25519PrivateKey:
    """
    The key in the file, which is made where it is not there.

    Raises:
        SettingsError: it cannot be read or written, or is no such key.
    """
    try:
        if not path.exists():
            pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            _write_once(path, pem)
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise _wrong(path, error.strerror or type(error).__name__) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _wrong(path, "something else") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _wrong(path, "a key of another kind")
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """
    Raises:
        SettingsError: the file cannot be read, or has no such key.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise _wrong(path, error.strerror or type(error).__name__) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _wrong(path, "something else") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _wrong(path, "a key of another kind")
    return key


def public_pem(key: Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the public key's 32 bytes, in hexadecimal: what two people can compare by telephone."""
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()


def _write_once(path: Path, pem: bytes) -> None:
    """All of it or nothing, also when two do it at once: whoever comes second takes what the first one wrote."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _wrong(path: Path, got: str) -> SettingsError:
    return SettingsError(
        f"key {path}", expected="an Ed25519 key in PEM", got=got, mend="Restore it from a backup, or name another file."
    )
