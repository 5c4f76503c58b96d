"""Ids of events: new ones that sort by time, and derived ones that come out the same when the work is done twice."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable

NewId = Callable[[int], str]
"""Takes the time in milliseconds since the epoch, gives an id."""


def new_id(now_ms: int) -> str:
    """A UUID of version 7 (RFC 9562, 5.7): 48 bits of time, 74 of chance. Ids made later sort later."""
    return _uuid_text((now_ms << 80) | (_getrandbits(80) & _LOW_80), 7)


def seeded_ids(seed: int) -> NewId:
    """Ids as `new_id` makes them, but the same ones for the same seed and times: for tests."""
    getrandbits = random.Random(seed).getrandbits
    return lambda now_ms: _uuid_text((now_ms << 80) | getrandbits(80), 7)


def derived_id(*origin: object) -> str:
    """A UUID of version 5 (RFC 9562, 5.5) made of `origin`: the same for the same parts, in any process, on any day.

    An event that a handler emits is named after what it was made from, so that handling the same record again gives
    the same id, and whoever reads both knows them for one.
    """
    return id_derived_from("\0".join(map(str, origin)).encode())


def id_derived_from(origin: bytes) -> str:
    """The same, of parts that are joined by NUL bytes already."""
    digits = hashlib.sha1(_NAMESPACE + origin, usedforsecurity=False).hexdigest()
    variant = _VARIANTS[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def traceparent_of(event_id: str, parent: str | None) -> str:
    """The W3C traceparent of an event: it continues its parent's trace, or begins one named after itself.

    The id of its span is taken from the event's id, so a redelivery tells no second story.
    """
    digits = event_id.replace("-", "")
    if not _HEX_32.fullmatch(digits):
        digits = hashlib.blake2b(event_id.encode(), digest_size=16).hexdigest()
    if parent is not None and _TRACEPARENT.match(parent):
        return f"00-{parent[3:35]}-{digits[16:]}-{parent[53:55]}"
    return f"00-{digits}-{digits[16:]}-01"


_getrandbits = random.SystemRandom().getrandbits
_LOW_80 = (1 << 80) - 1
_NAMESPACE = bytes.fromhex("6f1f2c4e1b7d5a3f9c0a7469646e6773")
_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_HEX_32 = re.compile("[0-9a-f]{32}")
_TRACEPARENT = re.compile("..-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.DOTALL)
"""A later version may add to it."""
_TRACEPARENT_BYTES = re.compile(_TRACEPARENT.pattern.encode(), re.DOTALL)


def traceparent_of_answer(event_id: str, parent: bytes | None) -> bytes:
    """The same for an id that was derived, in the bytes that headers are made of."""
    digits = event_id.replace("-", "").encode()
    if parent is not None and _TRACEPARENT_BYTES.match(parent):
        return b"00-%b-%b-%b" % (parent[3:35], digits[16:], parent[53:55])
    return b"00-%b-%b-01" % (digits, digits[16:])


def _uuid_text(number: int, version: int) -> str:
    number = (number & _WITHOUT_VERSION) | (version << 76) | (2 << 62)
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_WITHOUT_VERSION = ~((0xF << 76) | (0x3 << 62)) & ((1 << 128) - 1)
