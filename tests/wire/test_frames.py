"""Frames come out whole, however the bytes came in."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.wire.codec import encode_bytes
from tidings.wire.frames import JOIN_BYTES_MAX, FrameReader, frame_response, read_request
from tidings.wire.messages.headers import RequestHeader, ResponseHeader
from tidings.wire.primitives import Buffer, MalformedError

MIB = 1 << 20
FRAMES = [b"first", b"", b"x" * 300, b"\0\0\0\5", b"last"]


def framed(*frames: bytes) -> bytes:
    return b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)


def receive(reader: FrameReader, stream: bytes, steps: list[int]) -> list[memoryview]:
    """Give `reader` the stream as a socket would: at most a step's bytes at a time, into its own buffer."""
    frames: list[memoryview] = []
    pos = 0
    while pos < len(stream):
        room = reader.buffer()
        count = min(len(room), len(stream) - pos, steps[len(frames) % len(steps)])
        room[:count] = stream[pos : pos + count]
        frames += reader.received(count)
        pos += count
    return frames


def test_frames_come_out_of_single_bytes() -> None:
    stream = framed(*FRAMES)
    reader = FrameReader(1000)
    fed = [bytes(frame) for byte in stream for frame in reader.feed(bytes([byte]))]
    assert fed == FRAMES
    assert [bytes(frame) for frame in receive(reader, stream, [1])] == FRAMES
    assert reader.is_between_frames


@given(st.lists(st.binary(max_size=60), max_size=8), st.lists(st.integers(0, 500), max_size=12), st.integers(4, 64))
def test_frames_come_out_of_any_pieces(frames: list[bytes], cuts: list[int], scratch_bytes: int) -> None:
    stream = framed(*frames)
    cuts = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reader = FrameReader(1000, bytearray(scratch_bytes))
    fed = [bytes(frame) for start, end in pairwise(cuts) for frame in reader.feed(stream[start:end])]
    assert fed == frames
    steps = [end - start for start, end in pairwise(cuts)] or [1]
    assert [bytes(frame) for frame in receive(reader, stream, steps)] == frames
    assert reader.is_between_frames


@settings(deadline=None, max_examples=20)
@given(st.integers(60_000, 400_000), st.lists(st.integers(1_000, 300_000), min_size=1, max_size=4))
def test_large_frames_come_out_of_any_pieces(size: int, steps: list[int]) -> None:
    frames = [b"small", bytes(range(256)) * (size // 256), b"between", b"y" * size]
    assert [bytes(f) for f in receive(FrameReader(MIB), framed(*frames), steps)] == frames
    reader = FrameReader(MIB)
    stream = framed(*frames)
    assert [bytes(f) for at in range(0, len(stream), 70_001) for f in reader.feed(stream[at : at + 70_001])] == frames


def test_frames_may_be_written_and_outlive_what_comes_next() -> None:
    """Two connections share the memory they receive into; offsets are stamped into a frame while more arrives."""
    scratch = bytearray(64)
    one, other = FrameReader(1000, scratch), FrameReader(1000, scratch)
    (first,) = receive(one, framed(b"from one"), [100])
    (second,) = receive(other, framed(b"from another"), [100])
    first[:4] = b"FROM"
    (third,) = receive(one, framed(b"x" * 200), [100])
    assert (bytes(first), bytes(second), bytes(third)) == (b"FROM one", b"from another", b"x" * 200)


def test_several_frames_come_out_of_one_read() -> None:
    assert [bytes(frame) for frame in FrameReader(1000).feed(framed(*FRAMES))] == FRAMES


def test_reader_tells_whether_a_frame_is_half_there() -> None:
    reader = FrameReader(1000)
    assert reader.is_between_frames
    reader.feed(b"\0\0")
    assert not reader.is_between_frames
    reader.feed(b"\0\2a")
    assert not reader.is_between_frames
    reader.feed(b"b")
    assert reader.is_between_frames


@pytest.mark.parametrize("size", [-1, -(2**31), 1001, 2**31 - 1])
def test_impossible_size_is_refused_before_memory_is_taken(size: int) -> None:
    reader = FrameReader(1000)
    claim = size.to_bytes(4, "big", signed=True)
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError) as refused:
            reader.feed(claim)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000
    refused.match(f"a frame of {size} bytes; at most 1000")  # not above: compiling an expression takes memory too


def test_memory_grows_with_what_arrives_and_not_with_what_is_claimed() -> None:
    reader = FrameReader(100 * MIB)
    tracemalloc.start()
    try:
        reader.feed((100 * MIB).to_bytes(4, "big") + b"x")
        _, peak_after_claim = tracemalloc.get_traced_memory()
        for _ in range(16):
            reader.feed(bytes(MIB // 16))
        _, peak_after_a_mebibyte = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_after_claim < 100_000
    assert peak_after_a_mebibyte < 6 * MIB


@given(st.integers(-1, 100), st.integers(0, 20), st.integers(-(2**31), 2**31 - 1), st.none() | st.text(max_size=20))
def test_head_of_a_request_is_read(key: int, version: int, correlation_id: int, client_id: str | None) -> None:
    header = RequestHeader(
        request_api_key=key, request_api_version=version, correlation_id=correlation_id, client_id=client_id
    )
    data = encode_bytes(header, 1)
    assert read_request(memoryview(data + b"body")) == (key, version, correlation_id, client_id, len(data))
    assert read_request(data + b"\0body") == (key, version, correlation_id, client_id, len(encode_bytes(header, 2)) - 1)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "a request of 0 bytes"),
        ("0012 0003 00000001 00", "a request of 9 bytes"),
        ("0012 0003 00000001 fffe", "a client id of -2 bytes"),
        ("0012 0003 00000001 7fff 00", "a client id of 32767 bytes where 1 remain"),
        ("0012 0003 00000001 0002 c328", "not UTF-8"),
    ],
)
def test_head_that_is_malformed_is_refused(data: str, why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        read_request(memoryview(bytes.fromhex(data)))


@given(st.binary(max_size=50))
def test_head_by_chance_is_a_head_or_malformed(data: bytes) -> None:
    try:
        _, _, _, _, pos = read_request(memoryview(data))
    except MalformedError:
        return
    assert pos <= len(data)


@pytest.mark.parametrize("flexible", [False, True])
@given(parts=st.lists(st.binary(max_size=20) | st.just(b"x" * JOIN_BYTES_MAX), max_size=8))
def test_reply_is_framed(flexible: bool, parts: list[Buffer]) -> None:
    pieces = frame_response(7, parts, flexible)
    body = encode_bytes(ResponseHeader(correlation_id=7), int(flexible)) + b"".join(parts)
    assert [bytes(frame) for frame in FrameReader(MIB).feed(b"".join(pieces))] == [body]


def test_large_parts_of_a_reply_are_handed_on_and_small_ones_joined() -> None:
    records = memoryview(bytes(JOIN_BYTES_MAX))
    pieces = frame_response(7, [b"a", b"b", records, b"c", b"d"], False)
    assert [len(piece) for piece in pieces] == [10, JOIN_BYTES_MAX, 2]
    assert pieces[1] is records
