"""Batches in the compression that their topic asks for (`compression.type`), if it does not leave that to producers.

Here alone what a producer sent is taken apart before it is stored.
"""

from __future__ import annotations

from tidings.log.config import LogConfig
from tidings.wire.compression import Compression
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.primitives import Buffer, MalformedError
from tidings.wire.records import BatchHeader, read_header
from tidings.wire.thinning import recompressed


def converted(
    data: memoryview | bytearray, headers: list[BatchHeader], compression: Compression, config: LogConfig
) -> tuple[memoryview | bytearray, list[BatchHeader]]:
    """The same batches, each in this compression. Raises ApiError INVALID_RECORD, MESSAGE_TOO_LARGE."""
    if all(header.compression is compression for header in headers):
        return data, headers
    batches = []
    position = 0
    for header in headers:
        batch = memoryview(data)[position : position + header.size_bytes]
        batches.append(_converted(batch, header, compression, config))
        position += header.size_bytes
    return bytearray().join(batches), [read_header(batch) for batch in batches]


def _converted(batch: memoryview, header: BatchHeader, compression: Compression, config: LogConfig) -> Buffer:
    if header.compression is compression:
        return batch
    try:
        found = recompressed(batch, header, compression)
    except MalformedError as error:
        raise ApiError(ErrorCode.INVALID_RECORD, str(error)) from error
    if len(found) > config.message_bytes_max:
        raise ApiError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"a batch of {len(found)} bytes as {compression.name}; the topic takes {config.message_bytes_max}",
        )
    return found
