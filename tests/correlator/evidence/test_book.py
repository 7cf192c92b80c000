"""Pictures of incidents in SQLite and PostgreSQL: bounded in time and bytes, and off the disk when they are gone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from correlator.casebook.sql import open_casebook
from correlator.evidence.book import EvidenceBook
from ingest.clock import NS_PER_S

ROOM = 10**9


@pytest.fixture
def book(casebook_url: str) -> Iterator[EvidenceBook]:
    opened = EvidenceBook(casebook_url)
    yield opened
    opened.close()


def test_a_picture_comes_back_and_is_kept_once(book: EvidenceBook) -> None:
    book.keep("gate-7-5", 5, b"jpeg")
    book.keep("gate-7-5", 5, b"another")
    assert book.picture("gate-7-5", 0) == b"jpeg"
    assert book.picture("gate-7-6", 0) is None
    assert (book.kept().pictures, book.kept().size_bytes, book.kept().oldest_from_ns) == (1, 4, 5)


def test_a_picture_whose_time_is_over_is_not_given_out_although_nobody_took_it_away_yet(book: EvidenceBook) -> None:
    book.keep("gate-7-5", 5 * NS_PER_S, b"jpeg")
    assert book.picture("gate-7-5", 5 * NS_PER_S - 1) == b"jpeg"
    assert book.picture("gate-7-5", 5 * NS_PER_S) is None


def test_what_is_over_is_taken_away_and_what_is_not_stays(book: EvidenceBook) -> None:
    for at in range(10):
        book.keep(f"gate-7-{at}", at, b"jpeg")
    assert book.prune(4, ROOM) == 5
    assert [book.picture(f"gate-7-{at}", -1) is not None for at in range(10)] == [False] * 5 + [True] * 5
    assert book.prune(4, ROOM) == 0


def test_more_than_there_is_room_for_costs_the_oldest(book: EvidenceBook) -> None:
    for at in range(10):
        book.keep(f"gate-7-{at}", at, bytes(100))
    assert book.prune(-1, 350) == 7
    assert book.kept().size_bytes <= 350 and book.picture("gate-7-9", 0) is not None
    assert book.prune(-1, 0) == 3 and book.kept().oldest_from_ns is None


def test_the_casebook_opens_over_the_same_database(book: EvidenceBook, casebook_url: str) -> None:
    casebook = open_casebook(casebook_url)
    casebook.audit("desk-1", "read", "evidence gate-7-5", 1)
    book.keep("gate-7-5", 5, b"jpeg")
    assert casebook.verify_audit() == (True, None)
    casebook.close()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=12), st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_no_byte_of_a_picture_is_left_in_the_file(tmp_path: Path, sizes: list[int], kept: int, seed: int) -> None:
    folder = tmp_path / f"{seed}-{len(sizes)}-{kept}-{os.urandom(4).hex()}"
    folder.mkdir()
    book = EvidenceBook(f"sqlite:///{folder / 'casebook.sqlite'}")
    marks = [f"<picture {seed} {at}>".encode() for at in range(len(sizes))]
    for at, (size, mark) in enumerate(zip(sizes, marks, strict=True)):
        book.keep(f"gate-7-{at}", at, (mark * (size // len(mark) + 2)))
    book.prune(kept - 1, ROOM)
    on_disk = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
    assert [mark in on_disk for mark in marks] == [at >= kept for at in range(len(sizes))]
    book.close()
