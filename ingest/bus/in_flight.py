"""How much has been sent and not been acknowledged: the bound that the Kafka client does not have."""

from __future__ import annotations

import threading


class InFlight:
    """Bytes that the broker has not acknowledged yet, and the first thing that went wrong with them."""

    def __init__(self) -> None:
        self.bytes = 0
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def add(self, size: int) -> None:
        with self._changed:
            self.bytes += size

    def remove(self, size: int) -> None:
        with self._changed:
            self.bytes -= size
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = self._error or error

    def wait(self, timeout_s: float) -> BaseException | None:
        """None once all is acknowledged; else what went wrong."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.bytes == 0, timeout_s):
                return TimeoutError(f"{self.bytes} bytes not acknowledged within {timeout_s:g} s")
            error, self._error = self._error, None
            return error
