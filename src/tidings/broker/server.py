"""The composition root: take the port and the folder, recover, serve; and stop in the reverse order."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tidings.broker import handlers
from tidings.broker.catalog.catalog import Catalog
from tidings.broker.catalog.data_folder import DataFolder
from tidings.broker.clock import Clock, SystemClock
from tidings.broker.config import BrokerConfig, split_address
from tidings.broker.coordinators.groups import GroupRuntime, open_groups
from tidings.broker.coordinators.producer_id_blocks import ProducerIdBlocks
from tidings.broker.coordinators.share_state import ShareStateRuntime, open_share_state
from tidings.broker.coordinators.transactions import TransactionRuntime, open_transactions
from tidings.broker.durability import Disk, Durability, PageCache
from tidings.broker.housekeeping import Housekeeping
from tidings.broker.listener import listen
from tidings.broker.requests.connection import Connection
from tidings.broker.requests.fetch_sessions import FetchSessions
from tidings.broker.requests.long_polls import LongPolls
from tidings.broker.requests.outbox import Outbox
from tidings.broker.requests.throttle import Throttle
from tidings.broker.settings.broker_configs import static_values
from tidings.broker.settings.resolved import Settings
from tidings.broker.shares.partitions import SharePartitions
from tidings.broker.shares.sessions import ShareSessions
from tidings.log.disk_files import DiskFiles
from tidings.log.files import Files
from tidings.security.acl import AccessControl
from tidings.wire.frames import SCRATCH_BYTES

if TYPE_CHECKING:
    from tidings.broker.catalog.topic import Topic
    from tidings.broker.metrics.endpoint import MetricsEndpoint
    from tidings.broker.metrics.traffic import Traffic
    from tidings.broker.requests.repeats import Pattern

log = logging.getLogger(__name__)

ANSWER_S_MAX = 0.2
"""How long a stop waits for replies that are still due when everything is on the disk."""
SEND_S_MAX = 5.0
"""How long it waits for clients to take what was sent to them."""


class Broker:
    """One broker on one data folder. Handlers reach everything through it; `open` makes it, `close` ends it."""

    catalog: Catalog
    folder: DataFolder
    groups: GroupRuntime
    producer_ids: ProducerIdBlocks
    share_state: ShareStateRuntime
    throttle: Throttle
    transactions: TransactionRuntime
    address: tuple[str, int]
    """Host and port as clients are told them: `advertised`, or where we listen."""

    def __init__(self, config: BrokerConfig, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self.config = config
        self.clock = clock
        self.loop = loop
        self.apis = handlers.load()
        self.connections: set[Connection] = set()
        self.is_closing = False
        self.scratch = bytearray(SCRATCH_BYTES)  # where all connections receive, one after the other
        self.long_polls = LongPolls(loop)
        self.outbox = Outbox(loop)
        self.patterns: dict[bytes, Pattern] = {}  # of Produce requests, by what those begin with
        self.fetch_sessions = FetchSessions(config.fetch_sessions_max, lambda: 1 + secrets.randbelow(0x7FFFFFFF))
        self.share_partitions = SharePartitions(self)
        self.share_sessions = ShareSessions(config.share_sessions_max, self.share_partitions.session_ended)
        self.durability: Durability = (
            PageCache(self.long_polls, loop) if config.durability == "os" else Disk(self.long_polls, loop)
        )
        self.access = AccessControl(superusers=config.superusers, allows_by_default=config.allow_if_no_rule)
        self.housekeeping = Housekeeping(self)
        self.began_ms = clock.monotonic_ms()
        self.traffic: Traffic | None = None  # counted when somebody may ask for it
        self.metrics: MetricsEndpoint | None = None
        self._server: asyncio.Server | None = None

    @classmethod
    async def open(cls, config: BrokerConfig, *, clock: Clock | None = None, files: Files | None = None) -> Broker:
        """Recover what is in the folder and serve.

        Raises OperatorError if the port or the folder does not fit: then nothing was written.
        """
        broker = cls(config, clock or SystemClock(), asyncio.get_running_loop())
        with ExitStack() as undo:
            # The port first: from here on it is ours and clients queue, and where it is not, no folder was touched.
            listener = undo.enter_context(listen(config.host, config.port))
            if config.metrics is not None:
                metrics_listener = undo.enter_context(listen(*split_address(config.metrics)))
            broker._open_folder(files or DiskFiles(), undo)
            broker.producer_ids = ProducerIdBlocks(broker.catalog, config.node_id)
            broker.groups = await open_groups(broker.catalog, broker.durability, broker.clock, config.groups)
            broker.share_state = open_share_state(broker.catalog, broker.durability, broker.clock)
            broker.transactions = open_transactions(
                broker.catalog,
                broker.groups,
                broker.producer_ids,
                broker.durability,
                broker.clock,
                config.transactions,
            )
            if config.metrics is not None:
                await broker._tell_metrics(metrics_listener)
            await broker._serve(listener)
            undo.pop_all()
        return broker

    @property
    def cluster_id(self) -> str:
        return self.folder.cluster_id

    def _open_folder(self, files: Files, undo: ExitStack) -> None:
        config = self.config
        path = os.path.abspath(config.data)
        self.folder = DataFolder.open(files, path, node_id=config.node_id)
        undo.callback(self.folder.close, clean=False)
        settings = Settings(config.node_id, static_values(config, path))
        self.catalog = Catalog(
            files,
            path,
            settings,
            self.clock,
            self.access,
            node_id=config.node_id,
            clean=self.folder.was_clean,
            durability=config.durability,
        )
        undo.callback(self.catalog.close)
        self.catalog.deleted.append(self._forget_topic)
        self.throttle = Throttle(self.catalog.quotas, self.clock)

    async def _serve(self, listener: socket.socket) -> None:
        host, port = listener.getsockname()[:2]
        self.address = (
            (self.config.host, port) if self.config.advertised is None else split_address(self.config.advertised)
        )
        self._server = await self.loop.create_server(lambda: Connection(self), sock=listener)
        self.housekeeping.start()
        where = {"host": host, "port": port, "data": self.folder.path}
        log.info("serving at %(host)s:%(port)d, data in %(data)s", where)

    async def _tell_metrics(self, listener: socket.socket) -> None:
        from tidings.broker.metrics.endpoint import MetricsEndpoint
        from tidings.broker.metrics.traffic import Traffic

        self.traffic = Traffic()
        self.metrics = MetricsEndpoint(self)
        await self.metrics.start(listener)

    def _forget_topic(self, topic: Topic) -> None:
        """Whoever waits for records of a topic that goes away is told that it did."""
        for replica in topic.partitions:
            if replica.log is not None:
                self.long_polls.interrupt(replica.log)
        self.share_partitions.forget_topic(topic)
        self.patterns.clear()

    async def close(self) -> None:
        """Stop listening, answer who waits, close every log; then the next start trusts the folder."""
        if self._server is None or self.is_closing:
            return
        self.is_closing = True
        self._server.close()
        if self.metrics is not None:
            await self.metrics.close()
        await self.housekeeping.stop()
        self.long_polls.close()
        self.share_partitions.close()
        await self.transactions.close()
        await self.share_state.close()
        await self.groups.close()
        await self._hang_up()
        await self._server.wait_closed()
        await self.catalog.finish()
        in_order = self.catalog.close()
        self.folder.close(clean=in_order)
        log.info("stopped %s", "cleanly" if in_order else "with faults: the next start checks every partition")

    async def _hang_up(self) -> None:
        """Close every connection: first those to whom nothing is due, last those who do not take what was sent."""
        for connection in list(self.connections):
            connection.finish()
        await self.durability.close()
        await self._all_lost(ANSWER_S_MAX)
        for connection in list(self.connections):
            if connection.awaits_reply:
                connection.abort()  # for members of another process, say, which may not come
        await self._all_lost(SEND_S_MAX)
        for connection in list(self.connections):
            connection.abort()
        await self._all_lost(None)

    async def _all_lost(self, timeout_s: float | None) -> None:
        if self.connections:
            await asyncio.wait([connection.lost for connection in self.connections], timeout=timeout_s)
