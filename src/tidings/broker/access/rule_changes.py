"""Changes of access rules, as the records that the catalog keeps: planned when it is their turn."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from tidings.security.acl import AccessControl
from tidings.security.rules import Rule
from tidings.wire.message import Message
from tidings.wire.messages.metadata_records import AccessControlEntryRecord, RemoveAccessControlEntryRecord


def added(rules: Iterable[Rule], access: AccessControl) -> Sequence[Message]:
    """Those that are not there yet, each once."""
    return [
        AccessControlEntryRecord(
            id=uuid.uuid4().bytes,
            resource_type=rule.resource_type,
            resource_name=rule.resource_name,
            pattern_type=rule.pattern_type,
            principal=rule.principal,
            host=rule.host,
            operation=rule.operation,
            permission_type=rule.permission,
        )
        for rule in dict.fromkeys(rules)
        if rule not in access
    ]


def removed(rule_ids: Iterable[bytes]) -> Sequence[Message]:
    return [RemoveAccessControlEntryRecord(id=rule_id) for rule_id in rule_ids]
