"""How long a lost camera rests before the next try: by cause, growing, with jitter so that a district never storms."""

from __future__ import annotations

from random import Random

from ingest.cameras.settings import IngestSettings

_FIRST_S = {"stalled": 1.0, "closed": 1.0, "unreachable": 2.0, "unknown_host": 5.0, "crashed": 5.0}
_OTHERS_FIRST_S = 5.0
_AUTH_QUICK_TRIES = 2
_JITTER = 0.25


def rest_s(settings: IngestSettings, cause: str, failures: int, random: Random) -> float:
    """
    Seconds until the next try.

    Args:
        cause: of the last failure, a `SourceError` cause.
        failures: failures in a row, the last one included, >= 1.
        random: of this camera; gives a factor in [0.75, 1.25].
    """
    if cause == "auth_failed" and failures > _AUTH_QUICK_TRIES:
        rest = settings.auth_retry_s
    elif cause == "refused":
        rest = settings.busy_retry_s
    else:
        rest = min(_FIRST_S.get(cause, _OTHERS_FIRST_S) * 2.0 ** min(failures - 1, 16), settings.backoff_s_max)
    return rest * random.uniform(1 - _JITTER, 1 + _JITTER)
