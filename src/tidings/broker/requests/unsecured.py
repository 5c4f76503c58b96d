"""What Apache Kafka says about access rules where no authorizer is configured; and none can be configured here yet."""

from __future__ import annotations

from tidings.wire.error_codes import ErrorCode

CODE = ErrorCode.SECURITY_DISABLED
MESSAGE = "No Authorizer is configured."
