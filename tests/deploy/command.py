"""The command, as a person runs it: in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def first_line(self) -> str:
        return self.err.partition("\n")[0]


def drumtower(*arguments: str | Path, timeout_s: float = 60.0, **environment: str) -> Said:
    """What `drumtower ARGUMENTS` said, and how it ended."""
    import os

    done = subprocess.run(
        [sys.executable, "-m", "deploy", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=os.environ | environment,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)
