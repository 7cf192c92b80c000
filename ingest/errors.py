"""
The one tree of errors, split by what the caller can do.

    DrumtowerError
      SettingsError      a person mends a file          exit 2, one line, no traceback
      RecordError        one record is broken           dead letter, go on
      SourceError        one camera is down             back off, reconnect, raise a finding
      BusError
        BusRetryable     try again
        BusFenced        another worker owns this       stop at once
      StoreError
        StoreRetryable   try again
        StoreConflict    someone else changed it        reload

Every message names the thing, what was expected, what came, and the mend.
"""

from __future__ import annotations

import re
from urllib.parse import quote

_GUARDED_MIN = 8  # characters; a shorter secret is a part of too many words
_CREDENTIALS = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s'\"]*@")


class _Guarded:
    """Secrets that this process has read, as one pattern."""

    def __init__(self) -> None:
        self._forms: frozenset[str] = frozenset()
        self.pattern: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        forms = {secret, quote(secret, safe=""), quote(secret)}
        if len(secret) < _GUARDED_MIN or forms <= self._forms:
            return
        self._forms |= forms
        # The longest first: one secret may begin as another does.
        longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
        self.pattern = re.compile("|".join(map(re.escape, longest_first)))


_guarded = _Guarded()


def guard(secret: str) -> None:
    """From now on `scrub` takes this secret out of every text of this process, whatever stands around it."""
    _guarded.add(secret)


def scrub(text: str) -> str:
    """
    `text` with the credentials of every URL, and every secret that was read, replaced by `***`; works for passwords
    that hold `@` too. The one scrubber: logs, errors, dead letters and answers go through it.
    """
    text = _CREDENTIALS.sub(r"\g<scheme>***@", text)
    return text if _guarded.pattern is None else _guarded.pattern.sub("***", text)


class DrumtowerError(Exception):
    """
    Args:
        thing: what is wrong, most significant part first (`settings.toml: zones[3].capacity`).
        expected: what was expected there.
        got: what came instead.
        mend: what a person can do about it, a sentence.
    """

    def __init__(self, thing: str, *, expected: str, got: str, mend: str) -> None:
        self.thing, self.expected, self.got, self.mend = scrub(thing), scrub(expected), scrub(got), scrub(mend)
        super().__init__(f"{self.fault} {self.mend}")

    @property
    def fault(self) -> str:
        """The message without the mend, for those who show both apart."""
        return f"{self.thing}: expected {self.expected}, got {self.got}."

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions are rebuilt from their positional arguments; ours are keywords, and must cross processes.
        return _rebuild, (type(self), self.__dict__ | {"args": self.args})


def _rebuild(kind: type[DrumtowerError], facts: dict[str, object]) -> DrumtowerError:
    error = kind.__new__(kind)
    error.__dict__.update({key: value for key, value in facts.items() if key != "args"})
    error.args = facts["args"]  # type: ignore[assignment]
    return error


class SettingsError(DrumtowerError):
    """A person must mend a file or a setting: exit code 2, one line, no traceback."""


class SettingsFaults(SettingsError):
    """Several faults of one file, all of them listed; `.faults` holds each as a `SettingsError`."""

    def __init__(self, faults: list[SettingsError]) -> None:
        self.faults = faults
        first = faults[0]
        super().__init__(first.thing, expected=first.expected, got=first.got, mend=first.mend)
        self.args = ("\n".join(str(fault) for fault in faults),)


class RecordError(DrumtowerError):
    """One record cannot be read; `.position` says which, where it is known. It goes to the dead-letter topic."""

    def __init__(self, thing: str, *, expected: str, got: str, mend: str, position: object | None = None) -> None:
        super().__init__(thing, expected=expected, got=got, mend=mend)
        self.position = position


class SourceError(DrumtowerError):
    """
    One camera is down.

    Attributes:
        camera: its id.
        cause: one word of a closed set, fit for a metric's label: `unreachable`, `unknown_host`, `auth_failed`,
            `refused`, `not_found`, `no_video`, `stalled`, `closed`, `broken_stream`, `crashed`.
    """

    def __init__(self, camera: str, cause: str, *, expected: str, got: str, mend: str) -> None:
        super().__init__(f"camera {camera}", expected=expected, got=got, mend=mend)
        self.camera, self.cause = camera, cause


class BusError(DrumtowerError):
    """The bus refused or lost something."""


class BusRetryable(BusError):
    """The bus cannot now; the same call may succeed later."""


class BusFenced(BusError):
    """Another worker owns these partitions now: stop at once, and send nothing more."""


class StoreError(DrumtowerError):
    """A store (casebook, live store, model store) refused or lost something."""


class StoreRetryable(StoreError):
    """The store cannot now; the same call may succeed later."""


class StoreConflict(StoreError):
    """Someone else changed the row meanwhile: reload it and decide again."""
