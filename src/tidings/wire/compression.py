"""The four compressions of a record batch, each with a bound on what it may inflate to.

What arrives is hostile until inflated: a kilobyte can claim to be, or truly become, a gigabyte. So output is made in
steps that are checked against `bytes_max`, and a declared size is believed only where the input is long enough for it.

The broker passes batches on as they came and needs none of this; the libraries are therefore imported when first used.
"""

from __future__ import annotations

import zlib
from enum import IntEnum
from struct import Struct

from tidings.wire.primitives import Buffer, MalformedError

INFLATED_BYTES_MAX = 64 << 20
"""What one batch may inflate to unless the caller says otherwise. Producers bound batches before they compress them
(1 MiB, nearly always)."""


class Compression(IntEnum):
    """As numbered in the attributes of a batch."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


def compress(kind: Compression, data: Buffer) -> Buffer:
    """`data` in the form that every Kafka client reads."""
    return _COMPRESS[kind](data) if kind else data


def decompress(kind: Compression, data: Buffer, bytes_max: int = INFLATED_BYTES_MAX) -> Buffer:
    """What `data` inflates to. Raises MalformedError when it is damaged, cut short, followed by something else, or
    inflates to more than `bytes_max` bytes."""
    if kind:
        return _DECOMPRESS[kind](memoryview(data), bytes_max)
    if len(data) > bytes_max:
        raise _too_large(bytes_max)
    return data


def _too_large(bytes_max: int) -> MalformedError:
    return MalformedError(f"compressed records inflate to more than {bytes_max} bytes")


def _gzip(data: Buffer) -> bytes:
    return zlib.compress(data, wbits=_GZIP_WINDOW)


def _gunzip(data: memoryview, bytes_max: int) -> bytes:
    """One member: that is what clients write, and an endless chain of empty ones costs more than it could ever give."""
    inflater = zlib.decompressobj(wbits=_GZIP_WINDOW)
    try:
        out = inflater.decompress(data, bytes_max + 1)
    except zlib.error as error:
        raise MalformedError(f"damaged gzip: {error}") from error
    if len(out) > bytes_max:
        raise _too_large(bytes_max)
    if not inflater.eof or inflater.unused_data:
        raise MalformedError("damaged gzip: no end, or something behind it")
    return out


_GZIP_WINDOW = 16 + zlib.MAX_WBITS


# Java puts snappy blocks behind the header of its xerial library; librdkafka sends one bare block. Both read both.
_XERIAL_HEADER = b"\x82SNAPPY\0" + bytes((0, 0, 0, 1)) + bytes((0, 0, 0, 1))
_XERIAL_MAGIC = _XERIAL_HEADER[:8]
_XERIAL_BLOCK_BYTES = 32 << 10
_INT32 = Struct(">i")

_SNAPPY_RATIO_MAX = 22
"""A copy of 64 bytes takes three: no snappy block can grow more."""


def _snap(data: Buffer) -> bytes:
    from cramjam import snappy

    out = bytearray(_XERIAL_HEADER)
    view = memoryview(data)
    for start in range(0, len(view), _XERIAL_BLOCK_BYTES):
        block = bytes(snappy.compress_raw(view[start : start + _XERIAL_BLOCK_BYTES]))
        out += _INT32.pack(len(block))
        out += block
    return bytes(out)


def _unsnap(data: memoryview, bytes_max: int) -> bytes:
    if data[:8] != _XERIAL_MAGIC:
        return _unsnap_block(data, bytes_max, bytes_max)
    if len(data) < len(_XERIAL_HEADER):
        raise MalformedError("damaged snappy: its header is cut short")
    out = bytearray()
    pos = len(_XERIAL_HEADER)
    while pos < len(data):
        start = pos + _INT32.size
        if start > len(data):
            raise MalformedError("damaged snappy: cut short between blocks")
        (size,) = _INT32.unpack_from(data, pos)
        pos = start + size
        if size <= 0 or pos > len(data):
            raise MalformedError(f"damaged snappy: a block of {size} bytes where {len(data) - start} remain")
        out += _unsnap_block(data[start:pos], bytes_max - len(out), bytes_max)
    return bytes(out)


def _unsnap_block(block: memoryview, room: int, bytes_max: int) -> bytes:
    from cramjam import DecompressionError, snappy

    try:
        size = snappy.decompress_raw_len(block)
        if size > _SNAPPY_RATIO_MAX * len(block):
            raise MalformedError(f"damaged snappy: {len(block)} bytes cannot become {size}")
        if size > room:
            raise _too_large(bytes_max)
        return bytes(snappy.decompress_raw(block))
    except DecompressionError as error:
        raise MalformedError(f"damaged {error}") from error


def _lz4(data: Buffer) -> bytes:
    """Blocks of 64 KiB that stand alone: the Java client reads no other."""
    from lz4 import frame

    compressed: bytes = frame.compress(
        data, block_size=frame.BLOCKSIZE_MAX64KB, block_linked=False, content_checksum=False, store_size=False
    )
    return compressed


def _unlz4(data: memoryview, bytes_max: int) -> bytes:
    from lz4.frame import LZ4FrameDecompressor

    inflater = LZ4FrameDecompressor()
    out = bytearray()
    rest: Buffer = data
    try:
        while not inflater.eof:
            # The library allocates what it is allowed at once, and copies its rest of the input each time: so ask for
            # a little first, then for as much again as came out.
            out += inflater.decompress(rest, max_length=min(bytes_max - len(out) + 1, max(len(out), _STEP_BYTES)))
            rest = b""
            if len(out) > bytes_max:
                raise _too_large(bytes_max)
            if inflater.needs_input and not inflater.eof:
                raise MalformedError("damaged lz4: cut short")
    except (RuntimeError, EOFError) as error:
        raise MalformedError(f"damaged lz4: {error}") from error
    if inflater.unused_data:
        raise MalformedError("damaged lz4: something behind its end")
    return bytes(out)


_STEP_BYTES = 64 << 10


def _zstd(data: Buffer) -> bytes:
    from zstandard import ZstdCompressor

    return ZstdCompressor().compress(data)


def _unzstd(data: memoryview, bytes_max: int) -> bytes:
    from zstandard import ZstdDecompressor, ZstdError

    inflater = ZstdDecompressor().decompressobj()
    out = bytearray()
    try:
        for start in range(0, len(data), _ZSTD_STEP_BYTES):
            if inflater.eof:
                raise MalformedError("damaged zstd: something behind its end")
            piece = inflater.decompress(data[start : start + _ZSTD_STEP_BYTES])
            if len(out) + len(piece) > bytes_max:
                raise _too_large(bytes_max)
            out += piece
    except ZstdError as error:
        raise MalformedError(f"damaged {error}") from error
    if not inflater.eof or inflater.unused_data:
        raise MalformedError("damaged zstd: no end, or something behind it")
    return bytes(out)


_ZSTD_STEP_BYTES = 128
"""The library takes no bound for its output, but four bytes of input yield at most 128 KiB: so a step yields 4 MiB."""

_COMPRESS = {Compression.GZIP: _gzip, Compression.SNAPPY: _snap, Compression.LZ4: _lz4, Compression.ZSTD: _zstd}
_DECOMPRESS = {
    Compression.GZIP: _gunzip,
    Compression.SNAPPY: _unsnap,
    Compression.LZ4: _unlz4,
    Compression.ZSTD: _unzstd,
}
