"""
Numbers and matrices out of the files that calibration tools write: OpenCV's FileStorage (YAML, XML), ROS' camera_info,
plain text and JSON. Only what is asked for is read, by name; no document is executed, resolved or followed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import defusedxml.ElementTree as ElementTree
import numpy as np
from defusedxml.common import DefusedXmlException

from ingest.errors import SettingsError

BYTES_MAX = 1024 * 1024
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_SEPARATORS = re.compile(r"[\s,;]+")


class CalibrationText:
    """
    A file whose matrices can be asked for by name.

    Raises:
        SettingsError: not a file, too large, not UTF-8, or XML that cannot be read or refers to others.
    """

    def __init__(self, path: Path) -> None:
        self.file = path.name
        self.text = _read(path)
        self._is_xml = self.text.lstrip().startswith("<")
        self._root = self._xml() if self._is_xml else None

    def numbers(self, *names: str) -> tuple[float, ...] | None:
        """The numbers of the first of these names that is there, row by row; None where none is."""
        for name in names:
            text = self._xml_text(name) if self._is_xml else self._yaml_text(name)
            if text is not None:
                return self._parsed(name, text)
        return None

    def required(self, count: Sequence[int], *names: str) -> tuple[float, ...]:
        """
        Raises:
            SettingsError: none of these names, or not so many numbers.
        """
        found = self.numbers(*names)
        if found is None or len(found) not in count:
            raise SettingsError(
                f"{self.file}: {names[0]}", expected=f"{' or '.join(map(str, count))} numbers",
                got="nothing" if found is None else str(len(found)),
                mend=f"Write it as OpenCV or ROS do, under {' or '.join(names)}.",
            )  # fmt: skip
        return found

    def word(self, name: str) -> str | None:
        """The word after a name, as in `distortion_model: plumb_bob`."""
        match = re.search(rf"^\s*\"?{name}\"?\s*[:=]\s*[\"']?([A-Za-z_]+)", self.text, re.MULTILINE)
        return match[1] if match else None

    def _xml(self) -> ElementTree.Element:
        try:
            return ElementTree.fromstring(self.text)
        except (ElementTree.ParseError, DefusedXmlException, ValueError) as error:
            raise SettingsError(
                self.file, expected="XML without entities", got=f"{type(error).__name__}: {str(error)[:120]}",
                mend="Export it again.",
            ) from error  # fmt: skip

    def _xml_text(self, name: str) -> str | None:
        assert self._root is not None
        found = self._root.find(f".//{name}")
        if found is None:
            return None
        data = found.find("data")
        return (found if data is None else data).text or ""

    def _yaml_text(self, name: str) -> str | None:
        """The list after `name:`, or after the `data:` of the block that it opens; else the number on its line."""
        head = re.search(rf"^(\s*)\"?{name}\"?\s*:[ \t]*", self.text, re.MULTILINE)
        if head is None:
            return None
        rest = self.text[head.end() :]
        if single := re.match(rf"({_NUMBER})\s*(?:[,}}\n]|$)", rest):
            return single[1]
        block = re.match(r"(?:!!opencv-matrix)?\s*(?:\{?\s*\"?(?:rows|cols|dt|type_id)\"?\s*:\s*[\"'\w-]+,?\s*)*"
                         r"(?:\"?data\"?\s*:\s*)?\[", rest)  # fmt: skip
        if block is None:
            return ""
        inside = rest[block.end() :]
        depth, end = 1, 0
        for end, letter in enumerate(inside):  # noqa: B007
            depth += (letter == "[") - (letter == "]")
            if depth == 0:
                break
        return inside[:end].replace("[", " ").replace("]", " ")

    def _parsed(self, name: str, text: str) -> tuple[float, ...]:
        parts = [part for part in _SEPARATORS.split(text.strip()) if part and part != "-"]
        try:
            numbers = tuple(float(part) for part in parts)
        except ValueError as error:
            raise SettingsError(
                f"{self.file}: {name}", expected="numbers", got=str(error)[:80], mend="Export it again."
            ) from error
        if not np.isfinite(numbers).all():
            raise SettingsError(
                f"{self.file}: {name}", expected="finite numbers", got="NaN or infinity", mend="Calibrate again."
            )
        return numbers


def read_matrix_3x3(path: Path) -> tuple[tuple[float, float, float], ...]:
    """
    Nine numbers: plain text, or JSON as a list of three rows, a list of nine, or an object with one of these.

    Raises:
        SettingsError: not nine finite numbers.
    """
    text = _read(path)
    try:
        given = json.loads(text) if text.lstrip()[:1] in ("[", "{") else _SEPARATORS.split(text.strip())
        if isinstance(given, dict):
            given = next((given[name] for name in ("homography", "H", "matrix", "data") if name in given), [])
        flat = np.asarray(given, dtype=np.float64).reshape(-1)
    except (ValueError, TypeError, RecursionError) as error:
        raise SettingsError(
            path.name, expected="nine numbers", got=str(error)[:80], mend="Write three rows of three numbers."
        ) from error
    return checked_3x3(path.name, flat)


def checked_3x3(thing: str, flat: Sequence[float] | np.ndarray) -> tuple[tuple[float, float, float], ...]:
    """
    Raises:
        SettingsError: not nine finite numbers, or rows that do not differ.
    """
    numbers = np.asarray(flat, dtype=np.float64)
    if numbers.shape != (9,) or not np.isfinite(numbers).all():
        raise SettingsError(
            thing, expected="nine finite numbers", got=f"{numbers.size}", mend="Write three rows of three numbers."
        )
    matrix = numbers.reshape(3, 3)
    if abs(np.linalg.det(matrix / np.abs(matrix).max(initial=1e-300))) < 1e-14:
        raise SettingsError(
            thing, expected="a matrix that can be inverted", got="one that cannot", mend="Calibrate again."
        )
    first, second, third = (tuple(map(float, row)) for row in matrix)
    return first, second, third  # type: ignore[return-value]


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise SettingsError(
            str(path), expected="a file that can be read", got=error.strerror or "an error", mend="Check the path."
        ) from error
    if len(data) > BYTES_MAX or not data.strip():
        raise SettingsError(
            path.name, expected=f"1 to {BYTES_MAX:,} bytes", got="nothing" if not data.strip() else "more",
            mend="Check that it is the right file.",
        )  # fmt: skip
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(
            path.name, expected="UTF-8", got=f"the byte 0x{data[error.start]:02X}", mend="Save it again as UTF-8."
        ) from error
