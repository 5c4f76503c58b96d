"""What a producer may send: checked on batch headers, and one checksum over each batch. No record is decoded."""

from __future__ import annotations

from tidings.log.config import LogConfig
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.primitives import Buffer, MalformedError
from tidings.wire.records import HEADER_BYTES, BatchHeader, crc_matches, read_header
from tidings.wire.thinning import inflated, slots


def check_batches(data: Buffer, config: LogConfig, now_ms: int, one_per_producer: bool) -> list[BatchHeader]:
    """The headers of the batches that `data` consists of, at least one.

    Raises ApiError: INVALID_RECORD, CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, INVALID_TIMESTAMP,
    UNSUPPORTED_FOR_MESSAGE_FORMAT.
    """
    size = len(data)
    headers = []
    position = 0
    while position < size:
        header = _header(data, position)
        following = position + header.size_bytes
        if following > size:
            raise ApiError(ErrorCode.CORRUPT_MESSAGE, f"a batch of {header.size_bytes} bytes is cut short")
        _check_header(header, config, now_ms)
        if not crc_matches(data, position, header):
            raise ApiError(ErrorCode.CORRUPT_MESSAGE, "the checksum of a batch does not match")
        if config.timestamp_before_ms_max < now_ms and not config.append_time:
            _check_age(memoryview(data)[position:following], header, config, now_ms)
        headers.append(header)
        position = following
    if not headers:
        raise ApiError(ErrorCode.INVALID_RECORD, "there is no record batch")
    if size > config.segment_bytes:
        raise ApiError(ErrorCode.RECORD_LIST_TOO_LARGE, f"{size} bytes; a segment takes {config.segment_bytes}")
    if one_per_producer and len(headers) > 1 and any(header.producer_id >= 0 for header in headers):
        raise ApiError(ErrorCode.INVALID_RECORD, "an idempotent producer sends one batch at a time to a partition")
    return headers


def _header(data: Buffer, position: int) -> BatchHeader:
    try:
        return read_header(data, position)
    except MalformedError as error:
        old_format = len(data) - position >= HEADER_BYTES and data[position + 16] < 2
        code = ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT if old_format else ErrorCode.CORRUPT_MESSAGE
        raise ApiError(code, str(error)) from error


def _check_header(header: BatchHeader, config: LogConfig, now_ms: int) -> None:
    if header.size_bytes > config.message_bytes_max:
        raise ApiError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"a batch of {header.size_bytes} bytes; the topic takes {config.message_bytes_max}",
        )
    if header.record_count != header.last_offset_delta + 1:
        raise ApiError(
            ErrorCode.INVALID_RECORD,
            f"{header.record_count} records with a last offset delta of {header.last_offset_delta}",
        )
    if header.is_control:
        raise ApiError(ErrorCode.INVALID_RECORD, "only the broker writes control batches")
    if header.is_transactional and header.producer_id < 0:
        raise ApiError(ErrorCode.INVALID_RECORD, "a transactional batch without a producer id")
    if header.producer_id >= 0 and (header.base_sequence < 0 or header.producer_epoch < 0):
        raise ApiError(ErrorCode.INVALID_RECORD, "a producer id without epoch and sequence")
    if not config.append_time and not (
        now_ms - config.timestamp_before_ms_max <= header.max_timestamp <= now_ms + config.timestamp_after_ms_max
    ):
        _check_timestamp(header, config, now_ms)


def _check_timestamp(header: BatchHeader, config: LogConfig, now_ms: int) -> None:
    """A batch without timestamps has no age."""
    if header.max_timestamp >= 0:
        raise ApiError(
            ErrorCode.INVALID_TIMESTAMP,
            f"timestamp {header.max_timestamp} is out of the topic's range around {now_ms}",
        )


def _check_age(batch: memoryview, header: BatchHeader, config: LogConfig, now_ms: int) -> None:
    """The earliest timestamp of a batch is only in its records."""
    try:
        found = slots(inflated(batch, header), header.record_count)
    except MalformedError as error:
        raise ApiError(ErrorCode.INVALID_RECORD, str(error)) from error
    earliest = header.base_timestamp + min((slot.timestamp_delta for slot in found), default=0)
    if 0 <= earliest < now_ms - config.timestamp_before_ms_max:
        raise ApiError(ErrorCode.INVALID_TIMESTAMP, f"timestamp {earliest} is older than the topic takes")
