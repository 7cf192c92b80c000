"""Programs of a test, each in a process group of its own with its log in a file; none of them outlives the test."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
STOP_S_MAX = 30.0
_SHOWN_LINES = 60


class Programs:
    """
        with Programs(folder) as programs:
            programs.start("detect", [sys.executable, "-m", "deploy", "run", "detect"])
            programs.kill("detect")    # SIGKILL, and it is reaped

    Args:
        folder: where the log of each is kept, `<name>.log`; one that is started again goes on in the same file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._groups: list[int] = []

    def start(self, name: str, command: list[str], *, talks: bool = False) -> subprocess.Popen[str]:
        """
        Args:
            talks: its standard output is a pipe for the test, not the log.
        """
        assert name not in self._running, f"{name} is running"
        with self.log(name).open("a") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._running[name] = process
        self._groups.append(process.pid)
        return process

    def check(self) -> None:
        """
        Raises:
            AssertionError: one of them has ended by itself.
        """
        for name, process in self._running.items():
            assert process.poll() is None, f"{name} ended by itself with {process.returncode}"

    def kill(self, name: str) -> int:
        """SIGKILL of the program alone, as the kernel does when memory is short; the id of its group."""
        process = self._running.pop(name)
        process.kill()
        process.wait()
        return process.pid

    def signal(self, name: str, number: signal.Signals) -> None:
        self._running[name].send_signal(number)

    def stop(self, name: str) -> int:
        """SIGTERM; the exit code."""
        process = self._running.pop(name)
        process.terminate()
        return process.wait(STOP_S_MAX)

    def is_gone(self, group: int) -> bool:
        """Whether nobody of a process group is left."""
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        return False

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def logs(self) -> dict[str, str]:
        """The whole log of each."""
        return {path.stem: path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log"))}

    def shown(self) -> str:
        """The end of each log, for people."""
        ends = {name: "\n".join(text.splitlines()[-_SHOWN_LINES:]) for name, text in self.logs().items()}
        return "\n".join(f"--- {name}\n{end}" for name, end in ends.items())

    def __enter__(self) -> Programs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        for process in self._running.values():
            process.wait()
        self._running.clear()
        for group in self._groups:
            until(lambda group=group: self.is_gone(group), f"the end of process group {group}")  # type: ignore[misc]
