"""Of what a run compares, and of the tools it uses."""

from __future__ import annotations

import re

from tests.peers.apache_kafka import LIBS

from benchmarks import versions
from benchmarks.broker import rdkafka_performance
from benchmarks.broker.brokers import KAFKA
from benchmarks.results import TIDINGS


def found() -> dict[str, str]:
    """By name; what is not there is left out, and will fail when it is used."""
    by_name = {TIDINGS: versions.tidings()}
    jars = [
        match[1] for jar in LIBS.glob("kafka_*.jar") if (match := re.search(r"kafka_[\d.]+-([\d.]+)\.jar", jar.name))
    ]
    if jars:
        by_name[KAFKA] = jars[0]
    java = re.search(r'version "([^"]+)"', versions.said("java", "-version"))
    if java:
        by_name["Java"] = java[1]
    by_name["librdkafka"] = rdkafka_performance.VERSION
    return by_name
