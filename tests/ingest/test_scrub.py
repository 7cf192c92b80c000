"""The one scrubber."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import errors
from ingest.errors import SettingsError, guard, scrub

SECRETS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=8, max_size=30).filter(
    lambda text: "*" not in text and any(character.isalnum() for character in text)
)


@pytest.fixture(scope="module", autouse=True)
def own_secrets() -> Iterator[None]:
    """What is guarded here must not blot out words of other tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingest.errors._guarded", type(errors._guarded)())
        yield


@given(SECRETS, st.sampled_from(["login failed for op with %s", "rtsp://op:%s@10.0.0.1/x", "password=%s&x=1", "%s"]))
def test_a_secret_that_was_read_is_in_no_text_whatever_stands_around_it(secret: str, around: str) -> None:
    guard(secret)
    for form in (secret, quote(secret, safe="")):
        assert form not in scrub(around.replace("%s", form))


def test_an_error_shows_no_secret_that_was_read() -> None:
    guard("canary p@ss:#/%é")
    error = SettingsError("redis", expected="an answer", got="AUTH canary p@ss:#/%é refused", mend="Mend it.")
    assert "canary" not in str(error) and "canary" not in error.got


def test_short_words_stay_words() -> None:
    guard("admin")
    assert scrub("the administrator") == "the administrator"
