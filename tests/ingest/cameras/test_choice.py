"""Of the streams that a camera lists, the smallest that shows enough is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.cameras.sources.choice import chosen
from tests.ingest.cameras.bench import Bench
from tests.ingest.cameras.cameras import QUICK, camera, clip, fed
from tests.support.rtsp import FaultServer
from tests.support.waiting import until


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 4_000), min_size=1), st.integers(1, 4_000))
def test_nothing_smaller_would_do_and_nothing_is_wider_where_none_does(widths_px: dict[str, int], least: int) -> None:
    width = widths_px[chosen(widths_px, least)]
    if any(other >= least for other in widths_px.values()):
        assert width >= least and not any(least <= other < width for other in widths_px.values())
    else:
        assert width == max(widths_px.values())


@pytest.mark.parametrize(("least_px", "path", "width"), [(300, "sub", 320), (400, "main", 640), (9_00, "main", 640)])
def test_the_stream_is_chosen_by_its_size_and_each_session_is_closed(least_px: int, path: str, width: int) -> None:
    with FaultServer() as server:
        main, sub = server.add_stream("main"), server.add_stream("sub")
        one = camera(1, "rtsp", server.url_of("main"), other_urls=(server.url_of("sub"), server.url_of("none")))
        settings = replace(QUICK, stream_width_px_min=least_px)
        with (
            fed(main, units=clip(width=640, height=384)),
            fed(sub),
            Bench(one, settings=settings) as bench,
        ):
            assert {seen.width for seen in bench.wait_for(1, 3)} == {width}
            other = sub if path == "main" else main
            assert len(other.readers) == 0 and len(server.streams[path].readers) == 1
        until(lambda: server.plays == server.teardowns == 3, "each session closed")


def test_a_wrong_password_is_tried_on_one_stream_only() -> None:
    with FaultServer(user="op", password="right") as server:
        server.add_stream("main")
        server.add_stream("sub")
        one = camera(1, "rtsp", server.url_of("main"), other_urls=(server.url_of("sub"),), user="nobody")
        with Bench(one) as bench:
            bench.wait_state(1, "auth_failed")
            assert bench.readers[1].last_cause == "auth_failed"
