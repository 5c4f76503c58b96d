"""Of what a run compares, and of the tools it uses."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from tests.peers.apache_kafka import LIBS

from benchmarks.broker import rdkafka_performance
from benchmarks.broker.brokers import KAFKA, TIDINGS

_ROOT = Path(__file__).resolve().parents[2]


def found() -> dict[str, str]:
    """By name; what is not there is left out, and will fail when it is used."""
    versions = {TIDINGS: version("tidings")}
    commit = _said("git", "-C", str(_ROOT), "rev-parse", "--short", "HEAD")
    if commit:
        versions[TIDINGS] += f" ({commit.strip()})"
    jars = [
        match[1] for jar in LIBS.glob("kafka_*.jar") if (match := re.search(r"kafka_[\d.]+-([\d.]+)\.jar", jar.name))
    ]
    if jars:
        versions[KAFKA] = jars[0]
    java = re.search(r'version "([^"]+)"', _said("java", "-version"))
    if java:
        versions["Java"] = java[1]
    versions["librdkafka"] = rdkafka_performance.VERSION
    return versions


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout + done.stderr if done.returncode == 0 else ""
