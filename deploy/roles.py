"""Roles as threads: started together, watched, and drained together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog

from ingest.errors import DrumtowerError

Run = Callable[[threading.Event], None]


class HealthReport(msgspec.Struct, frozen=True):
    ok: bool
    roles: dict[str, str]  # `running`, `ended`, or why it failed


@dataclass(frozen=True)
class Role:
    name: str
    run: Run


class Health:
    """What `/healthz` answers."""

    def __init__(self) -> None:
        self._roles: dict[str, str] = {}
        self._lock = threading.Lock()

    def say(self, role: str, how: str) -> None:
        with self._lock:
            self._roles[role] = how

    def report(self) -> HealthReport:
        with self._lock:
            roles = dict(self._roles)
        return HealthReport(all(how == "running" for how in roles.values()), roles)


class RoleThreads:
    """
    Runs each role in a thread until one fails or `stop` is set; then all are asked to drain.

    A role that fails takes the process down on purpose: a supervisor starts it again from its snapshot, and half a
    system that looks alive is worse than none.
    """

    def __init__(self, roles: list[Role], health: Health) -> None:
        self._roles, self._health = roles, health
        self.stop = threading.Event()
        self.failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, args=(role,), name=role.name, daemon=True) for role in roles
        ]

    def start(self) -> None:
        for role, thread in zip(self._roles, self._threads, strict=True):
            self._health.say(role.name, "running")
            thread.start()

    def wait(self, drain_s: float = 20.0) -> None:
        """Until `stop` is set and the roles have drained, or `drain_s` later."""
        while not self.stop.wait(0.5):
            pass
        for thread in reversed(self._threads):
            thread.join(drain_s)

    def _run(self, role: Role) -> None:
        log = structlog.get_logger().bind(role=role.name)
        log.info("role.started")
        try:
            role.run(self.stop)
            self._health.say(role.name, "ended")
            log.info("role.ended")
        except Exception as error:
            self.failure = self.failure or error
            self._health.say(role.name, f"{type(error).__name__}: {error}")
            # What a person can mend is one line; what nobody foresaw is a traceback.
            known = isinstance(error, DrumtowerError)
            log.error("role.failed", reason=str(error), exc_info=None if known else error)
        finally:
            self.stop.set()
