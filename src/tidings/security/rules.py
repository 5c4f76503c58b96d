"""The words of access rules, as Apache Kafka numbers them: operations, resources, patterns, rules and filters of rules.

A rule (Kafka's AclBinding) says that a principal, from a host, may or may not do an operation to the resources that a
pattern names (KIP-11, KIP-290).
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from tidings.wire.error_codes import ApiError, ErrorCode

WILDCARD = "*"
"""As a resource's name every name, as a host every host."""
EVERYBODY = "User:*"
ANONYMOUS = "User:ANONYMOUS"
"""The principal of a connection that did not say who it is."""


class Operation(IntEnum):
    UNKNOWN = 0
    ANY = 1
    ALL = 2
    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    CLUSTER_ACTION = 9
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11
    IDEMPOTENT_WRITE = 12
    CREATE_TOKENS = 13
    DESCRIBE_TOKENS = 14
    TWO_PHASE_COMMIT = 15


class ResourceType(IntEnum):
    UNKNOWN = 0
    ANY = 1
    TOPIC = 2
    GROUP = 3
    CLUSTER = 4
    TRANSACTIONAL_ID = 5
    DELEGATION_TOKEN = 6
    USER = 7


CLUSTER_NAME = "kafka-cluster"
"""The name of the only resource of its type."""


class PatternType(IntEnum):
    """How a pattern names resources. ANY and MATCH are for filters: of any type; and all that concern a name."""

    UNKNOWN = 0
    ANY = 1
    MATCH = 2
    LITERAL = 3
    PREFIXED = 4


class Permission(IntEnum):
    UNKNOWN = 0
    ANY = 1
    DENY = 2
    ALLOW = 3


OPERATIONS_OF: dict[ResourceType, frozenset[Operation]] = {
    ResourceType.TOPIC: frozenset(
        {
            Operation.READ,
            Operation.WRITE,
            Operation.CREATE,
            Operation.DELETE,
            Operation.ALTER,
            Operation.DESCRIBE,
            Operation.DESCRIBE_CONFIGS,
            Operation.ALTER_CONFIGS,
        }
    ),
    ResourceType.GROUP: frozenset(
        {
            Operation.READ,
            Operation.DELETE,
            Operation.DESCRIBE,
            Operation.DESCRIBE_CONFIGS,
            Operation.ALTER_CONFIGS,
        }
    ),
    ResourceType.CLUSTER: frozenset(
        {
            Operation.CREATE,
            Operation.ALTER,
            Operation.DESCRIBE,
            Operation.CLUSTER_ACTION,
            Operation.DESCRIBE_CONFIGS,
            Operation.ALTER_CONFIGS,
            Operation.IDEMPOTENT_WRITE,
        }
    ),
    ResourceType.TRANSACTIONAL_ID: frozenset({Operation.WRITE, Operation.DESCRIBE, Operation.TWO_PHASE_COMMIT}),
}
"""What can be done to a resource: what "authorized operations" are taken from."""


class Rule(NamedTuple):
    resource_type: int
    resource_name: str
    pattern_type: int
    principal: str
    host: str
    operation: int
    permission: int


class RuleFilter(NamedTuple):
    """Which rules are meant. None and ANY leave a part open."""

    resource_type: int = ResourceType.ANY
    resource_name: str | None = None
    pattern_type: int = PatternType.ANY
    principal: str | None = None
    host: str | None = None
    operation: int = Operation.ANY
    permission: int = Permission.ANY

    def matches(self, rule: Rule) -> bool:
        return (
            self.resource_type in (ResourceType.ANY, rule.resource_type)
            and self._matches_pattern(rule)
            and self.principal in (None, rule.principal)
            and self.host in (None, rule.host)
            and self.operation in (Operation.ANY, rule.operation)
            and self.permission in (Permission.ANY, rule.permission)
        )

    def _matches_pattern(self, rule: Rule) -> bool:
        if self.pattern_type not in (PatternType.ANY, PatternType.MATCH, rule.pattern_type):
            return False
        if self.resource_name is None:
            return True
        if self.pattern_type != PatternType.MATCH:
            return self.resource_name == rule.resource_name
        if rule.pattern_type == PatternType.PREFIXED:
            return self.resource_name.startswith(rule.resource_name)
        return rule.resource_name in (self.resource_name, WILDCARD)


def check_rule(rule: Rule) -> None:
    """Whether a rule can be kept. Raises ApiError INVALID_REQUEST, worded as Apache Kafka does."""
    if rule.resource_type == ResourceType.CLUSTER and rule.resource_name != CLUSTER_NAME:
        raise _invalid(f"The only valid name for the CLUSTER resource is {CLUSTER_NAME}")
    if not rule.resource_name:
        raise _invalid("Invalid empty resource name")
    _check_word("resourceType", ResourceType, rule.resource_type)
    if rule.pattern_type not in (PatternType.LITERAL, PatternType.PREFIXED):
        raise _invalid(f"Invalid patternType {_word(PatternType, rule.pattern_type)}")
    _check_word("operation", Operation, rule.operation)
    _check_word("permissionType", Permission, rule.permission)
    check_principal(rule.principal)


def check_filter(wanted: RuleFilter) -> None:
    """Whether a filter can be understood. Raises ApiError INVALID_REQUEST, worded as Apache Kafka does."""
    if "UNKNOWN" in (_word(ResourceType, wanted.resource_type), _word(PatternType, wanted.pattern_type)):
        raise _invalid("Unknown patternFilter.")
    if "UNKNOWN" in (_word(Operation, wanted.operation), _word(Permission, wanted.permission)):
        raise _invalid("Unknown entryFilter.")


def check_principal(principal: str) -> None:
    """A principal is written `type:name`. Raises ApiError INVALID_REQUEST."""
    if ":" not in principal:
        raise _invalid(
            f"Could not parse principal from `{principal}` (no colon is present separating the principal type from the"
            " principal name)"
        )


def _check_word(what: str, words: type[IntEnum], number: int) -> None:
    word = _word(words, number)
    if word in ("UNKNOWN", "ANY"):
        raise _invalid(f"Invalid {what} {word}")


def _word(words: type[IntEnum], number: int) -> str:
    """What a number stands for; UNKNOWN if nothing."""
    try:
        return words(number).name
    except ValueError:
        return "UNKNOWN"


def _invalid(message: str) -> ApiError:
    return ApiError(ErrorCode.INVALID_REQUEST, message)
