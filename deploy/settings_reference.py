"""The page of all settings, made from the structs and the comments beside their fields."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec

from deploy.settings import Settings
from detectors.registry import installed_detectors

_FIELD = re.compile(r"^    (?P<name>\w+): (?P<type>.+?)(?: = (?P<default>.+?))?(?:  # (?P<meaning>.+))?$")


def page() -> str:
    """Markdown; every key of the TOML file with its default and meaning."""
    head = textwrap.dedent(
        """\
        # Settings

        One TOML file, given by `--settings` or `DRUMTOWER_SETTINGS`; without one the defaults hold. An unknown key is
        refused. A password is never a setting: a file or an environment variable that holds it is named.
        `drumtower check` loads all and lists every fault. This page is made by `drumtower settings write`.
        """
    )
    sections = "".join(_section(path, struct) for path, struct in _sections("", Settings))
    return head + sections


def _sections(path: str, struct: type[Any]) -> Iterator[tuple[str, type[Any]]]:
    yield path, struct
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _sections(f"{path}.{field.name}".lstrip("."), field.type)
        if (path, field.name) == ("detect", "detectors"):
            for name, detector in sorted(installed_detectors().items()):
                yield f'detect.detectors."{name}"', detector.settings


def _section(path: str, struct: type[Any]) -> str:
    rows = [
        f"| `{name}` | `{default}` | {meaning} |"
        for name, default, meaning in _fields(struct)
        if not (isinstance(kind := _type_of(struct, name), type) and issubclass(kind, msgspec.Struct))
    ]
    title = f"\n## `[{path}]`\n" if path else "\n## At the top\n"
    return title + "\n| key | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n" if rows else ""


def _fields(struct: type[Any]) -> Iterator[tuple[str, str, str]]:
    comments: dict[str, str] = {}
    above = ""
    for line in _lines(struct):
        if found := _FIELD.match(line):
            comments[found["name"]] = found["meaning"] or above
        # A field too long for a comment beside it has it in the line above.
        above = line.strip().removeprefix("# ") if line.startswith("    # ") else ""
    for field in msgspec.structs.fields(struct):
        default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory
        shown = msgspec.json.encode(default() if callable(default) else default).decode()
        yield field.name, "none" if shown == "null" else shown, comments.get(field.name, "")


def _lines(struct: type[Any]) -> Iterator[str]:
    """The source of a struct, after that of those that it inherits fields from."""
    for kind in reversed(struct.__mro__):
        if issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct:
            yield from inspect.getsource(kind).splitlines()


def _type_of(struct: type[Any], name: str) -> Any:
    return next(field.type for field in msgspec.structs.fields(struct) if field.name == name)
