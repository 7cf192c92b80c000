"""Addresses with credentials, which exist only for the moment of opening."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.cameras.sources.address import address_of, password_of
from ingest.errors import SourceError, scrub
from tests.ingest.cameras.cameras import camera

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
HOSTS = st.sampled_from(["10.0.4.7", "gate.example:8554", "[fd00::7]", "[fd00::7]:8554"])


@given(HOSTS, TEXT, TEXT)
def test_any_user_and_password_come_out_as_they_went_in(host: str, user: str, password: str) -> None:
    address = address_of(camera(1, "rtsp", f"rtsp://{host}/stream?x=1", user=user), password)
    parts = urlsplit(address)
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (user, password)
    assert parts.netloc.rpartition("@")[2] == host and (parts.path, parts.query) == ("/stream", "x=1")
    assert scrub(address) == f"rtsp://***@{host}/stream?x=1"


def test_a_camera_without_a_user_has_no_credentials_in_its_address() -> None:
    assert address_of(camera(1, "rtsp", "rtsp://10.0.4.7/s"), None) == "rtsp://10.0.4.7/s"
    assert "@" not in address_of(camera(1, "rtsp", "rtsp://op:old@10.0.4.7/s"), None)


def test_the_password_is_what_its_file_holds_without_the_line_end(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes("sécret  \r\n".encode())
    assert password_of(camera(1, "rtsp", "rtsp://x/", password_file=str(file))) == "sécret  "


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_password_file_that_cannot_be_read_is_named_and_its_content_is_not(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "gate.password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SourceError, match="gate") as caught:
        password_of(camera(1, "rtsp", "rtsp://x/", password_file=str(file)))
    assert caught.value.cause == "auth_failed"
