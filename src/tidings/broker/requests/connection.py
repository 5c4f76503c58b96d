"""One client: its frames come in, its replies go out in the order of its requests.

Requests are handled one at a time, as Apache Kafka does: while a reply is waiting (a long poll, a rebalance), the next
frames wait too. Only what the table calls pipelined may follow its like: a Produce is appended while earlier ones wait
for the disk. With frames waiting, or a client that does not read, we stop reading: what a client costs is bounded.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, cast

from tidings.broker.requests.call import Call
from tidings.broker.requests.dispatch import CloseConnection, Reply
from tidings.broker.requests.repeats import Repeats, Repetition
from tidings.wire.frames import FrameReader
from tidings.wire.primitives import Buffer, MalformedError

if TYPE_CHECKING:
    from tidings.broker.server import Broker

log = logging.getLogger(__name__)

CALLS_MAX = 1000
OUTGOING_BYTES_MAX = 256 << 10
"""With more than this not yet taken by the client, nothing further of what it asks is handled."""
JOIN_BYTES_MAX = 64 << 10


class Connection(asyncio.BufferedProtocol):
    """Speaks with one client. `broker.connections` holds it while it is open."""

    _transport: asyncio.Transport
    lost: asyncio.Future[None]

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._reader = FrameReader(broker.config.request_bytes_max, broker.scratch)
        self._frames: deque[memoryview] = deque()  # received, not handled yet
        self._calls: deque[Call | Repetition] = deque()  # handled, not answered yet
        self._repeats = Repeats(broker)
        self._outgoing: list[Buffer] = []
        self._outgoing_bytes = 0
        self._client_reads = True
        self._muted_until = 0.0
        self._unmuting: asyncio.TimerHandle | None = None
        self._reading = True
        self._finishing = False
        self._open = False
        self.lost = broker.loop.create_future()  # done when all is over
        self.quiet_rounds = 0  # of whoever reaps idle connections, since it last said something
        self.peer = "?"
        self._client_host = "/?"
        self._local_host = "?"

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(OUTGOING_BYTES_MAX)
        host, port = (transport.get_extra_info("peername") or ("?", 0))[:2]
        self.peer = f"{host}:{port}"
        self._client_host = f"/{host}"
        self._local_host = (transport.get_extra_info("sockname") or ("?", 0))[0]
        self._open = True
        self._broker.connections.add(self)
        if self._broker.traffic is not None:
            self._broker.traffic.connections_opened += 1
        if self._broker.is_closing:  # it came just before the door was shut
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._open = False
        self._outgoing = []
        self._broker.connections.discard(self)
        self._frames.clear()
        if self._unmuting is not None:
            self._unmuting.cancel()
        for call in self._calls:
            if call.future is not None:
                call.future.cancel()
        self._calls.clear()
        self.lost.set_result(None)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.buffer()

    def buffer_updated(self, count: int) -> None:
        self.quiet_rounds = 0
        try:
            frames = self._reader.received(count)
        except MalformedError as error:
            self._hang_up(error)
            return
        if frames:
            self._frames.extend(frames)
            self._go_on()

    def pause_writing(self) -> None:
        self._client_reads = False

    def resume_writing(self) -> None:
        self._client_reads = True
        self._go_on()

    # What the broker calls.

    @property
    def awaits_reply(self) -> bool:
        return bool(self._calls)

    def finish(self) -> None:
        """Handle no further request, and close when the replies that are due have gone out."""
        self._finishing = True
        if not self._calls:
            self.close()

    def close(self) -> None:
        """Send what is ready, and no more."""
        self.flush()
        self._open = False
        self._transport.close()

    def abort(self) -> None:
        """Close, whatever is still to be sent."""
        self._open = False
        self._outgoing = []
        self._transport.abort()

    # Requests in, replies out.

    def _go_on(self) -> None:
        """Handle what may be handled now, and read on if nothing is left."""
        frames, calls = self._frames, self._calls
        try:
            while frames and self._may_handle(frames[0]):
                call = self._call(frames.popleft())
                if calls or call.future is not None:
                    calls.append(call)
                    if call.future is not None:
                        call.future.add_done_callback(self._on_reply)
                else:
                    self._answer(call)
        except Exception as error:
            self._hang_up(error)
        if self._open and self._reading == bool(frames):
            self._reading = not frames
            if frames:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _call(self, frame: memoryview) -> Call | Repetition:
        repetition = self._repeats.call(frame)
        if repetition is not None:
            return repetition
        call = Call(self._broker, frame, self._client_host, self._local_host, self.lost)
        self._repeats.learn(frame, call)
        return call

    def _may_handle(self, frame: memoryview) -> bool:
        if self._finishing or self._unmuting is not None or not (self._open and self._client_reads):
            return False
        if not self._calls:
            return True
        last = self._calls[-1]
        return last.is_pipelined and int.from_bytes(frame[:2], "big") == last.key and len(self._calls) < CALLS_MAX

    def _on_reply(self, _: asyncio.Future[Reply]) -> None:
        calls = self._calls
        if not self._open:
            return
        try:
            while calls and (calls[0].future is None or calls[0].future.done()):
                self._answer(calls.popleft())
        except Exception as error:
            self._hang_up(error)
            return
        if self._finishing and not calls:
            self.close()
        elif self._frames:
            self._go_on()

    def _answer(self, call: Call | Repetition) -> None:
        pieces = call.encoded_reply()
        if pieces and not self._outgoing:
            self._broker.outbox.add(self)
        self._outgoing += pieces
        self._outgoing_bytes += call.reply_bytes
        if self._outgoing_bytes > JOIN_BYTES_MAX:  # large ones do not pile up
            self.flush()
        if call.mute_ms:
            self._mute(call.mute_ms / 1000)

    def _mute(self, seconds: float) -> None:
        """Handle nothing for a while: this client has used up more than its quota."""
        loop = self._broker.loop
        self._muted_until = max(self._muted_until, loop.time() + seconds)
        if self._unmuting is not None:
            self._unmuting.cancel()
        self._unmuting = loop.call_at(self._muted_until, self._unmute)

    def _unmute(self) -> None:
        self._unmuting = None
        self.quiet_rounds = 0
        self._go_on()

    def flush(self) -> None:
        """Hand over the replies that are ready."""
        pieces = self._outgoing
        if not pieces:
            return
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        elif self._outgoing_bytes < JOIN_BYTES_MAX:
            self._transport.write(b"".join(pieces))
        else:
            for piece in pieces:  # to join them would copy the records once more
                self._transport.write(piece)
        self._outgoing = []
        self._outgoing_bytes = 0

    def _hang_up(self, error: Exception) -> None:
        """Close, and say why in one line; what failed inside the broker leaves its traceback too."""
        self.close()
        if self._broker.traffic is not None:
            self._broker.traffic.connections_failed += 1
        if isinstance(error, MalformedError | CloseConnection):
            log.warning("closed %(peer)s: %(error)s", {"peer": self.peer, "error": error})
        else:
            log.error("closed %(peer)s: the broker failed", {"peer": self.peer}, exc_info=error)
