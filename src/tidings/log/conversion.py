"""Batches in the compression that their topic asks for (`compression.type`), if it does not leave that to producers.

Here alone what a producer sent is taken apart before it is stored.
"""

from __future__ import annotations

from tidings.log.config import LogConfig
from tidings.wire.compression import Compression
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.primitives import MalformedError
from tidings.wire.records import BatchHeader, read_header
from tidings.wire.thinning import recompressed


def converted(
    batch: memoryview | bytearray, header: BatchHeader, compression: Compression, config: LogConfig
) -> tuple[memoryview | bytearray, BatchHeader]:
    """The same batch in this compression. Raises ApiError INVALID_RECORD, MESSAGE_TOO_LARGE."""
    if header.compression is compression:
        return batch, header
    try:
        found = recompressed(batch, header, compression)
    except MalformedError as error:
        raise ApiError(ErrorCode.INVALID_RECORD, str(error)) from error
    if len(found) > config.message_bytes_max:
        raise ApiError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"a batch of {len(found)} bytes as {compression.name}; the topic takes {config.message_bytes_max}",
        )
    return found, read_header(found)
