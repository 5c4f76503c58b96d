"""Decides who may do what, as Apache Kafka's StandardAuthorizer does.

- A superuser may do everything.
- Of the rules that concern a resource (its very name, a prefix of it, or `*`), the principal and the host, one that
  denies the operation decides; else one that allows it.
- Reading, writing, deleting or altering implies describing; altering settings implies describing them. Only for rules
  that allow: whoever may not read may still describe.
- If rules concern the resource but none applies, the answer is no. If there is no rule about it, `allows_by_default`
  decides (Kafka's `allow.everyone.if.no.acl.found`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from tidings.security.rules import (
    EVERYBODY,
    OPERATIONS_OF,
    WILDCARD,
    Operation,
    PatternType,
    Permission,
    ResourceType,
    Rule,
    RuleFilter,
)

_IMPLIED_BY: dict[int, frozenset[Operation]] = {
    Operation.DESCRIBE: frozenset({Operation.READ, Operation.WRITE, Operation.DELETE, Operation.ALTER}),
    Operation.DESCRIBE_CONFIGS: frozenset({Operation.ALTER_CONFIGS}),
}
_ANY_NAME = "hardcode"
"""A name nobody uses: whoever may do something to it may do it in general. (It is Apache Kafka's.)"""


class Who(NamedTuple):
    principal: str
    host: str


class AccessControl:
    """The rules, by the id under which each is kept."""

    def __init__(self, *, superusers: Collection[str] = (), allows_by_default: bool = True) -> None:
        self._superusers = frozenset(superusers)
        self._allows_by_default = allows_by_default
        self._rules: dict[bytes, Rule] = {}
        self._ids: dict[Rule, bytes] = {}
        self._by_name: dict[tuple[int, str], dict[Rule, None]] = {}
        self._by_prefix: dict[tuple[int, str], dict[Rule, None]] = {}
        self._prefix_chars: dict[int, dict[int, int]] = {}
        """By type of resource, how long its prefixes are, and how many there are of each length."""
        self.is_open = allows_by_default
        """Nothing is forbidden to anybody, so there is nothing to ask."""

    def __len__(self) -> int:
        return len(self._rules)

    def __contains__(self, rule: Rule) -> bool:
        return rule in self._ids

    # Rules.

    def add(self, rule_id: bytes, rule: Rule) -> None:
        self._rules[rule_id] = rule
        self._ids[rule] = rule_id
        of = rule.resource_type, rule.resource_name
        if rule.pattern_type == PatternType.PREFIXED:
            if of not in self._by_prefix:
                lengths = self._prefix_chars.setdefault(rule.resource_type, {})
                lengths[len(rule.resource_name)] = lengths.get(len(rule.resource_name), 0) + 1
            self._by_prefix.setdefault(of, {})[rule] = None
        else:
            self._by_name.setdefault(of, {})[rule] = None
        self.is_open = False

    def remove(self, rule_id: bytes) -> None:
        rule = self._rules.pop(rule_id)
        del self._ids[rule]
        of = rule.resource_type, rule.resource_name
        is_prefix = rule.pattern_type == PatternType.PREFIXED
        index = self._by_prefix if is_prefix else self._by_name
        del index[of][rule]
        if not index[of]:
            del index[of]
            if is_prefix:
                self._forget_prefix(rule)
        self.is_open = self._allows_by_default and not self._rules

    def find(self, wanted: RuleFilter) -> list[tuple[bytes, Rule]]:
        """Ids and rules, in the order in which they were made."""
        return [(rule_id, rule) for rule_id, rule in self._rules.items() if wanted.matches(rule)]

    def _forget_prefix(self, rule: Rule) -> None:
        lengths = self._prefix_chars[rule.resource_type]
        lengths[len(rule.resource_name)] -= 1
        if not lengths[len(rule.resource_name)]:
            del lengths[len(rule.resource_name)]

    # Decisions.

    def allows(self, who: Who, operation: Operation, resource_type: ResourceType, name: str) -> bool:
        """Whether `who` may do `operation` to the resource called `name`."""
        if self.is_open or who.principal in self._superusers:
            return True
        is_concerned = is_allowed = False
        for rule in self._about(resource_type, name):
            is_concerned = True
            if _applies(rule, who, operation):
                if rule.permission == Permission.DENY:
                    return False
                is_allowed = True
        return is_allowed if is_concerned else self._allows_by_default

    def allows_some(self, who: Who, operation: Operation, resource_type: ResourceType) -> bool:
        """Whether `who` may do `operation` to any resource of this type there could be (KIP-679)."""
        if self.allows(who, operation, resource_type, _ANY_NAME):
            return True
        allowed: list[Rule] = []
        denied: set[tuple[int, str]] = set()
        for rule in self._rules.values():
            if rule.resource_type == resource_type and _is_about(rule, who, operation):
                if rule.permission == Permission.ALLOW:
                    allowed.append(rule)
                else:
                    denied.add((rule.pattern_type, rule.resource_name))
        if (PatternType.LITERAL, WILDCARD) in denied:
            return False
        return any(not _is_dominated(rule, denied) for rule in allowed)

    def operations(self, who: Who, resource_type: ResourceType, name: str) -> int:
        """What `who` may do to a resource, as bits: 1 << operation."""
        return bits(
            operation for operation in OPERATIONS_OF[resource_type] if self.allows(who, operation, resource_type, name)
        )

    def _about(self, resource_type: int, name: str) -> Iterator[Rule]:
        """The rules that concern a resource, whoever they are about."""
        yield from self._by_name.get((resource_type, name), ())
        if name != WILDCARD:
            yield from self._by_name.get((resource_type, WILDCARD), ())
        for chars in self._prefix_chars.get(resource_type, ()):
            if chars <= len(name):
                yield from self._by_prefix.get((resource_type, name[:chars]), ())


def bits(operations: Iterator[Operation] | Collection[Operation]) -> int:
    return sum(1 << operation for operation in operations)


def _applies(rule: Rule, who: Who, operation: Operation) -> bool:
    if not (rule.principal in (who.principal, EVERYBODY) and rule.host in (who.host, WILDCARD)):
        return False
    if rule.operation in (operation, Operation.ALL):
        return True
    return rule.permission == Permission.ALLOW and rule.operation in _IMPLIED_BY.get(operation, ())


def _is_about(rule: Rule, who: Who, operation: Operation) -> bool:
    """As `_applies`, without what is implied."""
    return (
        rule.principal in (who.principal, EVERYBODY)
        and rule.host in (who.host, WILDCARD)
        and rule.operation in (operation, Operation.ALL)
    )


def _is_dominated(rule: Rule, denied: Collection[tuple[int, str]]) -> bool:
    """Whether all that `rule` allows is denied by others."""
    name = rule.resource_name
    if rule.pattern_type == PatternType.LITERAL:
        if name == WILDCARD:
            return False
        if (PatternType.LITERAL, name) in denied:
            return True
    return any((PatternType.PREFIXED, name[:chars]) in denied for chars in range(1, len(name) + 1))
