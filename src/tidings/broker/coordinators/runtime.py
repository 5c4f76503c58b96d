"""Runs a coordinator: asks it, appends what it decides, replays that, and releases replies when all is safe.

The order of things is `coordination.outcome`'s contract. Requests that come while a sync is under way are decided,
appended and replayed at once, and share the next sync.

A disk that fails takes the coordinator offline, not the broker: every request is refused with
COORDINATOR_NOT_AVAILABLE, which clients retry, until a restart reads the log again. A disk that is merely full refuses
what would be written, and goes on when there is room.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Generic, Protocol, TypeVar

from tidings.broker.clock import Clock
from tidings.broker.coordinators.coordinator_log import CoordinatorLog, End, Entry
from tidings.broker.durability import Durability
from tidings.broker.requests.dispatch import Context
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Producer, Ticket
from tidings.errors import DiskError
from tidings.log.partition import Partition
from tidings.security.rights import DESCRIBE_TOPIC
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import Message

log = logging.getLogger(__name__)

STALL_MS = 1000
"""When the loop is this late, it was we who stood still. Members get as long to be heard before any is given up."""
PIECE_RECORDS = 500
"""How much of the state is written at a time while requests wait."""

R = TypeVar("R", bound=Message)
Decide = Callable[[R, ClientInfo, Now, Ticket], Outcome]


class Coordinator(Protocol):
    """What is run: see `coordination.outcome` for how."""

    def start(self, now: Now) -> Outcome: ...
    def next_deadline_ms(self) -> int | None: ...
    def tick(self, now: Now) -> Iterator[Outcome]: ...
    def replay(self, key: bytes, value: bytes | None, producer: Producer | None = None) -> None: ...
    def snapshot(self) -> Iterator[tuple[bytes, bytes]]: ...


C = TypeVar("C", bound=Coordinator)
Refuse = Callable[[Message, ErrorCode, int], Message]
"""The reply to a request, in a version, that says nothing but a code."""


class Asked:
    """A request that waits for its reply: what the coordinator knows as a ticket."""

    __slots__ = ("_refusal", "api_version", "future", "is_decided", "request")

    def __init__(self, request: Message, api_version: int, refuse: Refuse, future: asyncio.Future[Message]) -> None:
        self.request = request
        self.api_version = api_version
        self.future = future
        self.is_decided = False
        self._refusal = refuse

    def answer(self, message: Message) -> None:
        if not self.future.done():  # its connection may be gone
            self.future.set_result(message)

    def refuse(self, code: ErrorCode) -> None:
        self.answer(self._refusal(self.request, code, self.api_version))


class CoordinatorRuntime(Generic[C]):
    """A coordinator and its log, on the event loop. `coordinator`'s methods are what `ask` takes.

    `what` it coordinates is said in messages to the operator.
    """

    what: str

    def __init__(self, coordinator: C, refuse: Refuse, durability: Durability, clock: Clock) -> None:
        self.coordinator = coordinator
        self._refuse = refuse
        self._durability = durability
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._log: CoordinatorLog | None = None
        self._open: set[Asked] = set()
        self._appended = 0
        self._safe = 0
        self._unsafe: deque[tuple[int, Callable[[], None]]] = deque()
        """What is to be done when so many appends are safe."""
        self._timer: asyncio.TimerHandle | None = None
        self._deadline_ms: int | None = None
        self._rewriting: asyncio.Task[None] | None = None

    def start(self, find_partition: Callable[[], Partition]) -> None:
        """Replay the log and begin. If it cannot be read, say so, and refuse requests until the next start."""
        try:
            found = CoordinatorLog(find_partition())
            for entry in found.read():
                self._replay(entry)
        except (ApiError, DiskError) as error:
            log.error("%s are unavailable: their log cannot be read: %s", self.what, error)
            return
        self._log = found
        self._run(self.coordinator.start(self._now()))
        self._set_timer()

    @property
    def is_available(self) -> bool:
        return self._log is not None

    async def close(self) -> None:
        """Take no more requests, and answer those that wait for other members. To be called before the log closes."""
        if self._timer is not None:
            self._timer.cancel()
        self._log = None
        for asked in self._open:
            if not asked.is_decided:
                asked.refuse(ErrorCode.NOT_COORDINATOR)
        if self._rewriting is not None:
            await self._rewriting

    def ask(
        self, decide: Decide[R], request: R, context: Context, *, shows_nothing_recorded: bool = False
    ) -> asyncio.Future[Message]:
        """Have the coordinator decide on `request`; the reply, once all it may know of is safe.

        `shows_nothing_recorded` lets it go at once: then a slow disk does not delay it.
        """
        asked = Asked(request, context.api_version, self._refuse, self._loop.create_future())
        if self._log is None:
            asked.refuse(ErrorCode.COORDINATOR_NOT_AVAILABLE)
            return asked.future
        self._open.add(asked)
        client = client_of(context)
        try:
            outcome = decide(request, client, self._now(), asked)
        except BaseException:
            self._open.discard(asked)
            raise
        self._run(outcome, at_once=shows_nothing_recorded)
        self._set_timer()
        return asked.future

    def keep(self, outcome: Outcome) -> asyncio.Future[None]:
        """Record what was decided without a request; done when that is safe.

        The future raises ApiError COORDINATOR_NOT_AVAILABLE if it cannot be, or may not be.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        if outcome.records and not self._append(outcome):
            future.set_exception(ApiError(ErrorCode.COORDINATOR_NOT_AVAILABLE))
        else:
            self.when_safe(partial(self._kept, future))
        return future

    def _kept(self, future: asyncio.Future[None]) -> None:
        if future.done():
            return  # nobody waits any more
        if self.is_available:
            future.set_result(None)
        else:
            future.set_exception(ApiError(ErrorCode.COORDINATOR_NOT_AVAILABLE))

    def when_safe(self, then: Callable[[], None]) -> None:
        """Call `then` when all that was appended so far is safe, or never will be: then we are not available."""
        if self._safe == self._appended:
            then()
        else:
            self._unsafe.append((self._appended, then))

    # Outcomes.

    def _replay(self, entry: Entry | End) -> None:
        if isinstance(entry, End):
            raise DiskError(f"the log of {self.what} has the end of a transaction in it")
        self.coordinator.replay(*entry)

    def _run(self, outcome: Outcome, *, at_once: bool = False) -> None:
        if outcome.records and not self._append(outcome):
            for ticket in outcome.tickets():
                self._close(ticket).refuse(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        elif at_once:
            self._release(outcome)
        elif outcome.replies or outcome.markers:
            for ticket, _ in outcome.replies:
                _asked(ticket).is_decided = True
            self.when_safe(partial(self._release, outcome))

    def _append(self, outcome: Outcome) -> bool:
        """Whether the records are in the log and replayed; they become safe later."""
        if self._log is None:
            return False
        try:
            size_bytes = self._log.append(outcome.records, self._clock.now_ms(), outcome.producer)
        except (ApiError, DiskError) as error:
            log.error("a decision about %s could not be written: %s", self.what, error)
            return False
        for key, value in outcome.records:
            self.coordinator.replay(key, value, outcome.producer)
        self._settle(self._log.partition, size_bytes)
        if self._log is not None and self._log.is_long and self._rewriting is None:
            self._rewriting = self._loop.create_task(self._rewrite(self._log))
        return True

    def _settle(self, partition: Partition, size_bytes: int) -> None:
        self._appended += 1
        self._durability.settle(partition, size_bytes, partial(self._settled, self._appended))

    def _settled(self, count: int, error: Exception | None) -> None:
        """The first `count` appends are safe, or will never be known to be."""
        if error is not None:
            self._fail(error)
            return
        self._safe = max(self._safe, count)
        while self._unsafe and self._unsafe[0][0] <= self._safe:
            self._unsafe.popleft()[1]()

    def _release(self, outcome: Outcome) -> None:
        for ticket, message in outcome.replies:
            self._close(ticket).answer(message)

    def _close(self, ticket: Ticket) -> Asked:
        """The request, which is about to be answered."""
        asked = _asked(ticket)
        self._open.discard(asked)
        return asked

    def _fail(self, error: Exception) -> None:
        """What was decided lately may be on the disk or not: nothing can be said before the log is read anew."""
        if self._log is not None:
            log.error("%s are unavailable until the next start: their log failed: %s", self.what, error)
        self._log = None
        for asked in self._open:
            asked.refuse(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        self._open.clear()
        unsafe, self._unsafe = self._unsafe, deque()
        for _, then in unsafe:
            then()  # replies come too late; who waits for something else finds us gone

    # Time.

    def _now(self) -> Now:
        return Now(self._clock.monotonic_ms(), self._clock.now_ms())

    def _set_timer(self) -> None:
        deadline_ms = self.coordinator.next_deadline_ms()
        if deadline_ms == self._deadline_ms:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._deadline_ms, self._timer = deadline_ms, None
        if deadline_ms is not None:
            wait_ms = max(deadline_ms - self._clock.monotonic_ms(), 0)
            self._timer = self._loop.call_later(wait_ms / 1000, self._on_timer, deadline_ms)

    def _on_timer(self, deadline_ms: int) -> None:
        late_ms = self._clock.monotonic_ms() - deadline_ms
        if late_ms > STALL_MS:
            log.warning("the event loop stood still for %d ms; members have %d ms to be heard", late_ms, STALL_MS)
            self._timer = self._loop.call_later(STALL_MS / 1000, self._tick)
        else:
            self._tick()

    def _tick(self) -> None:
        self._deadline_ms = self._timer = None
        if self._log is None:
            return
        for outcome in self.coordinator.tick(self._now()):
            self._run(outcome)
        self._set_timer()

    # The log's length.

    async def _rewrite(self, whole: CoordinatorLog) -> None:
        mark = whole.mark()
        state_bytes = 0
        state = self.coordinator.snapshot()
        try:
            while piece := list(islice(state, PIECE_RECORDS)):
                size_bytes = whole.append(piece, self._clock.now_ms())
                state_bytes += size_bytes
                self._settle(whole.partition, size_bytes)
                await asyncio.sleep(0)
                if self._log is not whole:
                    return  # stopped, or failed: the whole log is still there
            await self._all_safe(whole.partition)
            needed_from = whole.needed_from(mark)
            await asyncio.to_thread(whole.partition.delete_before, needed_from)
            if needed_from == mark.offset:
                whole.begins_at(mark, state_bytes)
            else:
                whole.put_off()
        except (ApiError, DiskError) as error:
            whole.put_off()
            log.warning("the log of %s could not be shortened: %s", self.what, error)
        finally:
            self._rewriting = None

    async def _all_safe(self, partition: Partition) -> None:
        """Wait until what was appended so far is safe. Raises DiskError if it never will be."""
        safe = self._loop.create_future()
        self._durability.settle(partition, 0, partial(_settle_future, safe))
        await safe


def client_of(context: Context) -> ClientInfo:
    """Who asks, as coordinators know them."""
    return ClientInfo(
        context.client_id or "", context.client_host, context.api_version, partial(context.may, DESCRIBE_TOPIC)
    )


def _asked(ticket: Ticket) -> Asked:
    assert isinstance(ticket, Asked)
    return ticket


def _settle_future(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(DiskError(str(error)))
