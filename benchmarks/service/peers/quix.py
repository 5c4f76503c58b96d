"""Quix Streams: a pipeline of functions, one event at a time."""

from __future__ import annotations

import logging

import msgspec
from quixstreams import Application  # type: ignore[import-not-found, unused-ignore]

from benchmarks.service.peers.orders import Order, shipment_of
from benchmarks.service.peers.task import Tally, Task

decode = msgspec.json.Decoder(Order).decode
encode = msgspec.json.Encoder().encode


def main(task: Task) -> None:
    tally = Tally(task)
    app = Application(
        broker_address=task.bootstrap,
        consumer_group=task.group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        use_changelog_topics=False,
        processing_guarantee="exactly-once" if task.case == "exactly-once" else "at-least-once",
        loglevel="WARNING",
    )
    stream = app.dataframe(app.topic(task.topic, value_deserializer="bytes")).apply(decode)

    def handle(order: Order) -> None:
        tally.handled(order.number)
        if tally.over:
            app.stop()  # and what was handled is committed

    def answer(order: Order) -> bytes:
        handle(order)
        return encode(shipment_of(order))

    if task.output:
        stream.apply(answer).to_topic(app.topic(task.output, value_serializer="bytes"))
    else:
        stream.update(handle)
    app.run()


if __name__ == "__main__":
    logging.getLogger("quixstreams").setLevel(logging.WARNING)
    main(Task.given())
