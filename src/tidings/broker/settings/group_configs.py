"""Every setting a group may have of its own (KIP-848, KIP-932, KIP-1071): Apache Kafka 4.3's names, types and limits.

All are accepted, kept and shown, also for groups that do not exist yet. Of those of kinds of groups that this broker
does not have, nothing comes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from tidings.broker.settings.config_key import ConfigKey, ConfigType, table
from tidings.wire.error_codes import ApiError, ErrorCode

_RESET = re.compile(r"latest|earliest|by_duration:P(?!$)(\d+D)?(T(?!$)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?", re.IGNORECASE)


def _reset(value: str) -> str | None:
    if _RESET.fullmatch(value):
        return None
    return (
        f"Invalid value `{value}` for configuration share.auto.offset.reset. The value must be either 'earliest', "
        "'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
    )


_LIMITS = {
    "assignment.interval.ms": (0, 15_000),
    "delivery.count.limit": (2, 10),
    "heartbeat.interval.ms": (5_000, 15_000),
    "partition.max.record.locks": (100, 4_000),
    "record.lock.duration.ms": (15_000, 60_000),
    "session.timeout.ms": (45_000, 60_000),
}
"""What the broker's group.*.min.* and group.*.max.* allow a group to choose."""


def _int(name: str, default: int, low: int, documentation: str, *, high: int | None = None) -> ConfigKey:
    """`low` and `high` are what makes sense at all."""
    return ConfigKey(
        name=name, type=ConfigType.INT, default=str(default), low=low, high=high, documentation=documentation
    )


def _of_every_kind() -> Iterator[ConfigKey]:
    for kind in ("consumer", "share", "streams"):
        yield _int(f"{kind}.session.timeout.ms", 45_000, 1, "How long a member may be silent.")
        yield _int(f"{kind}.heartbeat.interval.ms", 5_000, 1, "How often a member is to be heard.")
        yield _int(f"{kind}.assignment.interval.ms", 1_000, 0, "Wait between two assignments. There is none.")


GROUP_CONFIGS: dict[str, ConfigKey] = table(
    [
        *_of_every_kind(),
        ConfigKey(
            name="share.auto.offset.reset",
            type=ConfigType.STRING,
            default="latest",
            check=_reset,
            documentation="Where a share group begins that has come nowhere yet.",
        ),
        _int("share.delivery.count.limit", 5, 2, "How often a record is handed out before it is given up."),
        ConfigKey(
            name="share.isolation.level",
            type=ConfigType.STRING,
            default="read_uncommitted",
            choices=("read_committed", "read_uncommitted"),
            documentation="Whether a share group sees records of transactions that are undecided or aborted.",
        ),
        _int("share.partition.max.record.locks", 2_000, 100, "Records of a partition handed out at once."),
        _int("share.record.lock.duration.ms", 30_000, 1_000, "How long a record stays with whom it was given."),
        ConfigKey(
            name="share.renew.acknowledge.enable",
            type=ConfigType.BOOLEAN,
            default="true",
            documentation="Whether a member may ask for more time for a record.",
        ),
        _int("streams.initial.rebalance.delay.ms", 3_000, 0, "How long an empty group waits for more."),
        _int("streams.num.standby.replicas", 0, 0, "Copies of a task's state that are kept warm.", high=2),
    ]
)


def group_value(name: str, own: Mapping[str, str]) -> str:
    """What holds for a group whose own settings are `own`."""
    return own.get(name, GROUP_CONFIGS[name].default or "")


def check_group(name: str) -> None:
    """Raises ApiError INVALID_REQUEST for what cannot be a group."""
    if not name:
        raise ApiError(ErrorCode.INVALID_REQUEST, "Group name must not be empty.")


def checked_of_group(
    values: Mapping[str, str | None], of_broker: Callable[[str], str | None] = lambda _: None
) -> dict[str, str]:
    """Settings as a client gives them, in the form they are kept in. `of_broker` tells the broker's own settings.

    Raises ApiError INVALID_CONFIG.
    """
    wanted = {}
    for name, value in values.items():
        key = GROUP_CONFIGS.get(name)
        if key is None:
            raise ApiError(ErrorCode.INVALID_CONFIG, f"Unknown group config name: {name}")
        if value is None:
            raise ApiError(ErrorCode.INVALID_CONFIG, f"Null value not supported for group configs: {name}")
        wanted[name] = key.canonical(value)
        _check_limits(name, wanted[name], of_broker)
    session, heartbeat = ("session.timeout.ms", "heartbeat.interval.ms")
    for kind in ("consumer", "share", "streams"):
        if int(group_value(f"{kind}.{session}", wanted)) <= int(group_value(f"{kind}.{heartbeat}", wanted)):
            raise ApiError(ErrorCode.INVALID_CONFIG, f"{kind}.{session} must be greater than {kind}.{heartbeat}")
    return wanted


def _check_limits(name: str, value: str, of_broker: Callable[[str], str | None]) -> None:
    """Raises ApiError INVALID_CONFIG, worded as Apache Kafka does."""
    kind, _, rest = name.partition(".")
    if rest not in _LIMITS:
        return
    low, high = _LIMITS[rest]
    low = int(of_broker(f"group.{kind}.min.{rest}") or low)
    if int(value) < low:
        raise ApiError(ErrorCode.INVALID_CONFIG, f"{name} must be greater than or equal to group.{kind}.min.{rest}")
    if int(value) > high:
        raise ApiError(ErrorCode.INVALID_CONFIG, f"{name} must be less than or equal to group.{kind}.max.{rest}")
