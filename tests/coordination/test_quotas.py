"""Quotas: which one holds, who shares it, how long one waits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.coordination.quotas.filters import Component, Match, chosen
from tidings.coordination.quotas.limits import QuotaLimits
from tidings.coordination.quotas.rules import Entity, QuotaKey, check_key, check_value, entity
from tidings.coordination.quotas.usage import BURST_S, DEBTORS_MAX, QuotaUsage
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.metadata_records import ClientQuotaRecord, EntityData

KEY = QuotaKey.PRODUCER_BYTE_RATE
BY_PRECEDENCE: list[Entity] = [
    (("client-id", "app"), ("user", "ann")),
    (("client-id", None), ("user", "ann")),
    (("user", "ann"),),
    (("client-id", "app"), ("user", None)),
    (("client-id", None), ("user", None)),
    (("user", None),),
    (("client-id", "app"),),
    (("client-id", None),),
]


def record(of: Entity, value: float | None, key: str = KEY) -> ClientQuotaRecord:
    parts = [EntityData(entity_type=kind, entity_name=name) for kind, name in of]
    return ClientQuotaRecord(entity=parts, key=key, value=value or 0.0, remove=value is None)


def limits(**values: float) -> QuotaLimits:
    """By client id; `everybody` is the default."""
    found = QuotaLimits()
    for name, value in values.items():
        found.replay(record((("client-id", None if name == "everybody" else name),), value))
    return found


def test_the_more_specific_quota_holds() -> None:
    found = QuotaLimits()
    for rank, of in enumerate(BY_PRECEDENCE, 1):
        found.replay(record(of, rank))
    for rank, of in enumerate(BY_PRECEDENCE, 1):
        limit = found.limit(KEY, "ann", "app")
        assert limit is not None
        assert limit.rate == rank
        found.replay(record(of, None))
    assert found.limit(KEY, "ann", "app") is None
    assert not found


def test_a_quota_says_who_shares_it() -> None:
    found = QuotaLimits()
    found.replay(record((("client-id", None),), 1))
    assert [getattr(found.limit(KEY, "ann", name), "shared_by", None) for name in ("a", "b")] == [
        (("client-id", "a"),),
        (("client-id", "b"),),
    ]
    found.replay(record((("user", None),), 1))
    assert {getattr(found.limit(KEY, "ann", name), "shared_by", None) for name in ("a", "b")} == {(("user", "ann"),)}


def test_a_burst_is_free_and_what_is_beyond_it_is_waited_for() -> None:
    usage = QuotaUsage(limits(app=1000))
    assert usage.spend(KEY, "", "app", BURST_S * 1000, 0) == 0
    assert usage.spend(KEY, "", "app", 500, 0) == 500
    assert usage.spend(KEY, "", "app", 0, 500) == 0
    assert usage.spend(KEY, "", "other", 10**9, 0) == 0
    assert usage.spend(QuotaKey.CONSUMER_BYTE_RATE, "", "app", 10**9, 0) == 0


@given(
    rate=st.integers(1, 10**6),
    steps=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 5000)), min_size=1, max_size=50),
)
def test_who_waits_as_told_never_gets_more_than_the_quota_and_the_burst(
    rate: int, steps: list[tuple[int, int]]
) -> None:
    usage = QuotaUsage(limits(app=rate))
    now_ms = spent = last = 0
    for amount, pause_ms in steps:
        now_ms += usage.spend(KEY, "", "app", amount, now_ms) + pause_ms
        spent, last = spent + amount, amount
        assert spent - last <= rate * (now_ms / 1000 + BURST_S) + 1
        assert spent <= rate * (now_ms / 1000 + BURST_S) + 1


def test_a_changed_quota_holds_at_once_and_debts_stay() -> None:
    found = limits(app=100)
    usage = QuotaUsage(found)
    assert usage.spend(KEY, "", "app", 2000, 0) == 10_000
    found.replay(record((("client-id", "app"),), 1000))
    assert usage.spend(KEY, "", "app", 0, 0) == 0
    assert usage.amount_max(KEY, "", "app") == 10_000
    assert usage.amount_max(KEY, "", "other") == math.inf


def test_clients_that_come_and_go_are_forgotten() -> None:
    usage = QuotaUsage(limits(everybody=1000))
    for number in range(DEBTORS_MAX + 10):
        usage.spend(KEY, "", f"app-{number}", 1, number * 10)
    assert len(usage._debts) < DEBTORS_MAX


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [("group", "g")],
        [("user", "")],
        [("user", "a"), ("user", "b")],
        [("ip", "127.0.0.1"), ("user", "a")],
        [("ip", "nowhere at all")],
    ],
)
def test_what_is_no_entity_is_refused(parts: list[tuple[str, str | None]]) -> None:
    with pytest.raises(ApiError) as refused:
        entity(parts)
    assert refused.value.code == ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("user", "no_such_rate", 1.0),
        ("user", "connection_creation_rate", 1.0),
        ("ip", "producer_byte_rate", 1.0),
        ("user", "producer_byte_rate", 0.0),
        ("user", "producer_byte_rate", 1.5),
        ("user", "request_percentage", float("nan")),
    ],
)
def test_what_is_no_quota_of_an_entity_is_refused(kind: str, key: str, value: float) -> None:
    def check() -> None:
        check_key(entity([(kind, None)]), key)
        check_value(key, value)

    with pytest.raises(ApiError):
        check()


@pytest.mark.parametrize(
    ("components", "strict", "expected"),
    [
        ([], False, 8),
        ([], True, 0),
        ([Component("user", Match.ANY, None)], False, 6),
        ([Component("user", Match.ANY, None)], True, 2),
        ([Component("user", Match.EXACT, "ann")], False, 3),
        ([Component("user", Match.DEFAULT, None), Component("client-id", Match.EXACT, "app")], True, 1),
        ([Component("ip", Match.ANY, None)], False, 0),
    ],
)
def test_a_filter_chooses(components: list[Component], strict: bool, expected: int) -> None:
    assert len(list(chosen(BY_PRECEDENCE, components, strict=strict))) == expected


@pytest.mark.parametrize(
    "components",
    [
        [Component("", Match.ANY, None)],
        [Component("user", Match.ANY, None), Component("user", Match.DEFAULT, None)],
        [Component("team", Match.ANY, None)],
        [Component("user", 9, None)],
        [Component("user", Match.EXACT, None)],
        [Component("user", Match.DEFAULT, "ann")],
        [Component("user", Match.ANY, None), Component("ip", Match.ANY, None)],
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(components: list[Component]) -> None:
    with pytest.raises(ApiError):
        list(chosen(BY_PRECEDENCE, components, strict=False))
