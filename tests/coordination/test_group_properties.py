"""Members that join, sync, commit, leave, fall silent and restart the coordinator in any order, against a model.

What must hold, whatever happens: a member hears of a generation only once, and never of one that is over; all members
of a generation have the same idea of it; each is given its own assignment of it, and no other; offsets are what was
last acknowledged; and the log says all that lasts.
"""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import Phase, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from tests.coordination.harness import GROUP, Cluster, durable, replayed

from tidings.coordination.groups.config import GroupConfig
from tidings.coordination.groups.states import GroupState
from tidings.coordination.outcome import Ticket
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.join_group import JoinGroupResponse
from tidings.wire.messages.leave_group import MemberIdentity

PARTITIONS = [("orders", 0), ("orders", 1), ("payments", 0)]
CODES_OF_A_JOIN = {
    ErrorCode.NONE,
    ErrorCode.UNKNOWN_MEMBER_ID,
    ErrorCode.REBALANCE_IN_PROGRESS,
    ErrorCode.FENCED_INSTANCE_ID,
    ErrorCode.GROUP_MAX_SIZE_REACHED,
}
CODES_OF_A_SYNC = CODES_OF_A_JOIN | {ErrorCode.ILLEGAL_GENERATION}


class Client:
    """One process: knows what it was told, and what it waits for."""

    def __init__(self, name: str, instance_id: str | None) -> None:
        self.name = name
        self.instance_id = instance_id
        self.member_id = ""
        self.generation = -1
        self.generation_min = 0
        self.is_leader = False
        self.is_assigned = False
        self.others: list[str] = []
        self.joining: Ticket | None = None
        self.syncing: Ticket | None = None


class GroupMachine(RuleBasedStateMachine):
    clients = Bundle("clients")

    @initialize(
        target=clients,
        members_max=st.sampled_from([3, 100, 100]),
        count=st.integers(0, 4),
        order=st.sampled_from([1, -1]),
    )
    def begin(self, members_max: int, count: int, order: int) -> Any:
        """Often with a group that is at rest, or nearly."""
        self.cluster = Cluster(GroupConfig(members_max=members_max))
        self.all: list[Client] = []
        self.offsets: dict[tuple[str, int], int] = {}
        self.assigned: dict[tuple[int, str], bytes] = {}
        self.epoch = 0  # restarts: a generation that was never recorded may come again after one
        for name in "ghij"[:count]:
            self.all.append(Client(name, f"static-{name}" if name == "h" else None))
        self.behave_in_turn(3, 500, order)
        return multiple(*self.all)

    # What clients do.

    @rule(target=clients, name=st.sampled_from("abcdef"), is_static=st.booleans())
    def start(self, name: str, is_static: bool) -> Client:
        client = Client(name, f"static-{name}" if is_static else None)
        self.all.append(client)
        return client

    @rule(client=clients, protocols=st.sampled_from([("range",), ("range", "sticky"), ("sticky", "range")]))
    def join(self, client: Client, protocols: tuple[str, ...]) -> None:
        if client.joining is not None or client.syncing is not None:
            return
        options: dict[str, Any] = {"protocols": dict.fromkeys(protocols, b""), "instance_id": client.instance_id}
        client.joining = self.cluster.join(client.member_id, **options)
        self.hear(client)
        if client.joining is None and client.member_id and client.generation == -1:
            client.joining = self.cluster.join(client.member_id, **options)  # MEMBER_ID_REQUIRED
            self.hear(client)

    @rule(client=clients)
    def sync(self, client: Client) -> None:
        if client.generation == -1 or client.joining is not None or client.syncing is not None:
            return
        assignments = {}
        if client.is_leader:
            assignments = {other: f"{self.epoch}/{client.generation}/{other}".encode() for other in client.others}
        client.syncing = self.cluster.sync(
            client.member_id, client.generation, assignments, instance_id=client.instance_id
        )
        self.hear(client)

    @rule(rounds=st.integers(1, 4), milliseconds=st.sampled_from([0, 200, 500]), order=st.sampled_from([1, -1]))
    def behave(self, rounds: int, milliseconds: int, order: int) -> None:
        """All do what a good client does next."""
        self.behave_in_turn(rounds, milliseconds, order)

    def behave_in_turn(self, rounds: int, milliseconds: int, order: int) -> None:
        for _ in range(rounds):
            for client in self.all[::order]:
                if client.generation == -1:
                    self.join(client, ("range", "sticky"))
                elif not client.is_assigned:
                    self.sync(client)
                else:
                    self.heartbeat(client)
            self.cluster.pass_time(milliseconds)
            self.everyone_hears()

    @rule(client=clients)
    def heartbeat(self, client: Client) -> None:
        if not client.member_id or client.joining is not None or client.syncing is not None:
            return
        code = self.cluster.heartbeat(client.member_id, client.generation, client.instance_id)
        if code == ErrorCode.REBALANCE_IN_PROGRESS:
            self.join(client, ("range", "sticky"))
        if code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID, ErrorCode.ILLEGAL_GENERATION):
            self.forget(client)

    @rule(client=clients, where=st.sampled_from(PARTITIONS), offset=st.integers(0, 1000))
    def commit(self, client: Client, where: tuple[str, int], offset: int) -> None:
        codes = self.cluster.commit(
            {where: offset}, member_id=client.member_id, generation=client.generation, instance_id=client.instance_id
        )
        if codes[where] == ErrorCode.NONE:
            self.offsets[where] = offset

    @rule(client=consumes(clients))
    def leave(self, client: Client) -> None:
        if client.member_id:
            self.cluster.leave(MemberIdentity(member_id=client.member_id, group_instance_id=client.instance_id))
        self.all.remove(client)

    @rule(client=consumes(clients))
    def vanish(self, client: Client) -> None:
        self.all.remove(client)

    # What happens to them.

    @rule(milliseconds=st.sampled_from([50, 200, 3_000, 10_000, 60_000, 300_000]))
    def pass_time(self, milliseconds: int) -> None:
        self.cluster.pass_time(milliseconds)

    @rule()
    def restart(self) -> None:
        before = durable(self.cluster.coordinator)
        self.cluster.restart()
        assert durable(self.cluster.coordinator) == before
        self.epoch += 1
        for client in self.all:
            client.joining = client.syncing = None
            if not client.is_assigned:
                client.generation_min = 0  # it was not recorded, and may come again

    @rule(target=clients)
    def nothing(self) -> Any:
        return multiple()

    # What they are told.

    def hear(self, client: Client) -> None:
        if client.joining in self.cluster.replies:
            reply = self.cluster.joined(client.joining)
            client.joining = None
            self.hear_join(client, reply)
        if client.syncing in self.cluster.replies:
            synced = self.cluster.synced(client.syncing)
            client.syncing = None
            assert synced.error_code in CODES_OF_A_SYNC
            if synced.error_code != ErrorCode.NONE:
                client.generation = -1
            else:
                client.is_assigned = True
                self.hear_assignment(client, bytes(synced.assignment))

    def hear_join(self, client: Client, reply: JoinGroupResponse) -> None:
        if reply.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            assert not client.member_id
            client.member_id, client.generation = reply.member_id, -1
            return
        if reply.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL:
            # All here have "range" in common, but of what a member offered the log knows only what was chosen.
            assert self.epoch
            return
        assert reply.error_code in CODES_OF_A_JOIN, ErrorCode(reply.error_code)
        if reply.error_code != ErrorCode.NONE:
            if reply.error_code != ErrorCode.REBALANCE_IN_PROGRESS:
                self.forget(client)
            return
        assert reply.generation_id >= client.generation_min, "a generation that is over"
        assert not client.member_id or reply.member_id == client.member_id
        client.member_id, client.generation = reply.member_id, reply.generation_id
        client.generation_min = reply.generation_id
        client.is_leader = reply.leader == reply.member_id and not reply.skip_assignment
        client.is_assigned = False
        client.others = [member.member_id for member in reply.members]
        if client.is_leader:
            assert client.member_id in client.others

    def hear_assignment(self, client: Client, assignment: bytes) -> None:
        """Its own, of this generation; empty only if the leader did not know of it."""
        if assignment:
            _, generation, member_id = assignment.decode().split("/")
            assert int(generation) == client.generation
            if client.instance_id is None:
                assert member_id == client.member_id
            known = self.assigned.setdefault((client.generation, client.member_id), assignment)
            assert known == assignment, "two assignments in one generation"

    def forget(self, client: Client) -> None:
        client.member_id, client.generation, client.is_leader = "", -1, False
        client.generation_min, client.others = 0, []

    # What must hold.

    @invariant()
    def everyone_hears(self) -> None:
        for client in self.all:
            self.hear(client)

    @invariant()
    def offsets_are_what_was_acknowledged(self) -> None:
        assert self.cluster.offsets() == self.offsets

    @invariant()
    def the_log_says_all_that_lasts(self) -> None:
        cluster = self.cluster
        now = durable(cluster.coordinator)
        assert durable(replayed(cluster.fresh, cluster.log)) == now
        assert durable(replayed(cluster.fresh, list(now.items()))) == now

    @invariant()
    def no_one_waits_in_a_group_at_rest(self) -> None:
        group = self.cluster.coordinator._registry.groups.get(GROUP)
        if group is None or group.state is GroupState.EMPTY:
            assert all(client.joining is None and client.syncing is None for client in self.all)
        elif group.state is GroupState.STABLE:
            assert all(member.joining is None and member.syncing is None for member in group.members.values())

    @invariant()
    def whoever_the_group_waits_for_has_a_deadline(self) -> None:
        """Nothing can hang: in each state that is not rest, something comes due."""
        registry = self.cluster.coordinator._registry
        group = registry.groups.get(GROUP)
        if group is None:
            return
        if group.state is GroupState.PREPARING_REBALANCE:
            assert registry.timers.get(("join", GROUP)) is not None
        if group.state is GroupState.COMPLETING_REBALANCE:
            assert registry.timers.get(("sync", GROUP)) is not None
        for member in group.members.values():
            waits = member.joining is not None or member.syncing is not None
            assert waits or registry.timers.get(("session", GROUP, member.member_id)) is not None
        for member_id in group.pending_ids:
            assert registry.timers.get(("session", GROUP, member_id)) is not None

    @invariant()
    def books_are_in_order(self) -> None:
        group = self.cluster.coordinator._registry.groups.get(GROUP)
        if group is None:
            return
        members = group.members
        assert group.static_ids == {m.instance_id: m.member_id for m in members.values() if m.instance_id is not None}
        assert group.unsynced_ids <= members.keys()
        assert not group.pending_ids & members.keys()
        assert group.leader_id is None if not members else group.leader_id in members
        assert (group.state is GroupState.EMPTY) <= (not members)


TestGroups = GroupMachine.TestCase
TestGroups.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
