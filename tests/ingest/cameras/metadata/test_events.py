"""Rules of cameras, from XML and JSON alike, become events by a table that the settings extend."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.cameras.metadata.event_board import EventBoard
from ingest.cameras.metadata.event_rules import STANDARD, EventRule, EventTable
from ingest.cameras.metadata.intake import Intake
from ingest.cameras.metadata.reading import MetadataFrame, Notice, Reading, topic_of
from ingest.cameras.observation import CameraEvent
from ingest.cameras.settings import IngestSettings
from ingest.cameras.sources.metadata_objects import Tracks, objects_of
from ingest.cameras.sources.onvif_document import read_document
from ingest.cameras.throttle import Throttle
from ingest.cameras.workers.outbox import Outbox
from ingest.clock import NS_PER_S
from ingest.schema.tick import EventKind, EventState, TimeSource
from tests.ingest.cameras.cameras import camera, shared

K, S = EventKind, EventState
NOW_NS = 1_773_490_000 * NS_PER_S
XML = (
    '<tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema"><tt:Event><wsnt:NotificationMessage '
    'xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2"><wsnt:Topic>{topic}</wsnt:Topic><wsnt:Message><tt:Message '
    'UtcTime="{at}" PropertyOperation="{how}"><tt:Source><tt:SimpleItem Name="Rule" Value="{rule}"/></tt:Source>'
    "<tt:Key>{key}</tt:Key><tt:Data>{data}</tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage></tt:Event>"
    "</tt:MetadataStream>"
)


def items(**named: str) -> str:
    return "".join(f'<tt:SimpleItem Name="{name}" Value="{value}"/>' for name, value in named.items())


def notice(topic: str, how: str = "changed", rule: str = "R", at_ns: int | None = None, **named: str) -> Notice:
    lower = {name.lower(): value for name, value in named.items()}
    return Notice(topic_of(topic), rule, lower, how, at_ns)  # type: ignore[arg-type]


def board(*own: EventRule) -> EventBoard:
    return EventBoard(EventTable(own), 2 * NS_PER_S)


def told(made: EventBoard, *notices: Notice) -> tuple[list[tuple[int, int]], Counter[str]]:
    dropped: Counter[str] = Counter()
    return [(one.kind, one.state) for one in made.events(notices, NOW_NS, dropped)], dropped


TAMPER = "tns1:RuleEngine/TamperDetector/Tamper"
INSIDE = "tns1:RuleEngine/FieldDetector/ObjectsInside"


def test_an_event_in_xml_is_a_notice() -> None:
    text = XML.format(
        topic=INSIDE,
        at="2026-03-14T12:00:00Z",
        how="Changed",
        rule="F",
        key=items(ObjectId="15"),
        data=items(IsInside="true"),
    )
    reading = read_document(text.encode(), Tracks(), Counter())
    (one,) = reading.notices
    assert (one.topic, one.rule, one.operation) == ("ruleengine/fielddetector/objectsinside", "Rule=F", "changed")
    assert one.items == {"objectid": "15", "isinside": "true"} and reading.frames == []


@pytest.mark.parametrize(
    ("topic", "named", "expected"),
    [
        ("tns1:RuleEngine/LineDetector/Crossed", {"ObjectId": "15"}, (K.LINE_CROSSED, S.HAPPENED)),
        (INSIDE, {"ObjectId": "15", "IsInside": "true"}, (K.OBJECTS_INSIDE, S.ON)),
        ("tns1:RuleEngine/CountAggregation/OccupancyCounter", {"Count": "412"}, (K.OCCUPANCY, S.HAPPENED)),
        ("tns1:RuleEngine/CountAggregation/Counter", {"Count": "9"}, (K.COUNT, S.HAPPENED)),
        ("tns1:RuleEngine/ObjectAbandoned", {"ObjectId": "88"}, (K.ABANDONED_OBJECT, S.ON)),
        ("tns1:RuleEngine/ObjectAbandoned", {"ObjectId": ""}, (K.ABANDONED_OBJECT, S.OFF)),
        ("tns1:RuleEngine/ObjectRemoved", {"ObjectId": "88"}, (K.REMOVED_OBJECT, S.ON)),
        ("tns1:RuleEngine/CellMotionDetector/Motion", {"IsMotion": "1"}, (K.MOTION, S.ON)),
        ("tns1:VideoSource/GlobalSceneChange/ImagingService", {"State": "true"}, (K.SCENE_CHANGE, S.ON)),
        ("tns1:VideoSource/ImageTooDark/AnalyticsService", {"State": "0"}, (K.DARK, S.OFF)),
        (TAMPER, {"IsTamper": "TRUE"}, (K.TAMPER, S.ON)),
        ("tns1:Monitoring/OperatingTime/LastReboot", {"Status": "2026-03-14T12:00:00Z"}, (K.REBOOT, S.HAPPENED)),
        ("tns1:Monitoring/OperatingTime/LastClockSynchronization", {}, (K.CLOCK_SYNC, S.HAPPENED)),
    ],
)
def test_standard_topics_are_known(topic: str, named: dict[str, str], expected: tuple[int, int]) -> None:
    assert told(board(), notice(topic, **named)) == ([expected], Counter())


@pytest.mark.parametrize("rule", STANDARD, ids=lambda rule: rule.topic)
def test_what_was_so_at_the_subscription_is_known_and_what_happened_before_is_no_event(rule: EventRule) -> None:
    named = {rule.item or "Status": "true" if rule.reads in ("state", "inside") else "7"}
    found, _ = told(board(), notice(rule.topic, "initialized", **named))
    assert all(state in (S.KNOWN_ON, S.KNOWN_OFF) for _, state in found)


def test_a_deleted_property_is_over() -> None:
    made = board()
    assert told(made, notice(TAMPER, IsTamper="1"), notice(TAMPER, "deleted"))[0] == [
        (K.TAMPER, S.ON),
        (K.TAMPER, S.OFF),
    ]


def test_two_rules_of_one_kind_are_one_state() -> None:
    made = board()
    said = [notice(TAMPER, rule=rule, IsTamper=flag) for rule, flag in (("A", "1"), ("B", "1"), ("A", "0"), ("B", "0"))]
    assert [state for _, state in told(made, *said)[0]] == [S.ON, S.ON, S.ON, S.OFF]


def test_objects_in_a_field_are_counted_and_their_ids_go_no_farther() -> None:
    made, dropped = board(), Counter[str]()
    said = [
        notice(INSIDE, ObjectId=id_, IsInside=flag)
        for id_, flag in (("CANARY", "1"), ("b", "1"), ("CANARY", "0"), ("b", "0"))
    ]
    events = made.events(said, NOW_NS, dropped)
    assert [(one.state, one.value) for one in events] == [(S.ON, 1), (S.ON, 2), (S.ON, 1), (S.OFF, 0)]
    assert "CANARY" not in repr(events)


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        ("tns1:RuleEngine/Recognition/Face", "face"),
        ("tns1:RuleEngine/Recognition/LicensePlate", "face"),
        ("tns1:RuleEngine/LicensePlateDetector/Plate", "plate"),
        ("tnsvendor:FaceDetection/Known", "face"),
        ("tns1:RuleEngine/LoiteringDetector/ObjectIsLoitering", "loitering"),
        ("tnsaxis:CameraApplicationPlatform/ObjectAnalytics/Device1Scenario1", "event"),
        ("tns1:UserAlarm/x", "event"),
    ],
)
def test_what_is_refused_or_unknown_is_counted_by_kind(topic: str, kind: str) -> None:
    assert told(board(), notice(topic, ObjectId="15 16", State="1", active="1")) == ([], Counter({kind: 1}))


def test_the_settings_extend_the_table_and_come_first() -> None:
    axis = EventRule(topic="tnsaxis:CameraApplicationPlatform/ObjectAnalytics/*", kind="objects_inside", item="active")
    silent = EventRule(topic="RuleEngine/TamperDetector", kind="none")
    made = board(axis, silent)
    scenario = "tnsaxis:CameraApplicationPlatform/ObjectAnalytics/Device1Scenario1"
    assert told(made, notice(scenario, active="1", classTypes="human"))[0] == [(K.OBJECTS_INSIDE, S.ON)]
    assert told(made, notice(TAMPER, IsTamper="1")) == ([], Counter())


def test_a_number_begins_and_ends_at_its_threshold() -> None:
    made = board(
        EventRule(
            topic="RuleEngine/CountAggregation/OccupancyCounter",
            kind="crowding",
            reads="number",
            item="Count",
            at_least=400,
        )
    )
    said = [notice("RuleEngine/CountAggregation/OccupancyCounter", Count=count) for count in ("399", "400", "x", "12")]
    found, dropped = told(made, *said)
    assert found == [(K.CROWDING, S.OFF), (K.CROWDING, S.ON), (K.CROWDING, S.OFF), (K.CROWDING, S.OFF)]
    assert dropped == {"event": 1}


def test_loitering_counts_only_as_a_number_of_objects_at_the_floor() -> None:
    topic = "RuleEngine/LoiteringDetector/ObjectIsLoitering"
    made = board(EventRule(topic=topic, kind="standing", reads="objects", item="ObjectId", at_least=15))
    few, many = " ".join(map(str, range(14))), " ".join(map(str, range(15)))
    assert told(made, notice(topic, ObjectId=few), notice(topic, ObjectId=many))[0] == [
        (K.STANDING, S.OFF),
        (K.STANDING, S.ON),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        {"topic": "RuleEngine/LoiteringDetector/ObjectIsLoitering", "kind": "objects_inside", "item": "ObjectId"},
        {"topic": "RuleEngine/LoiteringDetector", "kind": "standing", "reads": "objects", "at_least": 14},
        {"topic": "Vendor/Dwell", "kind": "crowding", "reads": "state"},
        {"topic": "Vendor/Scene", "kind": "standing", "reads": "number", "at_least": 3},
        {"topic": "RuleEngine/Recognition/Face", "kind": "tamper"},
        {"topic": "Vendor/Scene", "kind": "tamper", "item": "LicensePlate"},
        {"topic": "", "kind": "tamper"},
        {"topic": "Vendor/Scene", "kind": "person_seen"},
    ],
)
def test_a_rule_about_one_person_is_refused_in_the_settings(bad: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"events": [bad]}, IngestSettings)


def test_a_wrong_clock_dates_nothing_and_nothing_happens_after_it_was_told() -> None:
    made, dropped = board(), Counter[str]()
    stamps = [None, 0, NOW_NS - NS_PER_S, NOW_NS + NS_PER_S]
    events = made.events([notice(TAMPER, at_ns=at, IsTamper="1") for at in stamps], NOW_NS, dropped)
    assert [one.at_ns for one in events] == [NOW_NS, NOW_NS, NOW_NS - NS_PER_S, NOW_NS]


@pytest.mark.parametrize(
    ("said", "kept"), [("0.87", 0.87), ("87", 0.87), ("870", math.nan), ("nan", math.nan), ("", math.nan)]
)
def test_the_confidence_of_the_camera_is_kept(said: str, kept: float) -> None:
    (one,) = board().events([notice(TAMPER, IsTamper="1", Confidence=said)], NOW_NS, Counter())
    assert one.confidence == pytest.approx(kept, nan_ok=True)


def test_a_new_connection_knows_nothing_of_the_one_before() -> None:
    made = board()
    told(made, notice(TAMPER, rule="A", IsTamper="1"))
    made.forget()
    assert told(made, notice(TAMPER, rule="B", IsTamper="0"))[0] == [(K.TAMPER, S.OFF)]


def test_the_memory_of_a_camera_is_bounded() -> None:
    made, dropped = board(), Counter[str]()
    for n in range(600):
        made.events([notice(TAMPER, rule=str(n), IsTamper="1")], NOW_NS, dropped)
        made.events([notice(INSIDE, rule="F", ObjectId=str(n), IsInside="1")], NOW_NS, dropped)
    for n in range(1_500):
        made.events([notice(INSIDE, rule="G", ObjectId=str(n), IsInside="1")], NOW_NS, dropped)
    assert dropped["event"] > 300
    assert sum(map(len, made._on.values())) <= 256 and max(map(len, made._inside.values())) <= 1_000


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ABC"),
            st.sampled_from(["1", "0", "x"]),
            st.sampled_from(["changed", "initialized", "deleted", ""]),
        ),
        max_size=30,
    )
)
@settings(deadline=None)
def test_a_kind_is_on_exactly_while_a_rule_of_it_is(said: list[tuple[str, str, str]]) -> None:
    made, on = board(), set[str]()
    for rule, flag, how in said:
        events = made.events([notice(TAMPER, how, rule, IsTamper=flag)], NOW_NS, Counter())
        if how == "deleted" or flag == "0":
            on.discard(rule)
        elif flag == "1":
            on.add(rule)
        else:
            continue  # a state that is none says that something happened, and no more
        (one,) = events
        assert one.state in ((S.ON, S.KNOWN_ON) if on else (S.OFF, S.KNOWN_OFF))


# What comes of it


def intake(**more: Any) -> tuple[Intake, Outbox]:
    outbox = Outbox(1_000)
    given_settings = IngestSettings(**more)
    return Intake(camera(1, "onvif", "mqtt://broker/gate"), given_settings, outbox, EventTable()), outbox


def test_an_event_is_an_observation_without_a_look() -> None:
    made, outbox = intake()
    made.take(lambda tracks, dropped: Reading(notices=[notice(TAMPER, at_ns=NOW_NS - 7, IsTamper="1")]), NOW_NS)
    (seen,) = outbox.take(0.0)
    assert seen.objects is None and seen.time_source == TimeSource.CAMERA and seen.captured_at_ns == NOW_NS - 7
    assert seen.events == (CameraEvent(K.TAMPER, S.ON, seen.events[0].value, seen.events[0].confidence, NOW_NS - 7),)


def test_events_are_not_thinned_and_a_flood_is() -> None:
    made, outbox = intake(metadata_documents_per_s_max=10.0)
    empty = b'<tt:MetadataStream xmlns:tt="x"><tt:VideoAnalytics><tt:Frame/></tt:VideoAnalytics></tt:MetadataStream>'
    assert made.admits(NOW_NS) and not made.thins(NOW_NS, has_events=False)
    made.take(lambda tracks, dropped: read_document(empty, tracks, dropped), NOW_NS)
    assert made.thins(NOW_NS + 1_000_000, has_events=False) and not made.thins(NOW_NS + 1_000_000, has_events=True)
    assert sum(made.admits(NOW_NS + 2_000_000) for _ in range(100)) < 10
    counts = outbox.take_counts()
    assert counts["frames_dropped", "flood"] > 80 and counts["frames_dropped", "thinned"] == 1


def test_a_look_for_motion_only_does_not_stand_in_the_place_of_a_look_for_objects() -> None:
    made, outbox = intake()
    for n in range(4):
        objects = objects_of([], Tracks(), Counter()) if n % 2 else None
        at_ns = NOW_NS + n * 1_000_000
        made.take(lambda tracks, dropped, o=objects, a=at_ns: Reading(frames=[MetadataFrame(a, o)]), at_ns)  # type: ignore[misc]
    assert [one.objects is None for one in outbox.take(0.0)] == [True, False]


@given(st.lists(st.integers(0, NS_PER_S), min_size=1, max_size=60), st.floats(1.0, 50.0))
@settings(deadline=None)
def test_a_throttle_lets_no_more_through_than_its_rate_and_one_burst(steps: list[int], per_s: float) -> None:
    made, now_ns, passed = Throttle(per_s), NOW_NS, 0
    for step in steps:
        now_ns += step
        passed += made.admits(now_ns)
    assert passed <= per_s + per_s * sum(steps) / NS_PER_S + 1


# The recorded samples


@pytest.mark.parametrize(
    ("name", "expected", "dropped"),
    [
        ("onvif_event_line_crossed.xml", [(K.LINE_CROSSED, S.HAPPENED)], {}),
        ("onvif_event_counts.xml", [(K.COUNT, S.HAPPENED), (K.OCCUPANCY, S.HAPPENED)], {}),
        ("onvif_event_objects_inside.xml", [(K.OBJECTS_INSIDE, S.ON), (K.OBJECTS_INSIDE, S.OFF)], {}),
        ("onvif_event_loitering_abandoned.xml", [(K.ABANDONED_OBJECT, S.ON)], {"loitering": 1}),
        (
            "onvif_event_tamper_family.xml",
            [(K.SCENE_CHANGE, S.ON), (K.DARK, S.ON), (K.BLURRED, S.KNOWN_OFF), (K.TAMPER, S.ON)],
            {},
        ),
        ("real_axis_event_global_scene_change.xml", [(K.SCENE_CHANGE, S.KNOWN_OFF)], {}),
        ("real_axis_event_motion_region.xml", [(K.MOTION, S.KNOWN_OFF)], {}),
        ("real_axis_event_object_analytics.xml", [], {"event": 1}),
        ("real_axis_empty_stream.xml", [], {}),
    ],
)
def test_recorded_events_are_read(name: str, expected: list[tuple[int, int]], dropped: dict[str, int]) -> None:
    reading = read_document(shared("metadata", name).read_bytes(), Tracks(), Counter())
    assert told(board(), *reading.notices) == (expected, Counter(dropped))
