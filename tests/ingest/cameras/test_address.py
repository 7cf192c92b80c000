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


def test_a_secret_store_is_asked_each_time_without_a_shell(tmp_path: Path) -> None:
    store = tmp_path / "kv"
    store.mkdir()
    (store / "gate-7").write_text("sécret; $(touch owned)\n")
    one = camera(1, "rtsp", "rtsp://x/", user="op", password_key="gate-7")
    command = ("/usr/bin/env", "-C", str(store), "cat")
    assert password_of(one, command) == "sécret; $(touch owned)"
    (store / "gate-7").write_text("ch4nged p@ss\n")
    assert password_of(one, command) == "ch4nged p@ss"
    assert {path.name for path in store.iterdir()} == {"gate-7"}


@pytest.mark.parametrize("command", [(), ("/no/such/program",), ("false",), ("true",), ("cat", "/no/such/file")])
def test_a_secret_store_that_does_not_answer_is_named_and_what_it_said_is_not(command: tuple[str, ...]) -> None:
    with pytest.raises(SourceError) as caught:
        password_of(camera(1, "rtsp", "rtsp://x/", user="op", password_key="gate-7"), command)
    assert caught.value.cause == "auth_failed" and "No such file" not in str(caught.value)
