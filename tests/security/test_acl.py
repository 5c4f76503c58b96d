"""Who may do what: rules, and the decisions that follow from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.security.acl import AccessControl, Who
from tidings.security.rules import (
    ANONYMOUS,
    EVERYBODY,
    Operation,
    PatternType,
    Permission,
    ResourceType,
    Rule,
    RuleFilter,
    check_rule,
)
from tidings.wire.error_codes import ApiError

WHO = Who(ANONYMOUS, "127.0.0.1")


def rule(
    permission: Permission,
    operation: Operation,
    name: str = "orders",
    *,
    prefixed: bool = False,
    principal: str = ANONYMOUS,
    host: str = "*",
) -> Rule:
    pattern = PatternType.PREFIXED if prefixed else PatternType.LITERAL
    return Rule(ResourceType.TOPIC, name, pattern, principal, host, operation, permission)


def access(*rules: Rule, allows_by_default: bool = True, superusers: tuple[str, ...] = ()) -> AccessControl:
    made = AccessControl(superusers=superusers, allows_by_default=allows_by_default)
    for number, each in enumerate(rules):
        made.add(number.to_bytes(16, "big"), each)
    return made


def may(made: AccessControl, operation: Operation, name: str = "orders", who: Who = WHO) -> bool:
    return made.allows(who, operation, ResourceType.TOPIC, name)


ALLOW, DENY = Permission.ALLOW, Permission.DENY
READ, WRITE, DESCRIBE = Operation.READ, Operation.WRITE, Operation.DESCRIBE


def test_without_rules_everybody_may_unless_the_operator_says_otherwise() -> None:
    assert may(access(), READ)
    assert not may(access(allows_by_default=False), READ)
    assert may(access(allows_by_default=False, superusers=(ANONYMOUS,)), READ)


def test_rule_about_a_resource_keeps_out_all_that_it_does_not_let_in() -> None:
    made = access(rule(ALLOW, READ))
    assert may(made, READ)
    assert not may(made, WRITE)
    assert may(made, WRITE, "shipments")  # there is no rule about those


def test_denial_wins() -> None:
    made = access(rule(ALLOW, Operation.ALL, "*"), rule(DENY, WRITE, "ord", prefixed=True))
    assert may(made, READ)
    assert not may(made, WRITE)
    assert may(made, WRITE, "shipments")


def test_permission_to_read_is_permission_to_describe_and_a_ban_on_reading_is_no_ban_on_describing() -> None:
    assert may(access(rule(ALLOW, READ)), DESCRIBE)
    assert not may(access(rule(ALLOW, DESCRIBE)), READ)
    assert may(access(rule(ALLOW, DESCRIBE), rule(DENY, READ)), DESCRIBE)


def test_rules_name_principals_and_hosts() -> None:
    made = access(rule(ALLOW, READ, principal="User:ada"), rule(ALLOW, READ, principal=EVERYBODY, host="10.0.0.1"))
    assert not may(made, READ)
    assert may(made, READ, who=Who("User:ada", "127.0.0.1"))
    assert may(made, READ, who=Who(ANONYMOUS, "10.0.0.1"))


def test_rule_that_is_taken_back_counts_no_more() -> None:
    made = access(rule(DENY, READ, "ord", prefixed=True))
    assert not may(made, READ)
    ((rule_id, _),) = made.find(RuleFilter(resource_name="orders", pattern_type=PatternType.MATCH))
    made.remove(rule_id)
    assert may(made, READ)
    assert made.is_open


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (rule(ALLOW, READ)._replace(resource_type=ResourceType.CLUSTER), "kafka-cluster"),
        (rule(ALLOW, READ, ""), "empty resource name"),
        (rule(ALLOW, READ)._replace(pattern_type=PatternType.MATCH), "patternType MATCH"),
        (rule(ALLOW, Operation.ANY), "operation ANY"),
        (rule(Permission.UNKNOWN, READ), "permissionType UNKNOWN"),
        (rule(ALLOW, READ)._replace(resource_type=99), "resourceType UNKNOWN"),
        (rule(ALLOW, READ, principal="ada"), "no colon"),
    ],
)
def test_rule_that_makes_no_sense_is_refused(wrong: Rule, message: str) -> None:
    with pytest.raises(ApiError, match=message):
        check_rule(wrong)


names = st.sampled_from(["*", "a", "ab", "abc", "b"])
some_rules = st.lists(
    st.builds(
        rule,
        st.sampled_from([ALLOW, DENY]),
        st.sampled_from([READ, WRITE, DESCRIBE, Operation.ALL]),
        names,
        prefixed=st.booleans(),
        principal=st.sampled_from([ANONYMOUS, EVERYBODY, "User:ada"]),
    ),
    max_size=6,
    unique=True,
)


def naively(rules: list[Rule], operation: Operation, name: str) -> bool:
    """The words of the specification, one rule after the other."""
    about = [
        each
        for each in rules
        if (name.startswith(each.resource_name) if each.pattern_type == PatternType.PREFIXED else False)
        or (each.pattern_type == PatternType.LITERAL and each.resource_name in (name, "*"))
    ]
    if not about:
        return True
    mine = [each for each in about if each.principal in (ANONYMOUS, EVERYBODY)]
    implying = {operation, Operation.ALL} | ({READ, WRITE} if operation == DESCRIBE else set())
    if any(each.permission == DENY and each.operation in (operation, Operation.ALL) for each in mine):
        return False
    return any(each.permission == ALLOW and each.operation in implying for each in mine)


@given(some_rules, st.sampled_from([READ, WRITE, DESCRIBE]), names.filter(lambda name: name != "*"))
def test_decisions_are_those_of_the_specification(rules: list[Rule], operation: Operation, name: str) -> None:
    assert may(access(*rules), operation, name) == naively(rules, operation, name)


@given(some_rules, st.sampled_from([READ, WRITE]))
def test_who_may_do_something_somewhere_is_told_so(rules: list[Rule], operation: Operation) -> None:
    made = access(*rules, allows_by_default=False)
    known = ["a", "ab", "abc", "b", "hardcode", "zz"]
    if any(may(made, operation, name) for name in known):
        assert made.allows_some(WHO, operation, ResourceType.TOPIC)
