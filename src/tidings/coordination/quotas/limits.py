"""Which quotas are set, and which of them holds for a client: the most specific one does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tidings.coordination.quotas.rules import Entity, EntityType
from tidings.wire.messages.metadata_records import ClientQuotaRecord

USER, CLIENT_ID = EntityType.USER, EntityType.CLIENT_ID


class Limit(NamedTuple):
    """`shared_by` is who draws on it together: a quota of a user is one for all of the user's clients."""

    rate: float
    shared_by: Entity


class QuotaLimits:
    """Only `replay` changes it."""

    def __init__(self) -> None:
        self._values: dict[Entity, dict[str, float]] = {}

    def __bool__(self) -> bool:
        return bool(self._values)

    @property
    def entries(self) -> Mapping[Entity, Mapping[str, float]]:
        return self._values

    def replay(self, record: ClientQuotaRecord) -> None:
        of = tuple(sorted((part.entity_type, part.entity_name) for part in record.entity))
        values = self._values.setdefault(of, {})
        if record.remove:
            values.pop(record.key, None)
        else:
            values[record.key] = record.value
        if not values:
            del self._values[of]

    def limit(self, key: str, user: str, client_id: str) -> Limit | None:
        """What holds for a client, in Kafka's order of precedence; None: no limit."""
        for of, shared_by in _precedence(user, client_id):
            rate = self._values.get(of, {}).get(key)
            if rate is not None:
                return Limit(rate, shared_by)
        return None


def _precedence(user: str, client_id: str) -> Iterator[tuple[Entity, Entity]]:
    """Entities that may have the quota, each with those who share it."""
    both: Entity = ((CLIENT_ID, client_id), (USER, user))
    of_user: Entity = ((USER, user),)
    for user_part in (user, None):
        yield ((CLIENT_ID, client_id), (USER, user_part)), both
        yield ((CLIENT_ID, None), (USER, user_part)), both
        yield ((USER, user_part),), of_user
    of_client: Entity = ((CLIENT_ID, client_id),)
    yield of_client, of_client
    yield ((CLIENT_ID, None),), of_client
