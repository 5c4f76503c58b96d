"""Who is compared: the program of each, where its libraries are, and what it has no way to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.results import TIDINGS
from benchmarks.service.environments import Environment, own

FASTSTREAM_CONFLUENT = "FastStream, confluent"
FASTSTREAM_AIOKAFKA = "FastStream, aiokafka"
QUIX = "Quix Streams"
AIOKAFKA = "aiokafka"
LIBRDKAFKA = "librdkafka"

NO_TRANSACTIONS = "FastStream has no transactions: an answer and the position of what it answers are written apart."
NOT_ASYNC = (
    "Quix Streams' functions are not async, and it handles one event at a time: with waits of 10 ms 100 a second."
)
NO_LOOP = "librdkafka alone has no event loop."


@dataclass(frozen=True)
class Competitor:
    """`cannot` says why it has no figure in a case."""

    name: str
    program: str
    environment: Environment
    cannot: Mapping[str, str] = field(default_factory=dict)

    @property
    def module(self) -> str:
        return f"benchmarks.service.peers.{self.program}"


_FASTSTREAM = Environment(
    "faststream",
    ("faststream", "confluent-kafka", "aiokafka"),
    ("faststream[confluent,kafka]>=0.7,<0.8", "msgspec>=0.19"),
)
_QUIX = Environment("quixstreams", ("quixstreams", "confluent-kafka"), ("quixstreams>=3,<4", "msgspec>=0.19"))

COMPETITORS = {
    competitor.name: competitor
    for competitor in (
        Competitor(TIDINGS, "tidings_service", own("confluent-kafka")),
        Competitor(FASTSTREAM_CONFLUENT, "faststream_confluent", _FASTSTREAM, {"exactly-once": NO_TRANSACTIONS}),
        Competitor(FASTSTREAM_AIOKAFKA, "faststream_aiokafka", _FASTSTREAM, {"exactly-once": NO_TRANSACTIONS}),
        Competitor(
            QUIX,
            "quix",
            _QUIX,
            {"awaiting": NOT_ASYNC},
        ),
        Competitor(AIOKAFKA, "aio", own("aiokafka")),
        Competitor(
            LIBRDKAFKA,
            "librdkafka",
            own("confluent-kafka"),
            {"awaiting": NO_LOOP},
        ),
    )
}
