"""The settings of the broker itself that tools ask for: Apache Kafka 4.3's names, types and defaults.

The defaults of topics (`log.*` and others) may be changed while the broker runs, for it alone or as the cluster's
default, and then hold for every topic that does not say otherwise. What is read-only is set where it is started.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidings.broker.config import BrokerConfig
from tidings.broker.settings.config_key import ConfigKey, ConfigType, table
from tidings.broker.settings.topic_configs import TOPIC_CONFIGS
from tidings.errors import OperatorError
from tidings.wire.error_codes import ApiError

_MS_PER_UNIT = {
    "log.retention.minutes": 60_000,
    "log.retention.hours": 3_600_000,
    "log.roll.hours": 3_600_000,
    "log.roll.jitter.hours": 3_600_000,
}
_DEFAULTS = {
    # Of several synonyms the coarsest has the default; the finer ones are not set.
    "log.flush.interval.ms": None,
    "log.flush.scheduler.interval.ms": "9223372036854775807",
    "log.retention.ms": None,
    "log.retention.minutes": None,
    "log.retention.hours": "168",
    "log.roll.ms": None,
    "log.roll.hours": "168",
    "log.roll.jitter.ms": None,
    "log.roll.jitter.hours": "0",
}
_INT, _LONG, _DOUBLE, _LIST = ConfigType.INT, ConfigType.LONG, ConfigType.DOUBLE, ConfigType.LIST
_KEPT: dict[str, tuple[ConfigType, str | None]] = {
    "background.threads": (_INT, "10"),
    "follower.fetch.last.tiered.offset.enable": (ConfigType.BOOLEAN, "false"),
    "follower.replication.throttled.rate": (_LONG, "9223372036854775807"),
    "group.consumer.assignment.interval.ms": (_INT, "1000"),
    "group.coordinator.cached.buffer.max.bytes": (_INT, "1048588"),
    "group.share.assignment.interval.ms": (_INT, "1000"),
    "group.streams.assignment.interval.ms": (_INT, "1000"),
    "leader.replication.throttled.rate": (_LONG, "9223372036854775807"),
    "log.cleaner.dedupe.buffer.size": (_LONG, "134217728"),
    "log.cleaner.io.buffer.load.factor": (_DOUBLE, "0.9"),
    "log.cleaner.io.buffer.size": (_INT, "524288"),
    "log.cleaner.threads": (_INT, "1"),
    "max.connection.creation.rate": (_INT, "2147483647"),
    "max.connections": (_INT, "2147483647"),
    "max.connections.per.ip": (_INT, "2147483647"),
    "max.connections.per.ip.overrides": (ConfigType.STRING, ""),
    "num.io.threads": (_INT, "8"),
    "num.network.threads": (_INT, "3"),
    "num.recovery.threads.per.data.dir": (_INT, "2"),
    "num.replica.fetchers": (_INT, "1"),
    "remote.fetch.max.wait.ms": (_INT, "500"),
    "remote.list.offsets.request.timeout.ms": (_LONG, "30000"),
    "remote.log.index.file.cache.total.size.bytes": (_LONG, "1073741824"),
    "remote.log.manager.copier.thread.pool.size": (_INT, "10"),
    "remote.log.manager.copy.max.bytes.per.second": (_LONG, "9223372036854775807"),
    "remote.log.manager.expiration.thread.pool.size": (_INT, "10"),
    "remote.log.manager.fetch.max.bytes.per.second": (_LONG, "9223372036854775807"),
    "remote.log.manager.follower.thread.pool.size": (_INT, "2"),
    "remote.log.reader.threads": (_INT, "10"),
    "replica.alter.log.dirs.io.max.bytes.per.second": (_LONG, "9223372036854775807"),
    "sasl.kerberos.min.time.before.relogin": (_LONG, "60000"),
    "sasl.kerberos.ticket.renew.jitter": (_DOUBLE, "0.05"),
    "sasl.kerberos.ticket.renew.window.factor": (_DOUBLE, "0.8"),
    "sasl.login.refresh.buffer.seconds": (ConfigType.SHORT, "300"),
    "sasl.login.refresh.min.period.seconds": (ConfigType.SHORT, "60"),
    "sasl.login.refresh.window.factor": (_DOUBLE, "0.8"),
    "sasl.login.refresh.window.jitter": (_DOUBLE, "0.05"),
    "share.coordinator.cached.buffer.max.bytes": (_INT, "1048588"),
    "transaction.partition.verification.enable": (ConfigType.BOOLEAN, "true"),
}
AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
"""Whose decisions ours are."""
CLEANER_BACKOFF_MS = "log.cleaner.backoff.ms"
CLEANER_BYTES_PER_S = "log.cleaner.io.max.bytes.per.second"
_READ_ONLY = {*_MS_PER_UNIT, "log.flush.scheduler.interval.ms"}


def in_topic_units(name: str, value: str) -> str:
    """The value of a broker's setting as a topic's: of those in hours or minutes, milliseconds."""
    return str(int(value) * _MS_PER_UNIT[name]) if name in _MS_PER_UNIT else value


def _topic_defaults() -> Iterator[ConfigKey]:
    for key in TOPIC_CONFIGS.values():
        for name in key.synonyms:
            in_coarse_units = name in _MS_PER_UNIT
            yield ConfigKey(
                name=name,
                type=ConfigType.INT if in_coarse_units else key.type,
                default=_DEFAULTS.get(name, key.default),
                documentation=f"The default of a topic's {key.name}. {key.documentation}",
                low=None if in_coarse_units else key.low,
                high=key.high,
                choices=key.choices,
                check=key.check,
                dynamic=name not in _READ_ONLY,
            )


def _kept() -> Iterator[ConfigKey]:
    """Settings that operators' scripts change while Kafka runs, and that have nothing to act on here."""
    for name, (type, default) in _KEPT.items():
        yield ConfigKey(name=name, type=type, default=default, documentation="Kept; this broker has no use for it.")


def _fixed(name: str, type: ConfigType, default: str | None, documentation: str) -> ConfigKey:
    return ConfigKey(name=name, type=type, default=default, documentation=documentation, dynamic=False)


BROKER_CONFIGS: dict[str, ConfigKey] = table(
    [
        *_topic_defaults(),
        *_kept(),
        ConfigKey(
            name=CLEANER_BACKOFF_MS,
            type=_LONG,
            default="15000",
            low=0,
            documentation="How often is looked for what to compact.",
        ),
        ConfigKey(
            name=CLEANER_BYTES_PER_S,
            type=_DOUBLE,
            default="1.7976931348623157E308",
            documentation="How much compaction goes through in a second; it takes a quarter of a processor at most.",
        ),
        _fixed("advertised.listeners", _LIST, None, "The address clients are told, if not that of listeners."),
        _fixed(
            "allow.everyone.if.no.acl.found",
            ConfigType.BOOLEAN,
            "false",
            "Whether everybody may do what no access rule is about. Unlike Apache Kafka's, this broker says yes.",
        ),
        _fixed("authorizer.class.name", ConfigType.STRING, "", "What decides by access rules; there is no other."),
        _fixed("auto.create.topics.enable", ConfigType.BOOLEAN, "true", "Whether asking for a topic creates it."),
        _fixed("broker.id", _INT, "-1", "The same as node.id."),
        _fixed("connections.max.idle.ms", _LONG, "600000", "How long a silent connection is kept."),
        _fixed("default.replication.factor", _INT, "1", "Copies of each partition. On one node there is one."),
        _fixed("delete.topic.enable", ConfigType.BOOLEAN, "true", "Whether topics can be deleted."),
        _fixed("fetch.max.bytes", _INT, "57671680", "The most bytes of records in one answer to a fetch."),
        _fixed("group.consumer.assignors", _LIST, "uniform,range", "How partitions are shared out among consumers."),
        _fixed("group.consumer.heartbeat.interval.ms", _INT, "5000", "How often a consumer is to send a heartbeat."),
        _fixed("group.consumer.max.size", _INT, "2147483647", "The most members of a group of the consumer protocol."),
        ConfigKey(
            name="group.consumer.migration.policy",
            type=ConfigType.STRING,
            default="bidirectional",
            choices=("bidirectional", "disabled", "downgrade", "upgrade"),
            documentation="Which way groups may change their protocol with members in them.",
            dynamic=False,
        ),
        _fixed("group.consumer.session.timeout.ms", _INT, "45000", "How long a consumer may be silent."),
        _fixed("group.initial.rebalance.delay.ms", _INT, "3000", "How long an empty group waits for more members."),
        _fixed("group.max.session.timeout.ms", _INT, "1800000", "The longest session timeout a member may ask for."),
        _fixed("group.max.size", _INT, "2147483647", "The most members of a group."),
        _fixed("group.min.session.timeout.ms", _INT, "6000", "The shortest session timeout a member may ask for."),
        _fixed("group.share.assignors", _LIST, "simple", "How partitions are shared out in share groups."),
        _fixed(
            "group.share.delivery.count.limit",
            _INT,
            "5",
            "How often a record is handed out before it is given up, if a group does not say.",
        ),
        _fixed(
            "group.share.heartbeat.interval.ms", _INT, "5000", "How often a member of a share group is to be heard."
        ),
        _fixed(
            "group.share.max.delivery.count.limit",
            _INT,
            "10",
            "The highest share.delivery.count.limit a group may have.",
        ),
        _fixed(
            "group.share.max.heartbeat.interval.ms",
            _INT,
            "15000",
            "The longest share.heartbeat.interval.ms a group may have.",
        ),
        _fixed(
            "group.share.max.partition.max.record.locks",
            _INT,
            "4000",
            "The highest share.partition.max.record.locks a group may have.",
        ),
        _fixed(
            "group.share.max.record.lock.duration.ms",
            _INT,
            "60000",
            "The longest share.record.lock.duration.ms a group may have.",
        ),
        _fixed(
            "group.share.max.session.timeout.ms",
            _INT,
            "60000",
            "The longest share.session.timeout.ms a group may have.",
        ),
        _fixed("group.share.max.share.sessions", _INT, "2000", "The most share sessions kept."),
        _fixed("group.share.max.size", _INT, "200", "The most members of a share group."),
        _fixed(
            "group.share.min.delivery.count.limit", _INT, "2", "The lowest share.delivery.count.limit a group may have."
        ),
        _fixed(
            "group.share.min.heartbeat.interval.ms",
            _INT,
            "5000",
            "The shortest share.heartbeat.interval.ms a group may have.",
        ),
        _fixed(
            "group.share.min.partition.max.record.locks",
            _INT,
            "100",
            "The lowest share.partition.max.record.locks a group may have.",
        ),
        _fixed(
            "group.share.min.record.lock.duration.ms",
            _INT,
            "15000",
            "The shortest share.record.lock.duration.ms a group may have.",
        ),
        _fixed(
            "group.share.min.session.timeout.ms",
            _INT,
            "45000",
            "The shortest share.session.timeout.ms a group may have.",
        ),
        _fixed(
            "group.share.partition.max.record.locks",
            _INT,
            "2000",
            "Records of a partition handed out at once, if a group does not say.",
        ),
        _fixed(
            "group.share.record.lock.duration.ms",
            _INT,
            "30000",
            "How long a record stays with whom it was given, if a group does not say.",
        ),
        _fixed("group.share.session.timeout.ms", _INT, "45000", "How long a member of a share group may be silent."),
        _fixed("listeners", _LIST, "PLAINTEXT://:9092", "Where the broker listens."),
        _fixed("log.dir", _LIST, "/tmp/kafka-logs", "The data folder."),
        _fixed("log.dirs", _LIST, None, "The data folder."),
        _fixed("log.retention.check.interval.ms", _LONG, "300000", "How often old segments are looked for."),
        _fixed("max.incremental.fetch.session.cache.slots", _INT, "1000", "The most fetch sessions kept."),
        _fixed("node.id", _INT, None, "The id of this node."),
        _fixed("num.partitions", _INT, "1", "Partitions of a topic that does not say how many."),
        _fixed("offset.metadata.max.bytes", _INT, "4096", "The most text committed along with an offset."),
        _fixed("offsets.retention.minutes", _INT, "10080", "How long the offsets of a group without members are kept."),
        _fixed("offsets.topic.num.partitions", _INT, "50", "Partitions of __consumer_offsets."),
        _fixed("offsets.topic.replication.factor", ConfigType.SHORT, "3", "Copies of __consumer_offsets."),
        _fixed("process.roles", _LIST, None, "What this node is: broker and controller in one."),
        _fixed("producer.id.expiration.ms", _INT, "86400000", "How long an idle producer's sequences are remembered."),
        _fixed("socket.request.max.bytes", _INT, "104857600", "The largest request accepted."),
        _fixed("super.users", ConfigType.STRING, "", "Who may do everything: User:name, with ; in between."),
        _fixed("transaction.max.timeout.ms", _INT, "900000", "The longest time a producer may ask for a transaction."),
        _fixed("transaction.state.log.num.partitions", _INT, "50", "Partitions of __transaction_state."),
        _fixed("transactional.id.expiration.ms", _INT, "604800000", "How long an unused transactional id is kept."),
    ]
)


def static_values(config: BrokerConfig, log_dir: str) -> dict[str, str]:
    """What is set where this broker was started, and is not Kafka's default anyway."""
    listener = f"PLAINTEXT://{config.host}:{config.port}"
    values = {
        "allow.everyone.if.no.acl.found": str(config.allow_if_no_rule).lower(),
        "authorizer.class.name": AUTHORIZER,
        "auto.create.topics.enable": str(config.auto_create_topics).lower(),
        "broker.id": str(config.node_id),
        "connections.max.idle.ms": str(config.connection_idle_ms_max),
        "fetch.max.bytes": str(config.fetch_bytes_max),
        "group.consumer.heartbeat.interval.ms": str(config.groups.consumer_heartbeat_interval_ms),
        "group.consumer.max.size": str(config.groups.consumer_members_max),
        "group.consumer.migration.policy": config.groups.migration_policy,
        "group.consumer.session.timeout.ms": str(config.groups.consumer_session_timeout_ms),
        "group.initial.rebalance.delay.ms": str(config.groups.initial_rebalance_delay_ms),
        "group.max.session.timeout.ms": str(config.groups.session_timeout_ms_max),
        "group.max.size": str(config.groups.members_max),
        "group.min.session.timeout.ms": str(config.groups.session_timeout_ms_min),
        "group.share.delivery.count.limit": str(config.shares.deliveries_max),
        "group.share.heartbeat.interval.ms": str(config.groups.share_heartbeat_interval_ms),
        "group.share.max.share.sessions": str(config.share_sessions_max),
        "group.share.max.size": str(config.groups.share_members_max),
        "group.share.min.record.lock.duration.ms": str(config.share_lock_ms_min),
        "group.share.partition.max.record.locks": str(config.shares.locks_max),
        "group.share.record.lock.duration.ms": str(config.shares.lock_ms),
        "group.share.session.timeout.ms": str(config.groups.share_session_timeout_ms),
        "listeners": listener,
        CLEANER_BACKOFF_MS: str(config.compaction_check_interval_ms),
        "log.dirs": log_dir,
        "log.retention.check.interval.ms": str(config.retention_check_interval_ms),
        "max.incremental.fetch.session.cache.slots": str(config.fetch_sessions_max),
        "node.id": str(config.node_id),
        "num.partitions": str(config.num_partitions),
        "offset.metadata.max.bytes": str(config.groups.offset_metadata_chars_max),
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "process.roles": "broker,controller",
        "socket.request.max.bytes": str(config.request_bytes_max),
        "super.users": ";".join(config.superusers),
        "transaction.max.timeout.ms": str(config.transactions.timeout_ms_max),
        "transaction.state.log.num.partitions": "1",
        "transactional.id.expiration.ms": str(config.transactions.id_expiration_ms),
    }
    if config.advertised is not None:
        values["advertised.listeners"] = f"PLAINTEXT://{config.advertised}"
    if config.durability == "fsync":
        values["log.flush.interval.messages"] = "1"
    values.update(_topic_default(name, value) for name, value in config.topic_defaults.items())
    return {name: value for name, value in values.items() if value != BROKER_CONFIGS[name].default}


def _topic_default(name: str, value: str) -> tuple[str, str]:
    """A default of topics as a setting of the broker. Raises OperatorError."""
    key = TOPIC_CONFIGS.get(name)
    if key is None or not key.synonyms:
        raise OperatorError(f"{name!r} is no setting that topics have a default of", "Leave it out.")
    try:
        return key.synonyms[0], key.canonical(value)
    except ApiError as error:
        raise OperatorError(str(error), "Give it another value, or leave it out.") from None
