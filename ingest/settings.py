"""Values from a file into a settings struct: what does not fit is named with its whole key, and with the mend."""

from __future__ import annotations

import difflib
import re
import typing
from typing import Any, TypeVar

import msgspec

from ingest.errors import SettingsError

Struct = TypeVar("Struct")


def converted(thing: str, given: Any, kind: type[Struct]) -> Struct:
    """
    `given` as `kind`.

    Args:
        thing: what the values come from, as the message shall begin: `drumtower.toml: `, `detect.detectors.x.`.

    Raises:
        SettingsError: an unknown key, a wrong type, a value out of its range.
    """
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise _fault(thing, given, kind, str(error)) from error


def _fault(thing: str, given: Any, kind: Any, text: str) -> SettingsError:
    what, _, where = text.partition(" - at `")
    parts = re.findall(r"[^.\[\]`$]+", where)
    if unknown := re.fullmatch(r"Object contains unknown field `(.+)`", what):
        return _unknown_key(thing, _struct_at(kind, parts), [*parts, unknown[1]])
    value = given
    for part in parts:
        value = value.get(part) if isinstance(value, dict) else value[int(part)]
    expected = _expected(what, kind, parts)
    quoted = isinstance(value, str) and re.search(r"\b(int|float)\b", expected)
    return SettingsError(
        thing + ".".join(parts),
        expected=expected,
        got=repr(value),
        mend="Remove the quotes." if quoted else "Mend the value; docs/settings.md has every key.",
    )


def _unknown_key(thing: str, struct: Any, parts: list[str]) -> SettingsError:
    known = sorted(field.encode_name for field in msgspec.structs.fields(struct)) if struct else []
    near = difflib.get_close_matches(parts[-1], known, 1)
    return SettingsError(
        thing + ".".join(parts),
        expected=f"one of {', '.join(known)}" if known else "a known key",
        got=f"the unknown key {parts[-1]!r}",
        mend=f"Did you mean {near[0]!r}?" if near else "Remove it.",
    )


def _expected(what: str, kind: Any, parts: list[str]) -> str:
    """msgspec's reason in our words: `int >= 15`, `one of 'embedded', 'kafka'`, or the rule of the struct itself."""
    if what.startswith("Invalid enum value") and parts:
        owner = _struct_at(kind, parts[:-1])
        field = next((field for field in msgspec.structs.fields(owner) if field.encode_name == parts[-1]), None)
        choices = typing.get_args(field.type) if field else ()
        return f"one of {', '.join(map(repr, choices))}"
    return what.removeprefix("Expected ").split(", got ")[0].replace("`", "")


def _struct_at(kind: Any, parts: list[str]) -> Any:
    """The struct that the keys lead to; None where they leave the structs."""
    for part in parts:
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        kind = fields.get(part)
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            return None
    return kind
