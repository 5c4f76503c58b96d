"""What a broker is started with, under Apache Kafka's names: `tidings up --set group.max.size=100`.

Only what acts here is taken, and the defaults of topics: a setting without effect is refused, not swallowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tidings.broker.config import BrokerConfig
from tidings.broker.settings.broker_configs import BROKER_CONFIGS, in_topic_units
from tidings.broker.settings.config_key import ConfigType
from tidings.broker.settings.topic_configs import TOPIC_CONFIGS
from tidings.errors import OperatorError
from tidings.wire.error_codes import ApiError

_OF_BROKER = {
    "allow.everyone.if.no.acl.found": "allow_if_no_rule",
    "auto.create.topics.enable": "auto_create_topics",
    "connections.max.idle.ms": "connection_idle_ms_max",
    "fetch.max.bytes": "fetch_bytes_max",
    "group.share.max.share.sessions": "share_sessions_max",
    "group.share.min.record.lock.duration.ms": "share_lock_ms_min",
    "log.retention.check.interval.ms": "retention_check_interval_ms",
    "max.incremental.fetch.session.cache.slots": "fetch_sessions_max",
    "node.id": "node_id",
    "num.partitions": "num_partitions",
    "socket.request.max.bytes": "request_bytes_max",
    "super.users": "superusers",
}
_OF_GROUPS = {
    "group.consumer.heartbeat.interval.ms": "consumer_heartbeat_interval_ms",
    "group.consumer.max.size": "consumer_members_max",
    "group.consumer.migration.policy": "migration_policy",
    "group.consumer.session.timeout.ms": "consumer_session_timeout_ms",
    "group.initial.rebalance.delay.ms": "initial_rebalance_delay_ms",
    "group.max.session.timeout.ms": "session_timeout_ms_max",
    "group.max.size": "members_max",
    "group.min.session.timeout.ms": "session_timeout_ms_min",
    "group.share.heartbeat.interval.ms": "share_heartbeat_interval_ms",
    "group.share.max.size": "share_members_max",
    "group.share.session.timeout.ms": "share_session_timeout_ms",
    "offset.metadata.max.bytes": "offset_metadata_chars_max",
}
_OF_SHARES = {
    "group.share.delivery.count.limit": "deliveries_max",
    "group.share.partition.max.record.locks": "locks_max",
    "group.share.record.lock.duration.ms": "lock_ms",
}
_OF_TRANSACTIONS = {
    "transaction.max.timeout.ms": "timeout_ms_max",
    "transactional.id.expiration.ms": "id_expiration_ms",
}
_DEFAULT_OF_TOPICS = {synonym: key.name for key in TOPIC_CONFIGS.values() for synonym in key.synonyms}


def with_properties(config: BrokerConfig, properties: Mapping[str, str]) -> BrokerConfig:
    """`config` with `properties` in place of what it says. Raises OperatorError for a name or a value that is none."""
    of_broker: dict[str, Any] = {}
    of_groups: dict[str, Any] = {}
    of_shares: dict[str, Any] = {}
    of_transactions: dict[str, Any] = {}
    of_topics = dict(config.topic_defaults)
    for name, value in properties.items():
        if name in _OF_BROKER:
            of_broker[_OF_BROKER[name]] = _value(name, value)
        elif name in _OF_GROUPS:
            of_groups[_OF_GROUPS[name]] = _value(name, value)
        elif name in _OF_SHARES:
            of_shares[_OF_SHARES[name]] = _value(name, value)
        elif name in _OF_TRANSACTIONS:
            of_transactions[_OF_TRANSACTIONS[name]] = _value(name, value)
        elif name in _DEFAULT_OF_TOPICS:
            of_topics[_DEFAULT_OF_TOPICS[name]] = in_topic_units(name, str(_value(name, value)))
        else:
            known = ", ".join(sorted([*_OF_BROKER, *_OF_GROUPS, *_OF_SHARES, *_OF_TRANSACTIONS]))
            raise OperatorError(
                f"{name!r} is no setting of this broker",
                f"Settings are {known}, and the defaults of topics by the names Apache Kafka gives them (log.*).",
            )
    groups = replace(config.groups, **of_groups)
    transactions = replace(config.transactions, **of_transactions)
    shares = config.shares._replace(**of_shares)
    return replace(
        config, **of_broker, groups=groups, shares=shares, transactions=transactions, topic_defaults=of_topics
    )


def _value(name: str, text: str) -> Any:
    key = BROKER_CONFIGS[name]
    try:
        value = key.canonical(text)
    except ApiError as error:
        raise OperatorError(str(error), "Give it another value, or leave it out.") from None
    if name == "super.users":
        return tuple(part.strip() for part in value.split(";") if part.strip())
    if key.type is ConfigType.BOOLEAN and name in _OF_BROKER:
        return value == "true"
    return int(value) if key.type in (ConfigType.INT, ConfigType.LONG) else value
