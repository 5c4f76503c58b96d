"""Co-partitioning: what goes with a service's partitions has as many, so that a key is in the same one everywhere.

As in Kafka Streams: a process that is dealt partition 3 of the orders then has all that concerns their keys, if it also
keeps partition 3 of the customers and of its own state.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tidings.errors import DeclarationError, OperatorError
from tidings.service.outlet import Streams
from tidings.service.tables.ownership import Ownership
from tidings.service.tables.state import State
from tidings.service.tables.table import Table
from tidings.service.transports.base import Transport


async def copartition(
    transport: Transport, streams: Streams, read: Collection[str], tables: Sequence[Table[Any]]
) -> Ownership | None:
    """Make the changelogs that are not there yet. None if no table goes with the service's partitions.

    `read` are the streams of the service's handlers. Raises DeclarationError where there are none, OperatorError where
    streams differ in their number of partitions, UnavailableError.
    """
    keepers = [table for table in tables if table.copartitioned]
    if not keepers:
        return None
    if not read:
        raise DeclarationError(f"{keepers[0]!r} goes with the partitions that handlers read, and there are no handlers")
    counts = {stream: await _count(transport, stream) for stream in sorted(read)}
    count = next(iter(counts.values()))
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{stream} has {number}" for stream, number in counts.items())
        raise OperatorError(
            f"{keepers[0]!r} goes with the partitions of what is read, and these differ in number: {told}",
            "give those streams the same number of partitions, or read the others in a service of its own",
        )
    await streams.ensure((), [table.changelog(count) for table in keepers if isinstance(table, State)])
    for table in keepers:
        found = await _count(transport, table.declared.stream)
        if found != count:
            raise OperatorError(
                f"{table.declared.stream} has {found} partitions, and {', '.join(counts)} {count}: "
                f"a key of {table!r} is not in the same partition",
                "give them the same number of partitions"
                if isinstance(table, State)
                else "give them the same number of partitions, or keep the whole table: partitioned=False",
            )
    return Ownership(count, keepers)


async def _count(transport: Transport, stream: str) -> int:
    return len((await transport.stream_state(stream)).ends)
