"""What a producer may send: checked on batch headers, and one checksum over the batch. No record is decoded."""

from __future__ import annotations

from tidings.log.config import LogConfig
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.primitives import Buffer, MalformedError
from tidings.wire.records import (
    CONTROL_BIT,
    HEADER_BYTES,
    LENGTH_END,
    MAGIC,
    MAGIC_AT,
    TRANSACTIONAL_BIT,
    BatchHeader,
    crc_matches,
    read_header,
)
from tidings.wire.thinning import inflated, slots


def check_batch(batch: Buffer, config: LogConfig, now_ms: int) -> BatchHeader:
    """The header of the one batch that `batch` is.

    Raises ApiError: INVALID_RECORD, CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, INVALID_TIMESTAMP,
    UNSUPPORTED_FOR_MESSAGE_FORMAT.
    """
    try:
        header = read_header(batch)
    except MalformedError as error:
        raise _unreadable(batch, error) from error
    _, length, _, _, _, attributes, last_delta, _, max_timestamp, producer_id, epoch, sequence, count = header
    size = len(batch)
    if length + LENGTH_END != size:
        raise _other_size(size, header)
    if size > config.message_bytes_max:
        raise ApiError(
            ErrorCode.MESSAGE_TOO_LARGE, f"a batch of {size} bytes; the topic takes {config.message_bytes_max}"
        )
    if count != last_delta + 1:
        raise ApiError(ErrorCode.INVALID_RECORD, f"{count} records with a last offset delta of {last_delta}")
    if attributes & CONTROL_BIT:
        raise ApiError(ErrorCode.INVALID_RECORD, "only the broker writes control batches")
    if attributes & TRANSACTIONAL_BIT and producer_id < 0:
        raise ApiError(ErrorCode.INVALID_RECORD, "a transactional batch without a producer id")
    if producer_id >= 0 and (sequence < 0 or epoch < 0):
        raise ApiError(ErrorCode.INVALID_RECORD, "a producer id without epoch and sequence")
    if (
        not -config.timestamp_before_ms_max <= max_timestamp - now_ms <= config.timestamp_after_ms_max
        and max_timestamp >= 0  # a batch without timestamps has no age
        and not config.append_time
    ):
        raise ApiError(
            ErrorCode.INVALID_TIMESTAMP, f"timestamp {max_timestamp} is out of the topic's range around {now_ms}"
        )
    if not crc_matches(batch, 0, header):
        raise ApiError(ErrorCode.CORRUPT_MESSAGE, "the checksum of a batch does not match")
    if config.timestamp_before_ms_max < now_ms and not config.append_time:
        _check_age(memoryview(batch), header, config, now_ms)
    if size > config.segment_bytes:
        raise ApiError(ErrorCode.RECORD_LIST_TOO_LARGE, f"{size} bytes; a segment takes {config.segment_bytes}")
    return header


def _unreadable(batch: Buffer, error: MalformedError) -> ApiError:
    old_format = len(batch) >= HEADER_BYTES and batch[MAGIC_AT] < MAGIC
    return ApiError(ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT if old_format else ErrorCode.CORRUPT_MESSAGE, str(error))


def _other_size(size: int, header: BatchHeader) -> ApiError:
    if header.size_bytes > size:
        return ApiError(ErrorCode.CORRUPT_MESSAGE, f"a batch of {header.size_bytes} bytes is cut short")
    return ApiError(ErrorCode.INVALID_RECORD, f"{size - header.size_bytes} bytes behind the one batch there may be")


def _check_age(batch: memoryview, header: BatchHeader, config: LogConfig, now_ms: int) -> None:
    """The earliest timestamp of a batch is only in its records."""
    try:
        found = slots(inflated(batch, header), header.record_count)
    except MalformedError as error:
        raise ApiError(ErrorCode.INVALID_RECORD, str(error)) from error
    earliest = header.base_timestamp + min((slot.timestamp_delta for slot in found), default=0)
    if 0 <= earliest < now_ms - config.timestamp_before_ms_max:
        raise ApiError(ErrorCode.INVALID_TIMESTAMP, f"timestamp {earliest} is older than the topic takes")
