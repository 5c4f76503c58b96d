"""A service's own state: changed by its handlers with what they emit, or not at all; and found again elsewhere."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pydantic
import pytest

from tidings import Batch, Faults, Retry, Service, World, event
from tidings.errors import DeclarationError, OperatorError
from tidings.service.clock import Clock, ManualClock
from tidings.service.connection import OpenTransport
from tidings.service.tables.state import State
from tidings.service.tables.table import NotHereError
from tidings.service.transports.base import Outgoing, StreamSpec, Transport
from tidings.service.transports.memory import MemoryBroker

WAIT_S = 30


@event("st-payments", key="account")
class Paid(msgspec.Struct, frozen=True):
    account: str
    amount: int
    n: int = 0


@event("st-closings", key="account")
class Closed(msgspec.Struct, frozen=True):
    account: str


@event("st-balances", key="account")
class Balanced(msgspec.Struct, frozen=True):
    account: str
    amount: int


class Account(msgspec.Struct, frozen=True):
    amount: int = 0
    payments: int = 0


class Bank:
    """A service that adds up what is paid, and says so."""

    def __init__(self, name: str = "bank", *, standby: bool = False, **options: Any) -> None:
        self.service = Service(name, **options)
        self.accounts = self.service.state(Account, standby=standby)
        self.failures = 0
        self.handled: list[Paid] = []

        @self.service.on(retry=Retry(3, backoff="1ms"))
        async def add(paid: Paid) -> Balanced:
            before = self.accounts.get(paid.account, Account())
            account = self.accounts[paid.account] = Account(before.amount + paid.amount, before.payments + 1)
            assert self.accounts[paid.account] == account
            if self.failures:
                self.failures -= 1
                raise ConnectionError
            self.handled.append(paid)
            return Balanced(paid.account, account.amount)

        @self.service.on
        async def close(closed: Closed) -> None:
            del self.accounts[closed.account]


def recomputed(broker: MemoryBroker) -> dict[str, Account]:
    """What the accounts should be, by what was paid."""
    found: dict[str, Account] = {}
    for record in broker.records("st-payments"):
        paid = msgspec.json.decode(record.value or b"", type=Paid)
        before = found.get(paid.account, Account())
        found[paid.account] = Account(before.amount + paid.amount, before.payments + 1)
    return found


def in_changelog(broker: MemoryBroker, stream: str = "bank.Account.changelog") -> dict[str, Account]:
    """The same by the changelog."""
    found: dict[str, Account] = {}
    for record in broker.records(stream):
        key = (record.key or b"").decode()
        found.pop(key, None)
        if record.value is not None:
            found[key] = msgspec.json.decode(record.value, type=Account)
    return found


# One handler.


async def test_handler_reads_what_it_and_those_before_it_have_written() -> None:
    bank = Bank()
    async with World(bank.service, seed=1) as world:
        for n in range(20):
            world.emit(Paid("a", n))
        await world.settled()
        assert bank.accounts["a"] == Account(sum(range(20)), 20)
        assert [one.amount for one in world.emitted(Balanced)] == [sum(range(n + 1)) for n in range(20)]
        assert in_changelog(world.broker) == recomputed(world.broker) == dict(bank.accounts.items())


async def test_attempt_that_fails_leaves_nothing() -> None:
    bank = Bank()
    bank.failures = 2
    async with World(bank.service, seed=1) as world:
        run = await world.emit(Paid("a", 5)).settled()
        assert run.dead == []
        assert bank.accounts["a"] == Account(5, 1)
        assert len(world.broker.records("bank.Account.changelog")) == 1


async def test_handler_that_gives_up_leaves_the_row_as_it_was() -> None:
    bank = Bank()
    async with World(bank.service, seed=1) as world:
        await world.emit(Paid("a", 5)).settled()
        bank.failures = 3
        run = await world.emit(Paid("a", 7)).settled()
        assert [letter.error for letter in run.dead] == ["ConnectionError"]
        await world.emit(Paid("b", 1)).settled()
        assert dict(bank.accounts.items()) == {"a": Account(5, 1), "b": Account(1, 1)}


@event("st-letters", key="account")
class Letter(msgspec.Struct, frozen=True):
    account: str
    text: str


@pytest.mark.parametrize("seed", range(8))
async def test_letters_that_are_tried_again_find_their_rows(seed: int) -> None:
    bank = Bank()
    faults = Faults(crash=0.04, duplicate=0.1, rebalance=0.05)
    async with World(bank.service, seed=seed, faults=faults) as world:
        for n in range(20):
            world.emit(Paid(f"a-{n % 4}", n))
        await world.settled()
        bank.failures = 12
        for n in range(20, 40):
            world.emit(Paid(f"a-{n % 4}", n))
        await world.settled()
        await world.crash(bank.service)
        world.redrive(bank.service)
        await world.start(bank.service)
        await world.settled()
        assert dict(bank.accounts.items()) == in_changelog(world.broker) == recomputed(world.broker)


async def test_change_goes_with_the_events_that_the_broker_refuses() -> None:
    bank = Service("bank")
    accounts = bank.state(Account)

    @bank.on
    async def write(paid: Paid) -> Letter:
        before = accounts.get(paid.account, Account())
        accounts[paid.account] = Account(before.amount + paid.amount, before.payments + 1)
        return Letter(paid.account, "x" * paid.n)

    async with World(bank, seed=1) as world:
        await world.emit(Paid("a", 1)).settled()
        run = await world.emit(Paid("a", 10, 2_000_000)).settled()
        assert [letter.reason for letter in run.dead] == ["refused"]
        assert accounts["a"] == Account(1, 1)
        assert not accounts.is_pending
        assert in_changelog(world.broker) == dict(accounts.items())


async def test_row_is_removed_and_can_come_back() -> None:
    bank = Bank()
    async with World(bank.service, seed=1) as world:
        await world.emit(Paid("a", 5)).settled()
        await world.emit(Closed("a")).settled()
        assert "a" not in bank.accounts
        assert in_changelog(world.broker) == {}
        run = await world.emit(Closed("a")).settled()
        assert [letter.error for letter in run.dead] == ["KeyError"]
        await world.emit(Paid("a", 3)).settled()
        assert dict(bank.accounts.items()) == {"a": Account(3, 1)}


async def test_change_tells_its_cause_and_is_no_event_of_the_workflow() -> None:
    bank = Bank()
    async with World(bank.service, seed=1) as world:
        run = await world.emit(Paid("a", 5)).settled()
        (change,) = world.broker.records("bank.Account.changelog")
        told = dict(change.headers or ())
        assert told["change_cause"] == run.records[0].id.encode()
        assert told["change_type"] == b"Account"
        assert run.path == [Paid, Balanced]
        assert len(run.trace()) == 2


async def test_only_the_key_in_hand_is_changed() -> None:
    bank = Service("bank")
    accounts = bank.state(Account)

    @bank.on
    async def transfer(paid: Paid) -> None:
        accounts["another"] = Account(1)

    async with World(bank, seed=1) as world:
        run = await world.emit(Paid("a", 5)).settled()
        (letter,) = run.dead
        assert "handles a record with key 'a'" in letter.message
        assert "Emit an event with that key" in letter.message
        assert letter.attempts == 1


async def test_only_rows_of_its_type_and_only_handlers_change_it() -> None:
    bank, other = Service("bank"), Service("other")
    accounts = bank.state(Account)

    @other.on
    async def meddle(paid: Paid) -> None:
        accounts[paid.account] = Account(1)

    @bank.on
    async def wrong(paid: Paid) -> None:
        accounts[paid.account] = paid  # type: ignore[assignment]

    with pytest.raises(DeclarationError, match="changed by the handlers of bank, and nobody else"):
        accounts["a"] = Account(1)
    async with World(bank, other, seed=1) as world:
        run = await world.emit(Paid("a", 5)).settled()
        assert {letter.service: letter.message for letter in run.dead} == {
            "bank": "<state Account of bank> holds Account, not Paid",
            "other": "<state Account of bank> is changed by the handlers of bank, and nobody else",
        }


async def test_key_that_its_producer_put_into_another_partition_is_refused() -> None:
    bank = Bank()
    async with World(bank.service, seed=1) as world:
        stream = world.broker.create("st-payments", 6)
        stream.choose = lambda key: 0  # type: ignore[method-assign]
        keys = [f"k{n}" for n in range(12)]
        for key in keys:
            world.emit(Paid(key, 1))
        run = await world.settled()
        assert 0 < len(run.dead) < 12
        assert all("as Java's client does" in letter.message for letter in run.dead)
        assert len(bank.accounts) == 12 - len(run.dead)


async def test_sync_handlers_keep_state_too() -> None:
    bank = Service("bank")
    accounts = bank.state(Account)

    @bank.on
    def add(paid: Paid) -> None:
        accounts[paid.account] = Account(accounts.get(paid.account, Account()).amount + paid.amount)

    async with World(bank, seed=1) as world:
        for n in range(10):
            world.emit(Paid("a", n))
        await world.settled()
        assert accounts["a"].amount == 45


async def test_two_handlers_of_one_record_see_each_others_changes() -> None:
    bank = Service("bank")
    accounts = bank.state(Account)

    @bank.on
    async def first(paid: Paid) -> None:
        accounts[paid.account] = Account(paid.amount)

    @bank.on
    async def second(paid: Paid) -> None:
        accounts[paid.account] = Account(accounts[paid.account].amount * 2)

    async with World(bank, seed=1) as world:
        await world.emit(Paid("a", 4)).settled()
        assert accounts["a"] == Account(8)


async def test_handlers_that_ask_for_less_keep_state_as_well() -> None:
    bank = Bank(delivery="at_least_once")
    async with World(bank.service, seed=1) as world:
        for n in range(20):
            world.emit(Paid(f"a-{n % 3}", n))
        await world.settled()
        assert dict(bank.accounts.items()) == recomputed(world.broker)


@pytest.mark.parametrize("seed", range(5))
async def test_events_of_one_key_in_a_batch_find_what_those_before_them_have_changed(seed: int) -> None:
    bank = Service("bank")
    accounts = bank.state(Account)
    failures = [ConnectionError()] * 2

    @bank.on(batch=50, linger="10ms")
    async def add(payments: Batch[Paid]) -> None:
        for paid in payments:
            before = accounts.get(paid.account, Account())
            accounts[paid.account] = Account(before.amount + paid.amount, before.payments + 1)
        if failures:
            raise failures.pop()

    async with World(bank, seed=seed, faults=Faults(crash=0.03, duplicate=0.1)) as world:
        for n in range(60):
            world.emit(Paid(f"a-{n % 3}", n))
        await world.settled()
        assert dict(accounts.items()) == in_changelog(world.broker) == recomputed(world.broker)


async def test_handlers_that_keep_no_order_keep_no_state() -> None:
    bank = Service("bank")
    accounts = bank.state(Account)

    @bank.on(ordered=False)
    async def add(paid: Paid) -> None:
        accounts[paid.account] = Account(paid.amount)

    async with World(bank, seed=1) as world:
        run = await world.emit(Paid("a", 1)).settled()
        assert "keeps no order" in run.dead[0].message


# Declaring.


@dataclass
class Cart:
    items: list[str]


class Profile(pydantic.BaseModel):
    name: str


async def test_rows_are_of_any_type_that_events_are_of() -> None:
    shop = Service("shop")
    carts, profiles = shop.state(Cart), shop.state(Profile, name="profiles", indexes=["name"])

    @shop.on
    async def fill(paid: Paid) -> None:
        cart = carts.get(paid.account) or Cart([])
        cart.items.append(str(paid.n))
        carts[paid.account] = cart
        profiles[paid.account] = Profile(name=f"{paid.account} {paid.n}")

    async with World(shop, seed=1) as world:
        for n in range(3):
            world.emit(Paid("a", 1, n))
        await world.settled()
        assert carts["a"] == Cart(["0", "1", "2"])
        assert list(profiles.where(name="a 2")) == [Profile(name="a 2")]
        assert profiles.sql("SELECT name, _key FROM profiles")[0]["_key"] == "a"


def test_state_is_declared_once_and_injected_by_its_type() -> None:
    bank = Service("bank")
    accounts = bank.state(Account)
    assert bank.state(Account) is accounts
    assert bank.state(Account, name="savings") is not accounts
    with pytest.raises(DeclarationError, match="state Account otherwise"):
        bank.state(Account, standby=True)
    with pytest.raises(DeclarationError, match="state Account otherwise"):
        bank.state(Cart, name="Account")
    with pytest.raises(DeclarationError, match="cannot name a stream"):
        bank.state(Cart, name="a b")
    with pytest.raises(DeclarationError, match="is not a msgspec"):
        bank.state(int)
    assert {"stream": "bank.Account.changelog", "type": "Account"}.items() <= bank.describe().keeps[0].items()

    shop = Service("shop")
    given: list[State[Cart]] = []

    @shop.on
    async def fill(paid: Paid, carts: State[Cart]) -> None:
        given.append(carts)

    assert shop.handlers[0].injected["carts"](None) is shop.state(Cart)  # type: ignore[arg-type]


async def test_state_without_handlers_goes_with_no_partitions(memory: MemoryBroker) -> None:
    bank = Service("bank", transport=memory.transport)
    bank.state(Account)
    with pytest.raises(DeclarationError, match="there are no handlers"):
        await bank.start()


async def test_streams_that_differ_in_partitions_are_refused_at_the_start(memory: MemoryBroker) -> None:
    memory.create("st-payments", 3)
    bank = Bank(transport=memory.transport)
    with pytest.raises(OperatorError, match="st-closings has 6, st-payments has 3"):
        await bank.service.start()
    memory.create("st-closings", 3)
    memory.create("bank.Account.changelog", 4)
    with pytest.raises(OperatorError, match=r"bank\.Account\.changelog has 4 partitions"):
        await bank.service.start()


async def test_changelog_is_compacted_and_has_the_partitions_of_what_is_read(memory: MemoryBroker) -> None:
    made: list[StreamSpec] = []

    class Noting:
        def __init__(self) -> None:
            self._inner = memory.transport()

        async def ensure_streams(self, streams: list[StreamSpec]) -> None:
            made.extend(streams)
            await self._inner.ensure_streams(streams)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

    memory.create("st-payments", 3)
    memory.create("st-closings", 3)
    async with Bank(transport=Noting).service:
        (spec,) = [one for one in made if one.name == "bank.Account.changelog"]
    assert spec.partitions == 3
    assert spec.configs["cleanup.policy"] == "compact"


# Crashes.


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_happens_the_state_is_what_the_events_say(seed: int) -> None:
    bank = Bank()
    faults = Faults(crash=0.04, duplicate=0.1, delay=0.05, rebalance=0.03)
    async with World(bank.service, seed=seed, faults=faults) as world:
        for n in range(60):
            world.emit(Paid(f"a-{n % 7}", n, n))
            if n % 20 == 19:
                await world.wait(0.5)
                changes = {record[1:3] for record in world.broker.records("bank.Account.changelog")}
                rows = bank.accounts.sql("SELECT partition, offset FROM rows")
                assert {tuple(row) for row in rows} <= changes  # the file is never ahead of what is committed
        await world.settled()
        expected = recomputed(world.broker)
        assert in_changelog(world.broker) == expected
        assert dict(bank.accounts.items()) == expected
        assert {key: bank.accounts[key] for key in expected} == expected


@event("st-refunds", key="account")
class Refunded(msgspec.Struct, frozen=True):
    account: str
    amount: int


@pytest.mark.parametrize("seed", range(15))
async def test_state_that_several_streams_change_is_what_they_say_together(seed: int) -> None:
    bank = Service("bank")
    accounts = bank.state(Account)

    @bank.on
    async def add(paid: Paid | Refunded) -> None:
        before = accounts.get(paid.account, Account())
        await asyncio.sleep(0.001)  # whoever is at the same key waits, whatever stream its record is in
        amount = paid.amount if isinstance(paid, Paid) else -paid.amount
        accounts[paid.account] = Account(before.amount + amount, before.payments + 1)

    async with World(bank, seed=seed, faults=Faults(crash=0.04, duplicate=0.1, rebalance=0.03)) as world:
        for n in range(60):
            world.emit(Paid(f"a-{n % 7}", n))
            world.emit(Refunded(f"a-{n % 5}", n))
            if n % 20 == 19:
                await world.wait(0.5)
        await world.settled()
        expected = {
            f"a-{a}": Account(
                sum(range(a, 60, 7)) - sum(range(a, 60, 5) if a < 5 else ()),
                len(range(a, 60, 7)) + len(range(a, 60, 5) if a < 5 else ()),
            )
            for a in range(7)
        }
        assert dict(accounts.items()) == in_changelog(world.broker) == expected


@pytest.mark.parametrize("seed", range(6))
async def test_standby_state_is_what_the_events_say_too(seed: int) -> None:
    bank = Bank(standby=True)
    async with World(bank.service, seed=seed, faults=Faults(crash=0.04, duplicate=0.1, rebalance=0.05)) as world:
        for n in range(40):
            world.emit(Paid(f"a-{n % 5}", n, n))
        await world.settled()
        assert dict(bank.accounts.items()) == recomputed(world.broker)


# Over restarts, and elsewhere.


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)


def make(unique: str, open_transport: OpenTransport, clock: Clock | None = None) -> Any:
    """Events and services of one test, apart from those of others on the same broker."""

    @event(f"st-{unique}", key="account")
    class Payment(msgspec.Struct, frozen=True):
        account: str
        n: int

    made: Any = Payment

    class Counting:
        payment = made

        def __init__(self, *, standby: bool = False) -> None:
            Payment: Any = made
            self.service = Service(f"counting-{unique}", transport=open_transport, clock=clock)
            self.totals = self.service.state(Account, standby=standby)
            self.seen: dict[str, list[int]] = defaultdict(list)

            @self.service.on
            async def count(payment: Payment) -> None:
                before = self.totals.get(payment.account, Account())
                self.seen[payment.account].append(payment.n)
                self.totals[payment.account] = Account(before.amount + payment.n, before.payments + 1)

    return Counting


async def emit(outside: Service, payment: Any, numbers: range, accounts: int = 12) -> None:
    await asyncio.gather(*(outside.emit(payment(f"a-{n % accounts}", n)) for n in numbers))


def totals(*processes: Any) -> dict[str, Account]:
    return {key: row for process in processes for key, row in process.totals.items()}


def expected(numbers: range, accounts: int = 12) -> dict[str, Account]:
    mine = {f"a-{account}": [n for n in numbers if n % accounts == account] for account in range(accounts)}
    return {key: Account(sum(ns), len(ns)) for key, ns in mine.items()}


async def test_state_goes_on_after_a_restart_and_is_rebuilt_where_the_file_is_lost(
    unique: str, open_transport: OpenTransport, state_folder: Path
) -> None:
    counting = make(unique, open_transport)
    async with Service(f"outside-{unique}", transport=open_transport) as outside:
        for part, lose_the_file in enumerate([False, False, True]):
            if lose_the_file:
                shutil.rmtree(state_folder)
            process = counting()
            async with process.service:
                await emit(outside, process.payment, range(part * 60, part * 60 + 60))
                numbers = range(part * 60 + 60)
                await eventually(lambda process=process, numbers=numbers: totals(process) == expected(numbers))  # type: ignore[misc]


async def test_state_goes_with_its_partitions_to_a_second_process_and_comes_back(
    unique: str, open_transport: OpenTransport
) -> None:
    counting = make(unique, open_transport)
    first, second = counting(), counting()
    async with Service(f"outside-{unique}", transport=open_transport) as outside, first.service:
        await emit(outside, first.payment, range(120))
        await eventually(lambda: totals(first) == expected(range(120)))
        async with second.service:
            await eventually(lambda: 0 < len(second.totals) < 12 and len(first.totals) + len(second.totals) == 12)
            await emit(outside, first.payment, range(120, 240))
            await eventually(lambda: totals(first, second) == expected(range(240)))
            assert first.totals.positions.keys() == first.totals.complete
            assert first.totals.complete | second.totals.complete == set(range(6))
            elsewhere = next(iter(second.totals))
            assert elsewhere not in list(first.totals)
            with pytest.raises(NotHereError, match="not kept here"):
                first.totals[elsewhere]
        await emit(outside, first.payment, range(240, 300))
        await eventually(lambda: totals(first) == expected(range(300)))


async def test_partitions_of_several_streams_go_together(unique: str, open_transport: OpenTransport) -> None:
    """With the usual way of dealing them, a key's state would be here and half of its events elsewhere."""

    @event(f"in-{unique}", key="account")
    class In(msgspec.Struct, frozen=True):
        account: str

    @event(f"out-{unique}", key="account")
    class Out(msgspec.Struct, frozen=True):
        account: str

    made: Any = In | Out

    class Counting:
        def __init__(self) -> None:
            Either: Any = made
            self.service = Service(f"counting-{unique}", transport=open_transport)
            self.totals = self.service.state(Account)

            @self.service.on
            async def count(one: Either) -> None:
                before = self.totals.get(one.account, Account())
                self.totals[one.account] = Account(payments=before.payments + 1)

    first, second = Counting(), Counting()
    async with Service(f"outside-{unique}", transport=open_transport) as outside, first.service, second.service:
        await eventually(lambda: len(first.totals.complete) == len(second.totals.complete) == 3)
        for _ in range(3):
            for kind in (In, Out):
                await asyncio.gather(*(outside.emit(kind(f"a-{n}")) for n in range(24)))
        await eventually(lambda: totals(first, second) == {f"a-{n}": Account(payments=6) for n in range(24)})


async def test_standby_has_everything_and_takes_over(unique: str, open_transport: OpenTransport) -> None:
    counting = make(unique, open_transport)
    first, second = counting(standby=True), counting(standby=True)
    async with Service(f"outside-{unique}", transport=open_transport) as outside, second.service:
        async with first.service:
            await emit(outside, first.payment, range(120))
            await eventually(lambda: totals(first) == totals(second) == expected(range(120)))
        await emit(outside, first.payment, range(120, 180))
        await eventually(lambda: totals(second) == expected(range(180)))


async def test_transaction_that_is_not_over_is_waited_for_before_its_key_is_handled(
    memory: MemoryBroker,
) -> None:
    """What the last owner wrote last may not show yet, though its position does."""
    counting = make("late", memory.transport)
    first = counting()
    async with Service("outside", transport=memory.transport) as outside:
        async with first.service:
            await outside.emit(first.payment("a", 1))
            await eventually(lambda: totals(first) == {"a": Account(1, 1)})
        changelog = first.totals.declared.stream
        epoch = memory.transactions.init("last-owner")
        transaction = memory.transactions.begin("last-owner", epoch)
        memory.append(Outgoing(changelog, b"a", b'{"amount":100,"payments":2}', []), transaction)
        await outside.emit(first.payment("a", 1))
        second = counting()
        async with second.service:
            for _ in range(200):
                await asyncio.sleep(0)
            assert not second.seen
            memory.transactions.commit(transaction)
            await eventually(lambda: totals(second) == {"a": Account(101, 3)})


async def test_row_of_an_earlier_shape_is_not_taken_for_missing(memory: MemoryBroker) -> None:
    counting = make("shape", memory.transport)
    first = counting()

    class Reshaped(msgspec.Struct, frozen=True):
        amount: int
        currency: str

    later = Service(first.service.name, transport=memory.transport)
    totals_later = later.state(Reshaped, name="Account")
    Payment: Any = counting.payment

    @later.on(retry=Retry(1))
    async def count(payment: Payment) -> None:
        totals_later[payment.account] = totals_later.get(payment.account, Reshaped(0, "CHF"))

    async with Service("outside", transport=memory.transport) as outside:
        async with first.service:
            await outside.emit(first.payment("a", 1))
            await eventually(lambda: totals(first) == {"a": Account(1, 1)})
        async with later:
            await outside.emit(first.payment("a", 1))
            await eventually(lambda: memory.records(f"{later.name}.dead-letters"))
    (letter,) = memory.records(f"{later.name}.dead-letters")
    assert b"not a Reshaped" in (dict(letter.headers or ())["dead_message"] or b"")
    assert in_changelog(memory, first.totals.declared.stream) == {"a": Account(1, 1)}


async def test_file_that_stood_still_for_too_long_is_read_anew(memory: MemoryBroker, clock: ManualClock) -> None:
    """By then the changelog may have forgotten what was removed."""
    counting = make("stale", memory.transport, clock)

    async def run() -> dict[str, Account]:
        process = counting()
        async with process.service:
            await eventually(lambda: len(process.totals.complete) == 6)
            return totals(process)

    async with Service("outside", transport=memory.transport) as outside:
        await outside.emit(counting.payment("a", 1))
        process = counting()
        async with process.service:
            await eventually(lambda: totals(process) == {"a": Account(1, 1)})
            path = process.totals.path
    ghost = sqlite3.connect(path)
    with ghost:
        ghost.execute("INSERT INTO rows SELECT 'ghost', value, partition, 0, NULL, 0 FROM rows WHERE key = 'a'")
    ghost.close()
    assert set(await run()) == {"a", "ghost"}
    clock.advance(6.5 * 86_400)
    assert set(await run()) == {"a"}


# Replicas by partition.


async def test_replica_by_partition_has_the_customers_of_the_orders_that_are_handled_here(
    unique: str, open_transport: OpenTransport
) -> None:
    @event(f"cu-{unique}", key="id")
    class Customer(msgspec.Struct, frozen=True):
        id: str
        name: str

    @event(f"or-{unique}", key="customer")
    class Order(msgspec.Struct, frozen=True):
        customer: str

    names: list[str] = []
    made: Any = Order

    class Shipping:
        def __init__(self) -> None:
            Order: Any = made
            self.service = Service(f"shipping-{unique}", transport=open_transport)
            self.customers = self.service.table(Customer, partitioned=True)

            @self.service.on
            async def ship(order: Order) -> None:
                names.append(self.customers[order.customer].name)

    first, second = Shipping(), Shipping()
    ids = [f"c-{n}" for n in range(24)]
    async with Service(f"outside-{unique}", transport=open_transport) as outside, first.service, second.service:
        await asyncio.gather(*(outside.emit(Customer(one, one.upper())) for one in ids))
        await eventually(lambda: len(first.customers) + len(second.customers) == 24 and len(first.customers) < 24)
        await asyncio.gather(*(outside.emit(Order(one)) for one in ids))
        await eventually(lambda: len(names) == 24)
    assert sorted(names) == sorted(one.upper() for one in ids)


def test_partitioned_is_part_of_a_tables_declaration() -> None:
    shipping = Service("shipping")
    whole = shipping.table(Paid)
    assert shipping.table(Paid) is whole
    with pytest.raises(DeclarationError):
        shipping.table(Paid, partitioned=True)


async def test_contract_tells_where_streams_end_with_what_is_undecided(transport: Transport, unique: str) -> None:
    await transport.ensure_streams([StreamSpec(f"written-{unique}", 2, {})])
    assert await transport.written_ends(f"written-{unique}") == {0: 0, 1: 0}
