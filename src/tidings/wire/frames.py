"""From a stream of bytes to frames, and from a reply to the bytes of its frame.

A frame is a size (int32) and as many bytes. Each frame handed out is a writable view of memory of its own, so that
offsets can be stamped into its record batches, and it may outlive whatever the connection receives next.

    reader = FrameReader(frame_bytes_max)
    frames = reader.feed(data)                      # bytes as they come, or without a copy of large frames:
    n = socket.recv_into(reader.buffer()); frames = reader.received(n)
"""

from __future__ import annotations

from struct import Struct

from tidings.wire.primitives import Buffer, MalformedError

_SIZE = Struct(">i")
_REQUEST = Struct(">hhih")
_RESPONSE = Struct(">ii")
_FLEXIBLE_RESPONSE = Struct(">iix")  # and no tagged fields

SCRATCH_BYTES = 256 << 10
GROWTH_BYTES_MIN = 64 << 10


class FrameReader:
    """One connection's incoming half.

    Small frames are received many at a time into `scratch`, which connections of one event loop may share, since
    nothing stays in it: whole frames are copied out. A frame that does not fit is received straight into memory of
    its own. That memory grows with what has arrived, to at most four times as much, so a size that is only claimed
    costs the peer more than us.
    """

    def __init__(self, frame_bytes_max: int, scratch: bytearray | None = None) -> None:
        self.frame_bytes_max = frame_bytes_max
        self._scratch = memoryview(bytearray(SCRATCH_BYTES) if scratch is None else scratch)
        self._prefix = b""  # of a size that is not complete yet
        self._frame: memoryview | None = None  # what there is of a frame that is not
        self._frame_bytes = 0  # what it will have
        self._filled_bytes = 0  # what it has

    def buffer(self) -> memoryview:
        """Where the next bytes from the peer belong."""
        return self._scratch if self._frame is None else self._frame[self._filled_bytes :]

    def received(self, count: int) -> list[memoryview]:
        """The frames that `count` more bytes in `buffer()` complete. Raises MalformedError on an impossible size."""
        if self._frame is None:
            return self._split(self._scratch[:count])
        self._filled_bytes += count
        if self._filled_bytes == self._frame_bytes:
            frame, self._frame = self._frame, None
            return [frame]
        if self._filled_bytes == len(self._frame):
            self._grow(self._frame)
        return []

    def feed(self, data: Buffer) -> list[memoryview]:
        """The frames that `data` completes, wherever it was received."""
        frames: list[memoryview] = []
        view = memoryview(data)
        while self._frame is not None and len(view):
            room = self.buffer()
            count = min(len(room), len(view))
            room[:count] = view[:count]
            frames += self.received(count)
            view = view[count:]
        return frames + self._split(view) if len(view) else frames

    @property
    def is_between_frames(self) -> bool:
        """Whether the peer may close here without leaving a frame behind half sent."""
        return self._frame is None and not self._prefix

    def _split(self, data: memoryview) -> list[memoryview]:
        if self._prefix:
            data = memoryview(self._prefix + data)
            self._prefix = b""
        frames: list[memoryview] = []
        pos, available = 0, len(data)
        while available - pos >= _SIZE.size:
            (size,) = _SIZE.unpack_from(data, pos)
            if not 0 <= size <= self.frame_bytes_max:
                raise MalformedError(f"a frame of {size} bytes; at most {self.frame_bytes_max} are accepted")
            pos += _SIZE.size
            if pos + size > available:
                self._begin(size, data[pos:])
                return frames
            frames.append(memoryview(bytearray(data[pos : pos + size])))
            pos += size
        if pos < available:
            self._prefix = bytes(data[pos:])
        return frames

    def _begin(self, size: int, start: memoryview) -> None:
        self._frame_bytes = size
        self._filled_bytes = len(start)
        self._grow(start)

    def _grow(self, start: memoryview) -> None:
        capacity = max(4 * self._filled_bytes, GROWTH_BYTES_MIN)
        self._frame = memoryview(bytearray(min(capacity, self._frame_bytes)))
        self._frame[: self._filled_bytes] = start


def read_request(frame: Buffer) -> tuple[int, int, int, str | None, int]:
    """The head of a request: api key, api version, correlation id, client id, and where what follows begins.

    That is the body, or, if the version of this API is flexible, tagged fields first (`primitives.skip_tagged_fields`).
    The client id is encoded alike in every version, since a broker must read it before it knows the API (KIP-482).
    """
    if len(frame) < _REQUEST.size:
        raise MalformedError(f"a request of {len(frame)} bytes")
    api_key, api_version, correlation_id, size = _REQUEST.unpack_from(frame)
    if size < 0:
        if size != -1:
            raise MalformedError(f"a client id of {size} bytes")
        return api_key, api_version, correlation_id, None, _REQUEST.size
    end = _REQUEST.size + size
    if end > len(frame):
        raise MalformedError(f"a client id of {size} bytes where {len(frame) - _REQUEST.size} remain")
    try:
        return api_key, api_version, correlation_id, str(frame[_REQUEST.size : end], "utf-8"), end
    except UnicodeDecodeError as error:
        raise MalformedError("a client id is not UTF-8") from error


def frame_response(correlation_id: int, parts: list[Buffer], flexible_header: bool) -> list[Buffer]:
    """The frame of a reply whose encoded body is `parts`, as few pieces: small ones joined, large ones untouched."""
    body_bytes = sum(map(len, parts))
    if flexible_header:
        head = _FLEXIBLE_RESPONSE.pack(body_bytes + 5, correlation_id)
    else:
        head = _RESPONSE.pack(body_bytes + 4, correlation_id)
    if body_bytes < JOIN_BYTES_MAX:  # nearly always
        return [b"".join([head, *parts])]
    small: list[Buffer] = [head]
    pieces: list[Buffer] = []
    for part in parts:
        if len(part) < JOIN_BYTES_MAX:
            small.append(part)
        else:
            pieces += b"".join(small), part
            small = []
    if small:
        pieces.append(b"".join(small))
    return pieces


JOIN_BYTES_MAX = 16 << 10
