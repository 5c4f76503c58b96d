"""What a mark says in the metadata of a committed offset: which records behind it are done.

    "done:" or "donez:", then base64 of unsigned varints (zlib-compressed after "donez:"): counting from the committed
    offset on, by turns how many offsets are not done, and how many are
    "letters:" and a number: how many dead letters of the partition were handled. It says nothing of offsets, but
    transactions are told apart by the marks that they set

Pure: text and ranges.
"""

from __future__ import annotations

import binascii
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from tidings.service.transports.base import Mark

PLAIN = "done:"
PACKED = "donez:"
LETTERS = "letters:"
BEYOND_CHARS_MAX = 4_000
"""Brokers take 4096 bytes of metadata by default (`offset.metadata.max.bytes`)."""
RUNS_BYTES_MAX = 1 << 20
"""What unpacking may give: many times what fits, packed."""

Range = tuple[int, int]
"""Offsets, from the first up to, not including, the second."""


class Done:
    """Ranges of offsets that are done."""

    __slots__ = ("_begins", "_ranges")

    def __init__(self, ranges: Iterable[Range]) -> None:
        self._ranges = list(ranges)
        self._begins = [begin for begin, _ in self._ranges]

    def __contains__(self, offset: int) -> bool:
        index = bisect_right(self._begins, offset) - 1
        return index >= 0 and offset < self._ranges[index][1]

    def __iter__(self) -> Iterator[Range]:
        return iter(self._ranges)

    def includes(self, wanted: Range) -> bool:
        index = bisect_right(self._begins, wanted[0]) - 1
        return index >= 0 and wanted[1] <= self._ranges[index][1]


def includes(whole: Mark | None, part: Mark) -> bool:
    """Whether all that `part` says is done is done by `whole`, too."""
    if whole is None or letters_done(whole) < letters_done(part):
        return False
    done = Done(_joined([(0, whole.offset), *done_beyond(whole)]))
    return all(done.includes(wanted) for wanted in _joined([(0, part.offset), *done_beyond(part)]))


def _joined(ranges: Iterable[Range]) -> list[Range]:
    """The same offsets in as few ranges as it takes. `ranges` are in order; empty ones go."""
    joined: list[Range] = []
    for begin, end in ranges:
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        elif begin < end:
            joined.append((begin, end))
    return joined


# What stands in the metadata.


def encode(offset: int, done: Iterable[Range]) -> str | None:
    """What is `done` behind `offset`, as text; None when it is too much to be told."""
    data = bytearray()
    at = offset
    for begin, end in _joined(done):
        _put(data, begin - at)
        _put(data, end - begin)
        at = end
    if not data:
        return ""
    text = PLAIN + _text(data)
    if len(text) > BEYOND_CHARS_MAX:
        text = PACKED + _text(zlib.compress(data, 6))
    return text if len(text) <= BEYOND_CHARS_MAX else None


def done_beyond(mark: Mark) -> list[Range]:
    """The ranges behind a mark's offset that are done, in their order.

    What is no writing of ours says nothing: other clients commit with metadata of their own.
    """
    runs = _runs(mark.beyond)
    ranges = []
    at = mark.offset
    for undone, done in zip(runs[::2], runs[1::2], strict=False):
        ranges.append((at + undone, at + undone + done))
        at += undone + done
    return ranges


def with_letters(beyond: str, done: int) -> str:
    """The same text, with the number of dead letters that were handled."""
    return f"{beyond} {LETTERS}{done}".lstrip() if done else beyond


def letters_done(mark: Mark) -> int:
    """How many dead letters of the partition were handled so far."""
    _, found, count = mark.beyond.rpartition(LETTERS)
    return int(count) if found and count.isdecimal() else 0


def _text(data: bytes | bytearray) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _runs(beyond: str) -> Sequence[int]:
    text = beyond.partition(" ")[0]
    try:
        if text.startswith(PLAIN):
            return _get_all(binascii.a2b_base64(text[len(PLAIN) :], strict_mode=True))
        if text.startswith(PACKED):
            packed = binascii.a2b_base64(text[len(PACKED) :], strict_mode=True)
            return _get_all(zlib.decompressobj().decompress(packed, RUNS_BYTES_MAX))
    except (ValueError, zlib.error):
        pass
    return ()


def _put(data: bytearray, number: int) -> None:
    """An unsigned varint (LEB128)."""
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)


def _get_all(data: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number = shift = 0
        elif shift > 63:
            raise ValueError("a varint is too long")
    return numbers
