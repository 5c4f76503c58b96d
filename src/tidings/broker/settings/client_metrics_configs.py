"""What a subscription to clients' metrics says (KIP-714): Apache Kafka 4.3's names, types and limits.

They are kept and shown. Clients are not asked for metrics, as by an Apache Kafka without a plug-in that takes them:
GetTelemetrySubscriptions and PushTelemetry are absent, and clients do not try.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tidings.broker.settings.config_key import ConfigKey, ConfigType, table
from tidings.wire.error_codes import ApiError, ErrorCode

INTERVAL_MS_MIN = 100
INTERVAL_MS_MAX = 3_600_000
_MATCHED = (
    "client_instance_id", "client_id", "client_software_name", "client_software_version", "client_source_address",
    "client_source_port",
)  # fmt: skip


def _interval(value: str) -> str | None:
    if INTERVAL_MS_MIN <= int(value) <= INTERVAL_MS_MAX:
        return None
    return f"interval must be between {INTERVAL_MS_MIN} and {INTERVAL_MS_MAX} (1 hour)"


def _match(value: str) -> str | None:
    name, equals, pattern = value.partition("=")
    if not equals or name.strip() not in _MATCHED:
        return "Illegal client matching pattern"
    try:
        re.compile(pattern)
    except re.error:
        return "Illegal client matching pattern"
    return None


CLIENT_METRICS_CONFIGS: dict[str, ConfigKey] = table(
    [
        ConfigKey(
            name="interval.ms", type=ConfigType.INT, default="300000",
            documentation="How often clients would tell their metrics.",
        ),
        ConfigKey(
            name="match", type=ConfigType.LIST, default="", check=_match,
            documentation="Which clients are meant: name=regular expression, for their id, software or address.",
        ),
        ConfigKey(
            name="metrics", type=ConfigType.LIST, default="",
            documentation="Prefixes of the names of the metrics that are wanted.",
        ),
    ]
)  # fmt: skip


def checked_of_client_metrics(values: Mapping[str, str | None]) -> dict[str, str]:
    """Settings in canonical form. Raises ApiError."""
    wanted = {}
    for name, value in values.items():
        key = CLIENT_METRICS_CONFIGS.get(name)
        if key is None:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"Unknown client metrics configuration: {name}")
        wanted[name] = key.canonical(value or "")
        if name == "interval.ms" and (problem := _interval(wanted[name])):
            raise ApiError(ErrorCode.INVALID_REQUEST, f"Invalid value {value} for interval.ms, {problem}")
    return wanted


def check_subscription(name: str) -> None:
    """Raises ApiError INVALID_REQUEST."""
    if not name:
        raise ApiError(ErrorCode.INVALID_REQUEST, "Subscription name can't be empty")
