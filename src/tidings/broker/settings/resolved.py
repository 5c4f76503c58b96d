"""Which value of a setting is in force, and where it was set.

A topic's own value wins; then come the broker's dynamic one, the cluster's dynamic default, what the broker was started
with, and Kafka's default. For each of these a topic's setting may have several names on the broker (its synonyms).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tidings.broker.settings.broker_configs import BROKER_CONFIGS, in_topic_units
from tidings.broker.settings.config_key import ConfigSource
from tidings.broker.settings.topic_configs import TOPIC_CONFIGS

DEFAULT_BROKER = ""
"""As a broker's name: the cluster's default for all."""


class Setting(NamedTuple):
    """One name, its value there, and where that was set."""

    name: str
    value: str
    source: ConfigSource


class Settings:
    """The layers below a topic's own. `dynamic` is by the broker's name: its id, or DEFAULT_BROKER."""

    def __init__(self, node_id: int, static: Mapping[str, str]) -> None:
        self._node = str(node_id)
        self._static = static
        self.dynamic: dict[str, dict[str, str]] = {}

    def of_broker(self, name: str) -> list[Setting]:
        """The value in force of a broker's setting, and after it the ones it hides. Empty if it has no value."""
        return _from(name, list(self._chain(_broker_synonyms(name))))

    def value_of_broker(self, name: str) -> str | None:
        """What holds; None for what is no setting of a broker."""
        layers = self.of_broker(name) if name in BROKER_CONFIGS else []
        return layers[0].value if layers else None

    def of_topic(self, name: str, own: Mapping[str, str]) -> list[Setting]:
        """The same for a topic, whose own settings are `own`. Empty if none but Kafka's default is there."""
        key = TOPIC_CONFIGS[name]
        chain = _from(key.synonyms[0], list(self._chain(key.synonyms))) if key.synonyms else []
        if name in own:
            chain.insert(0, Setting(name, own[name], ConfigSource.DYNAMIC_TOPIC_CONFIG))
        return chain

    def topic_value(self, name: str, own: Mapping[str, str]) -> tuple[str, ConfigSource]:
        """What holds for a topic, and why."""
        chain = self.of_topic(name, own)
        if not chain:
            return TOPIC_CONFIGS[name].default or "", ConfigSource.DEFAULT_CONFIG
        return in_topic_units(chain[0].name, chain[0].value), chain[0].source

    def topic_values(self, own: Mapping[str, str]) -> dict[str, str]:
        """Every setting of a topic, as it holds."""
        return {name: self.topic_value(name, own)[0] for name in TOPIC_CONFIGS}

    def _chain(self, names: tuple[str, ...]) -> Iterator[Setting]:
        layers = [
            (self.dynamic.get(self._node, {}), ConfigSource.DYNAMIC_BROKER_CONFIG),
            (self.dynamic.get(DEFAULT_BROKER, {}), ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG),
            (self._static, ConfigSource.STATIC_BROKER_CONFIG),
        ]
        for layer, source in layers:
            yield from (Setting(name, layer[name], source) for name in names if name in layer)
        for name in names:
            default = BROKER_CONFIGS[name].default
            if default is not None:
                yield Setting(name, default, ConfigSource.DEFAULT_CONFIG)


def _broker_synonyms(name: str) -> tuple[str, ...]:
    for key in TOPIC_CONFIGS.values():
        if name in key.synonyms:
            return key.synonyms
    return (name,)


def _from(name: str, chain: list[Setting]) -> list[Setting]:
    """What comes before `name` itself does not count: Kafka shows none of it either."""
    while chain and chain[0].name != name:
        del chain[0]
    return chain
