"""Who slept is no owner until the group has said so."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.cameras.lease import Lease
from ingest.clock import NS_PER_S

TIMES_NS = st.integers(0, 2**62)


@given(TIMES_NS, st.integers(0, 100 * NS_PER_S))
def test_a_lease_holds_for_its_length_and_no_longer(sure_ns: int, later_ns: int) -> None:
    lease = Lease(4 * NS_PER_S)
    lease.renew(sure_ns)
    assert lease.holds(sure_ns + later_ns) == (later_ns <= 4 * NS_PER_S)


@given(TIMES_NS, TIMES_NS)
def test_nobody_is_an_owner_at_first_or_in_doubt(sure_ns: int, now_ns: int) -> None:
    lease = Lease(4 * NS_PER_S)
    assert not lease.holds(now_ns)
    lease.renew(sure_ns)
    lease.doubt()
    assert not lease.holds(now_ns)
