"""Pictures of incidents: kept while the live store still has them, and taken away at their end."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
import structlog

from correlator.evidence.book import EvidenceBook
from correlator.evidence.role import EvidenceRole
from correlator.incidents.settings import CorrelateSettings
from ingest.clock import NS_PER_S
from ingest.errors import StoreRetryable
from ingest.evidence import EvidenceSettings, read_reference, reference_of
from ingest.live.memory import MemoryLiveStore
from ingest.schema.finding import Finding, Level, Phase
from tests.correlator.cases import START_NS, at_ns, finding
from tests.correlator.watch import Watch

PICTURES = EvidenceSettings()
KEPT_S = 3_600.0


class Counts:
    def __init__(self) -> None:
        self.of: dict[str, int] = {}

    def evidence(self, outcome: str, pictures: int) -> None:
        self.of[outcome] = self.of.get(outcome, 0) + pictures


class Keeping:
    """A correlator with a keeper of evidence beside it, on one clock."""

    def __init__(self, url: str, settings: CorrelateSettings) -> None:
        self.watch = Watch(url, settings)
        self.live, self.book, self.counts = MemoryLiveStore(self.watch.clock), EvidenceBook(url), Counts()
        self.settings = settings
        self.start()

    def start(self, pictures: EvidenceSettings = PICTURES) -> None:
        log = structlog.wrap_logger(structlog.ReturnLogger())
        self.role = EvidenceRole(
            self.watch.casebook, self.book, self.live, pictures, self.settings, self.watch.clock, self.counts, log  # type: ignore[arg-type]
        )  # fmt: skip

    def pass_s(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.watch.clock.advance(1.0)
            self.watch.turn()
            self.role.run_once()


@pytest.fixture
def keeping(casebook_url: str) -> Iterator[Keeping]:
    made = Keeping(casebook_url, CorrelateSettings(evidence_kept_s=KEPT_S))
    yield made
    made.book.close()
    made.watch.casebook.close()


def seen(t_s: float = 0.0, condition: str = "a", phase: Phase = Phase.RAISED, level: Level = Level.RED) -> Finding:
    """A finding that names the picture of its moment."""
    told = finding(condition, t_s, phase, level)
    return msgspec.structs.replace(told, data=msgspec.structs.replace(told.data, evidence=(named(t_s),)))


def named(t_s: float) -> str:
    return reference_of(PICTURES, "gate-7", at_ns(t_s))


def test_the_picture_of_an_incident_outlives_the_live_store_and_ends_at_its_time(keeping: Keeping) -> None:
    keeping.live.put_evidence(named(0), b"jpeg", PICTURES.lifetime_s)
    keeping.watch.play(seen())
    keeping.pass_s(PICTURES.lifetime_s + 5)
    now_ns = keeping.watch.clock.now_ns
    assert keeping.live.evidence(named(0)) is None
    assert keeping.book.picture(named(0), now_ns() - int(KEPT_S * NS_PER_S)) == b"jpeg"
    left_s = KEPT_S - (now_ns() - read_reference(named(0)).from_ns) / NS_PER_S
    keeping.watch.clock.advance(left_s - 20)
    keeping.role.run_once()
    assert keeping.book.kept().pictures == 1
    keeping.pass_s(60)
    assert keeping.book.kept().pictures == 0
    assert keeping.counts.of == {"kept": 1, "over": 1}


def test_pictures_that_no_incident_names_are_not_kept(keeping: Keeping) -> None:
    keeping.live.put_evidence(named(0), b"jpeg", PICTURES.lifetime_s)
    keeping.live.put_evidence(named(20), b"another", PICTURES.lifetime_s)
    keeping.watch.play(seen())
    keeping.pass_s(60)
    assert keeping.book.kept().pictures == 1 and keeping.book.picture(named(20), 0) is None


def test_a_picture_is_kept_only_when_who_looks_for_persons_had_the_time_to_cover_them(keeping: Keeping) -> None:
    keeping.live.put_evidence(named(0), b"the foreground is covered", PICTURES.lifetime_s)
    keeping.watch.play(seen())
    keeping.pass_s(1)
    keeping.live.replace_evidence(named(0), b"persons are covered too")
    keeping.pass_s(30)
    assert keeping.book.picture(named(0), 0) == b"persons are covered too"


def test_what_a_keeper_missed_is_kept_by_the_next_one_while_it_is_there(keeping: Keeping) -> None:
    keeping.live.put_evidence(named(0), b"jpeg", PICTURES.lifetime_s)
    keeping.watch.play(seen())
    keeping.watch.until(30)  # nobody keeps
    keeping.start()
    keeping.pass_s(2)
    assert keeping.book.picture(named(0), 0) == b"jpeg"


def test_two_keepers_keep_a_picture_once(keeping: Keeping) -> None:
    keeping.live.put_evidence(named(0), b"jpeg", PICTURES.lifetime_s)
    keeping.watch.play(seen())
    first = keeping.role
    keeping.start()
    for _ in range(30):
        keeping.pass_s(1)
        first.run_once()
    assert keeping.book.kept().pictures == 1


def test_a_picture_that_never_came_is_given_up_and_counted(keeping: Keeping) -> None:
    keeping.watch.play(seen())
    keeping.pass_s(PICTURES.period_s + PICTURES.lifetime_s + 2)
    assert keeping.counts.of == {"missed": 1} and not keeping.role._pending


def test_names_of_a_strangers_detector_harm_nobody(keeping: Keeping) -> None:
    told = finding("a")
    data = msgspec.structs.replace(told.data, evidence=("../../etc/passwd", "", "gate-7-1", named(0)))
    keeping.live.put_evidence(named(0), b"jpeg", PICTURES.lifetime_s)
    keeping.watch.play(msgspec.structs.replace(told, data=data))
    keeping.pass_s(30)
    assert keeping.book.kept().pictures == 1


def test_a_live_store_that_does_not_answer_lets_nothing_live_longer(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping.live.put_evidence(named(0), b"jpeg", PICTURES.lifetime_s)
    keeping.watch.play(seen())
    keeping.pass_s(30)
    assert keeping.book.kept().pictures == 1

    def lost(_: str) -> bytes:
        raise StoreRetryable("live store", expected="an answer", got="none", mend="It comes back.")

    monkeypatch.setattr(keeping.live, "evidence", lost)
    keeping.watch.clock.advance(KEPT_S)
    keeping.watch.play(seen(keeping.watch.t_s, "b"))
    keeping.pass_s(40)
    assert keeping.role._pending and keeping.book.kept().pictures == 0
    monkeypatch.undo()
    keeping.live.put_evidence(next(iter(keeping.role._pending)), b"late", PICTURES.lifetime_s)
    keeping.pass_s(2)
    assert keeping.book.kept().pictures == 1


@pytest.mark.parametrize("kept_s", [0.0, KEPT_S])
def test_where_none_shall_be_kept_none_is_and_the_old_ones_go(keeping: Keeping, kept_s: float) -> None:
    keeping.book.keep("gate-7-1", START_NS, b"of before")
    keeping.settings = CorrelateSettings(evidence_kept_s=0.0) if not kept_s else keeping.settings
    keeping.start(EvidenceSettings(pictures=bool(not kept_s)))
    keeping.live.put_evidence(named(0), b"jpeg", PICTURES.lifetime_s)
    keeping.watch.play(seen())
    keeping.pass_s(40)
    assert keeping.book.picture(named(0), 0) is None
    assert keeping.book.kept().pictures == (1 if kept_s else 0)  # those of before keep their time
