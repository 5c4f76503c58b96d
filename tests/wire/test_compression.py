"""What is compressed comes back; what is hostile costs no more than the bound that was declared."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from contextlib import suppress

import pytest
import zstandard
from cramjam import snappy
from hypothesis import given, settings
from hypothesis import strategies as st
from lz4 import frame as lz4

from tidings.wire.compression import Compression, compress, decompress
from tidings.wire.primitives import MalformedError

COMPRESSED = [kind for kind in Compression if kind]
MIB = 1 << 20
BOUND_BYTES = 2 * MIB
ZSTD_OVERSHOOT_BYTES = 8 * MIB  # a step of 4 MiB, and as much while the library puts it together
XERIAL_HEADER = b"\x82SNAPPY\0\0\0\0\1\0\0\0\1"


def xerial(*blocks: bytes) -> bytes:
    return XERIAL_HEADER + b"".join(struct.pack(">i", len(block)) + block for block in blocks)


def raw_snappy(data: bytes) -> bytes:
    return bytes(snappy.compress_raw(data))


def lz4_blocks(data: bytes, **options: bool | int) -> bytes:
    return bytes(lz4.compress(data, **options))


@pytest.mark.parametrize("kind", list(Compression))
@settings(deadline=None)
@given(data=st.binary(max_size=300) | st.sampled_from([b"", bytes(200_000), bytes(range(256)) * 1000]))
def test_what_is_compressed_comes_back(kind: Compression, data: bytes) -> None:
    assert bytes(decompress(kind, compress(kind, data))) == data
    assert bytes(decompress(kind, memoryview(bytearray(compress(kind, bytearray(data)))))) == data


def test_every_form_in_which_clients_compress_is_read() -> None:
    data = b"orders and customers " * 10_000
    forms = {
        Compression.GZIP: [gzip.compress(data, 1), gzip.compress(data, 9)],
        Compression.SNAPPY: [raw_snappy(data), xerial(raw_snappy(data[:70_000]), raw_snappy(data[70_000:]))],
        Compression.LZ4: [
            lz4_blocks(data),
            lz4_blocks(data, block_linked=False, content_checksum=True, store_size=False),
            lz4_blocks(data, block_size=lz4.BLOCKSIZE_MAX4MB, block_checksum=True),
        ],
        Compression.ZSTD: [
            zstandard.ZstdCompressor(level=1).compress(data),
            zstandard.ZstdCompressor(level=19, write_checksum=True, write_content_size=False).compress(data),
            zstandard.ZstdCompressor().compressobj().compress(b"") + _streamed_zstd(data),
        ],
    }
    for kind, compressed in forms.items():
        for form in compressed:
            assert bytes(decompress(kind, form)) == data


def _streamed_zstd(data: bytes) -> bytes:
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(data) + stream.flush()


def test_snappy_is_written_as_java_writes_it() -> None:
    data = bytes(range(256)) * 300
    blocks = [raw_snappy(data[start : start + 32768]) for start in range(0, len(data), 32768)]
    assert compress(Compression.SNAPPY, data) == xerial(*blocks)


def test_lz4_is_written_as_java_reads_it() -> None:
    """Format 1, blocks independent, of 64 KiB at most, without a checksum or the size of the whole."""
    assert bytes(compress(Compression.LZ4, b"orders"))[:6] == b"\x04\x22\x4d\x18" + bytes((0x60, 0x40))


BOMBS = {
    "gzip, 1000:1": (Compression.GZIP, gzip.compress(bytes(50 * MIB))),
    "snappy, 20:1": (Compression.SNAPPY, raw_snappy(bytes(50 * MIB))),
    "snappy, in blocks": (Compression.SNAPPY, xerial(*[raw_snappy(bytes(MIB))] * 50)),
    "lz4, 250:1": (Compression.LZ4, lz4_blocks(bytes(50 * MIB), store_size=False)),
    "lz4, its size told": (Compression.LZ4, lz4_blocks(bytes(50 * MIB), store_size=True)),
    "zstd, 30000:1": (Compression.ZSTD, zstandard.ZstdCompressor().compress(bytes(50 * MIB))),
    "zstd, its size not told": (Compression.ZSTD, _streamed_zstd(bytes(50 * MIB))),
    "zstd, one byte repeated": (
        Compression.ZSTD,
        # Frame header: no size, window of 1 MiB; then blocks that say "128 KiB of zeros" in four bytes.
        b"\x28\xb5\x2f\xfd\x00\x50" + (struct.pack("<I", 0x20000 << 3 | 1 << 1)[:3] + b"\0") * 4000,
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_refused_within_the_bound(name: str) -> None:
    kind, bomb = BOMBS[name]
    decompress(kind, compress(kind, b""))  # imports the library
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError, match=f"more than {BOUND_BYTES} bytes|cannot become"):
            decompress(kind, bomb, BOUND_BYTES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * BOUND_BYTES + len(bomb) + (ZSTD_OVERSHOOT_BYTES if kind is Compression.ZSTD else MIB)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Compression.SNAPPY, b"\xff\xff\xff\xff\x0f" + bytes(10)),
        (Compression.SNAPPY, b"\x80\x80\x80\x04" + bytes(10)),
        (Compression.SNAPPY, xerial(b"\x80\x80\x80\x04" + bytes(10))),
        (Compression.SNAPPY, XERIAL_HEADER + b"\x7f\xff\xff\xff"),
        (Compression.SNAPPY, XERIAL_HEADER + b"\xff\xff\xff\xff"),
        (Compression.SNAPPY, XERIAL_HEADER + bytes(4000)),
        (Compression.SNAPPY, XERIAL_HEADER + b"\0\0"),
        (Compression.SNAPPY, XERIAL_HEADER[:12]),
        (Compression.LZ4, b"\x04\x22\x4d\x18\x68\x40" + struct.pack("<Q", 2**60) + b"\0" + bytes(30)),
        # Zstandard: a frame that claims 2^60 bytes; a window of 2^41 bytes.
        (Compression.ZSTD, b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 2**60) + b"\x01\0\0"),
        (Compression.ZSTD, b"\x28\xb5\x2f\xfd\x00\xff" + b"\x01\0\0"),
        *[(kind, b"") for kind in COMPRESSED],
    ],
)
def test_lying_size_is_refused_for_nothing(kind: Compression, data: bytes) -> None:
    decompress(kind, compress(kind, b""))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError):
            decompress(kind, data, BOUND_BYTES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300_000


@pytest.mark.parametrize("kind", COMPRESSED)
def test_data_that_is_cut_short_or_followed_is_refused(kind: Compression) -> None:
    whole = bytes(compress(kind, b"orders and customers " * 100))
    for size in range(len(whole)):
        if not (kind is Compression.SNAPPY and size == len(XERIAL_HEADER)):  # which is no data, in its form
            with pytest.raises(MalformedError):
                decompress(kind, whole[:size])
    for more in (b"\0", b"more", whole, bytes(1000)):
        if not (kind is Compression.SNAPPY and more is whole):
            with pytest.raises(MalformedError):
                decompress(kind, whole + more)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(COMPRESSED), st.binary(max_size=300), st.booleans())
def test_bytes_by_chance_are_data_or_malformed(kind: Compression, data: bytes, with_head: bool) -> None:
    head = bytes(compress(kind, b"orders"))[:6] if with_head else b""
    with suppress(MalformedError):
        decompress(kind, head + data, BOUND_BYTES)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(COMPRESSED), st.data())
def test_damaged_byte_gives_data_or_malformed(kind: Compression, data: st.DataObject) -> None:
    damaged = bytearray(compress(kind, b"orders and customers " * 20))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(MalformedError):
        decompress(kind, damaged, BOUND_BYTES)


@pytest.mark.parametrize("kind", list(Compression))
def test_bound_is_exact(kind: Compression) -> None:
    data = bytes(range(250)) * 400
    compressed = compress(kind, data)
    assert bytes(decompress(kind, compressed, len(data))) == data
    with pytest.raises(MalformedError, match="more than 99999 bytes"):
        decompress(kind, compressed, len(data) - 1)
