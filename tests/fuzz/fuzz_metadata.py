"""
Coverage-guided fuzzing of one parser, by hand: it is too long for the suite, whose laws are in `test_parsers.py`.

    pip install atheris
    python -m tests.fuzz.fuzz_metadata deepstream --runs 1000000

Half of the inputs are bytes as the fuzzer makes them; half are a known message whose nodes are exchanged for odd ones,
since most bytes are no JSON. The first fault ends the run, with the input in a file `crash-*`; it becomes a test.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["ingest.cameras"]):
    from tests.fuzz import parsers

ODD: list[Any] = [
    None, True, False, 0, -1, 1e308, -1e308, 10**400, 2**64 - 1, float("nan"), float("inf"), "", "NaN", "-inf", "1e999",
    "\u0000", "é" * 300, "2026-03-14T12:00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", [], {}, [[]],
    {"": {}}, ["x"] * 40, {"@left": "nan"}, "1|2|3|4|5|person", "|" * 50, "end", "Removed", {"Removed": None},
]  # fmt: skip


def nodes(tree: Any) -> list[tuple[Any, Any]]:
    """Every (holder, key) of a tree."""
    found, waiting = [], [tree]
    while waiting:
        one = waiting.pop()
        for key, value in one.items() if isinstance(one, dict) else enumerate(one):
            found.append((one, key))
            if isinstance(value, dict | list):
                waiting.append(value)
    return found


def changed(sample: bytes, choices: atheris.FuzzedDataProvider) -> bytes:
    """A known JSON message with some nodes exchanged, taken out or doubled; of XML, with some bytes exchanged."""
    if not sample.lstrip().startswith((b"{", b"[")):
        at, length = choices.ConsumeIntInRange(0, len(sample)), choices.ConsumeIntInRange(0, 40)
        return sample[:at] + choices.ConsumeBytes(64) + sample[at + length :]
    tree = json.loads(sample)
    for _ in range(choices.ConsumeIntInRange(1, 4)):
        places = nodes(tree)
        if not places:
            break
        holder, key = places[choices.ConsumeIntInRange(0, len(places) - 1)]
        way = choices.ConsumeIntInRange(0, 3)
        if way == 0:
            holder[key] = deepcopy(ODD[choices.ConsumeIntInRange(0, len(ODD) - 1)])
        elif way == 1:
            holder[key] = choices.ConsumeUnicodeNoSurrogates(24)
        elif way == 2:
            holder[key] = [holder[key], deepcopy(holder[key])]
        elif isinstance(holder, dict):
            del holder[key]
    return json.dumps(tree).encode()


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("parser", choices=sorted(parsers.PARSERS))
    wanted.add_argument("--runs", type=int, default=1_000_000)
    wanted.add_argument("--size-bytes-max", type=int, default=4_096)
    given = wanted.parse_args()
    known, outcomes = parsers.seeds(given.parser), Counter[str]()

    def test(data: bytes) -> None:
        choices = atheris.FuzzedDataProvider(data)
        if choices.ConsumeBool():
            document = choices.ConsumeBytes(given.size_bytes_max)
        else:
            document = changed(known[choices.ConsumeIntInRange(0, len(known) - 1)], choices)
        outcomes["read" if parsers.read(given.parser, document) else "refused"] += 1
        if sum(outcomes.values()) % 50_000 == 0 or sum(outcomes.values()) >= given.runs:
            print(given.parser, dict(outcomes), flush=True)  # noqa: T201

    with tempfile.TemporaryDirectory() as corpus:
        for number, document in enumerate(known):
            Path(corpus, str(number)).write_bytes(document + b"\x01")
        options = [f"-runs={given.runs}", f"-max_len={given.size_bytes_max}", "-verbosity=0", "-timeout=10"]
        atheris.Setup([sys.argv[0], *options, corpus], test)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
