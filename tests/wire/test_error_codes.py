from __future__ import annotations

from kio.schema.errors import ErrorCode as OracleErrorCode

from tidings.errors import ClientError
from tidings.wire.error_codes import ApiError, ErrorCode


def test_error_codes_are_those_of_kafka() -> None:
    ours = {code.name.lower(): code.value for code in ErrorCode}
    assert ours | {code.name: int(code) for code in OracleErrorCode} == ours


def test_api_error_carries_its_code_and_says_something() -> None:
    assert issubclass(ApiError, ClientError)
    error = ApiError(ErrorCode.OFFSET_OUT_OF_RANGE, "offset 5; there are 0 to 3")
    assert (error.code, str(error)) == (1, "offset 5; there are 0 to 3")
    assert str(ApiError(ErrorCode.INVALID_TXN_STATE)) == "INVALID_TXN_STATE"
