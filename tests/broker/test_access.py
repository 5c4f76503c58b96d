"""Access rules over the wire: kept, held to by every API, and in nobody's way while there are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker, create
from tests.broker.data import FETCH, PRODUCE, batch, fetch, fetch_request, produce_request

from tidings.broker import handlers
from tidings.broker.access.guards import Each, Whole
from tidings.broker.requests.dispatch import Api
from tidings.broker.server import Broker
from tidings.security.rights import (
    CLUSTER_ACTION_CLUSTER,
    DELETE_CLUSTER,
    DELETE_TOPIC,
    DESCRIBE_TOPIC,
    READ_TOPIC,
    WRITE_TOPIC,
    WRITE_TRANSACTION,
    Right,
)
from tidings.security.rules import (
    ANONYMOUS,
    CLUSTER_NAME,
    Operation,
    PatternType,
    Permission,
    ResourceType,
    RuleFilter,
)
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import STRING, Array, Kind, Message, Struct
from tidings.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from tidings.wire.messages.create_acls import AclCreation, CreateAclsRequest
from tidings.wire.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest
from tidings.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from tidings.wire.messages.describe_acls import DescribeAclsRequest
from tidings.wire.messages.find_coordinator import FindCoordinatorRequest
from tidings.wire.messages.list_groups import ListGroupsRequest
from tidings.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from tidings.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from tidings.wire.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)

ANY, MATCH = 1, 2
REFUSALS = {
    ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    ErrorCode.GROUP_AUTHORIZATION_FAILED,
    ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
APIS = handlers.load()
UNSEEN = {("AlterShareGroupOffsets", Each), ("DeleteShareGroupOffsets", Each)}
"""Of a group that is not there, nothing is told but that."""


def creation(right: Right, name: str, permission: Permission, *, prefixed: bool = False) -> AclCreation:
    return AclCreation(
        resource_type=right.resource_type,
        resource_name=CLUSTER_NAME if right.resource_type == ResourceType.CLUSTER else name,
        resource_pattern_type=PatternType.PREFIXED if prefixed else PatternType.LITERAL,
        principal=ANONYMOUS,
        host="*",
        operation=right.operation,
        permission_type=permission,
    )


async def make(client: Client, *creations: AclCreation) -> list[int]:
    response = await client.ask(CreateAclsRequest(creations=list(creations)), 3)
    return [result.error_code for result in response.results]


async def rules(client: Client) -> list[tuple[int, str, int, int]]:
    wanted = DescribeAclsRequest(
        resource_type_filter=ANY,
        resource_name_filter=None,
        pattern_type_filter=ANY,
        principal_filter=None,
        host_filter=None,
        operation=ANY,
        permission_type=ANY,
    )
    response = await client.ask(wanted, 3)
    return [
        (found.resource_type, found.resource_name, acl.operation, acl.permission_type)
        for found in response.resources
        for acl in found.acls
    ]


async def remove_all(client: Client) -> list[Any]:
    everything = DeleteAclsFilter(
        resource_type_filter=ANY,
        resource_name_filter=None,
        pattern_type_filter=ANY,
        principal_filter=None,
        host_filter=None,
        operation=ANY,
        permission_type=ANY,
    )
    response = await client.ask(DeleteAclsRequest(filters=[everything]), 3)
    (result,) = response.filter_results
    return list(result.matching_acls)


# Rules.


async def test_rules_are_kept_shown_and_taken_back_also_over_a_restart(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    async with await Client.connect(broker.address) as client:
        deny = creation(READ_TOPIC, "orders", Permission.DENY)
        assert await make(client, deny, deny, creation(READ_TOPIC, "", Permission.ALLOW)) == [0, 0, 42]
    await broker.close()
    broker = await open_broker()
    async with await Client.connect(broker.address) as client:
        expected = (ResourceType.TOPIC, "orders", Operation.READ, Permission.DENY)
        assert await rules(client) == [expected]
        (gone,) = await remove_all(client)
        assert (gone.resource_name, gone.error_code) == ("orders", 0)
        assert await rules(client) == []
    await broker.close()
    broker = await open_broker()
    assert broker.access.is_open


async def test_operator_may_shut_everybody_out_but_a_superuser(open_broker: OpenBroker) -> None:
    broker = await open_broker(allow_if_no_rule=False)
    async with await Client.connect(broker.address) as client:
        assert await make(client, creation(READ_TOPIC, "a", Permission.ALLOW)) == [
            ErrorCode.CLUSTER_AUTHORIZATION_FAILED
        ]
    await broker.close()
    broker = await open_broker(allow_if_no_rule=False, superusers=(ANONYMOUS,))
    async with await Client.connect(broker.address) as client:
        assert await make(client, creation(READ_TOPIC, "a", Permission.ALLOW)) == [0]


def hold_to(broker: Broker, *made: AclCreation) -> None:
    """These rules and no others: where they shut out whoever asks, they could not be taken back over the wire."""
    for rule_id, _ in broker.access.find(RuleFilter()):
        broker.access.remove(rule_id)
    for number, each in enumerate(made):
        broker.access.add(number.to_bytes(16, "big"), _rule(each))


# Every API.


def test_every_api_says_who_may_ask() -> None:
    assert [api.name for api in APIS.values() if api.access is None] == []


def guarded() -> Iterator[Any]:
    for api in APIS.values():
        for guard in api.access or ():
            if isinstance(guard, Whole | Each) and (api.name, type(guard)) not in UNSEEN:
                for right in guard.needs[0]:
                    yield pytest.param(
                        api, guard, right, id=f"{api.name}-{right.operation.name}-{right.resource_type.name}"
                    )


def filled(kind: type[Struct], version: int) -> Any:
    """A message with one of everything, all of it called `secret`."""
    values: dict[str, Any] = {}
    for field in kind.FIELDS:
        if not field.in_version(version):
            continue
        if isinstance(field.kind, Array):
            of = field.kind.of
            if isinstance(of, Kind):
                values[field.name] = ["secret"] if of is STRING else [0]
            else:
                values[field.name] = [filled(of, version)]
        elif field.kind is STRING:
            values[field.name] = "secret"
    return kind(**values)


def request_for(api: Api, guard: Any, right: Right) -> tuple[Message, int]:
    """A request that this guard has something to say of, in the highest version in which it has."""
    items = getattr(guard, "_items", "")
    fields = {field.name: field for field in api.request.FIELDS}
    version = min(api.version_max, fields[items].until) if items in fields else api.version_max
    if api.name == "AddPartitionsToTxn":
        version = 3
    if api.name in ("Produce", "OffsetCommit"):  # later versions call topics by ids
        version = 9
    request = filled(api.request, version)
    if api.name == "Produce":
        request.acks = 1  # or there is no reply at all
    if api.name.endswith("Configs"):
        kinds = {ResourceType.TOPIC: 2, ResourceType.GROUP: 32, ResourceType.CLUSTER: 4}
        request.resources[0].resource_type = kinds[right.resource_type]
    return request, version


def codes(value: Any) -> Iterator[int]:
    if isinstance(value, Struct):
        for field in value.FIELDS:
            found = getattr(value, field.name)
            if field.name.endswith("error_code"):
                yield found
            yield from codes(found)
    elif isinstance(value, list):
        for each in value:
            yield from codes(each)


@pytest.fixture
async def shut(open_broker: OpenBroker) -> Broker:
    """A broker on which only what a rule allows may be done."""
    broker = await open_broker(allow_if_no_rule=False)
    await create(broker, "secret")
    return broker


@pytest.mark.parametrize(("api", "guard", "right"), list(guarded()))
async def test_api_is_held_to_by_rules(shut: Broker, api: Api, guard: Any, right: Right) -> None:
    needed = {r for each in api.access or () for rights in each.needs for r in rights}
    others = [creation(each, "secret", Permission.ALLOW) for each in needed if each not in guard.needs[0]]

    async def is_refused(*made: AclCreation) -> bool:
        hold_to(shut, *others, *made)
        if "secret" not in shut.catalog.topics:  # the request before has deleted it
            await create(shut, "secret")
        request, version = request_for(api, guard, right)
        async with await Client.connect(shut.address) as client:
            return bool(REFUSALS & set(codes(await client.ask(request, version))))

    allow = creation(right, "secret", Permission.ALLOW)
    is_cluster = right.resource_type == ResourceType.CLUSTER
    assert await is_refused()
    assert not await is_refused(allow)
    assert await is_refused(allow, creation(right, "*", Permission.DENY))
    assert await is_refused(
        allow, creation(right, "" if is_cluster else "sec", Permission.DENY, prefixed=not is_cluster)
    )
    if not is_cluster:
        assert not await is_refused(creation(right, "sec", Permission.ALLOW, prefixed=True))
        assert not await is_refused(creation(right, "*", Permission.ALLOW))
        assert await is_refused(creation(right, "other", Permission.ALLOW))


def _rule(made: AclCreation) -> Any:
    from tidings.broker.handlers.create_acls import _rule as rule_of

    return rule_of(made)


# What must not be seen does not exist.


async def test_topics_that_may_not_be_described_are_not_told_of(open_broker: OpenBroker) -> None:
    broker = await open_broker(allow_if_no_rule=False, superusers=())
    secret, shown = await create(broker, "secret"), await create(broker, "shown")
    broker.access.add(bytes(16), _rule(creation(DESCRIBE_TOPIC, "shown", Permission.ALLOW)))
    async with await Client.connect(broker.address) as client:

        async def told(topics: list[MetadataRequestTopic] | None) -> list[tuple[str | None, int]]:
            response = await client.ask(MetadataRequest(topics=topics, allow_auto_topic_creation=True), 12)
            return [(topic.name, topic.error_code) for topic in response.topics]

        assert await told(None) == [("shown", 0)]
        forbidden = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        named = [MetadataRequestTopic(name=name) for name in ("secret", "shown", "new")]
        assert await told(named) == [("secret", forbidden), ("shown", 0), ("new", forbidden)]
        by_id = [MetadataRequestTopic(topic_id=topic.id, name=None) for topic in (secret, shown)]
        assert await told(by_id) == [(None, forbidden), ("shown", 0)]
        assert "new" not in broker.catalog.topics


async def test_fetch_gives_nothing_of_a_topic_that_may_not_be_read(live: Broker, client: Client) -> None:
    await make(client, creation(READ_TOPIC, "orders", Permission.DENY))
    response = await client.ask(fetch_request(("orders", 0, 0)), FETCH)
    (partition,) = response.responses[0].partitions
    assert partition.error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED
    assert not partition.records


async def test_topic_that_may_not_be_read_is_there_for_nobody(live: Broker, client: Client) -> None:
    await make(client, creation(READ_TOPIC, "*", Permission.DENY))
    answers = await fetch(client, ("orders", 0, 0), ("nowhere", 0, 0))
    assert answers["orders", 0] == answers["nowhere", 0]
    assert answers["orders", 0].error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED


async def test_who_calls_itself_a_replica_needs_the_right_of_brokers(live: Broker, client: Client) -> None:
    async def code() -> int:
        return (await fetch(client, ("orders", 0, 0), replica_id=7))["orders", 0].error_code

    hold_to(live, creation(CLUSTER_ACTION_CLUSTER, "", Permission.DENY))
    assert await code() == ErrorCode.TOPIC_AUTHORIZATION_FAILED
    brokers = creation(CLUSTER_ACTION_CLUSTER, "", Permission.ALLOW)
    hold_to(live, brokers, creation(READ_TOPIC, "orders", Permission.DENY))
    assert await code() == ErrorCode.NONE


@pytest.mark.parametrize("right", [WRITE_TOPIC, WRITE_TRANSACTION])
async def test_producer_that_wants_no_reply_learns_of_a_refusal_by_the_end_of_its_connection(
    live: Broker, client: Client, right: Right
) -> None:
    hold_to(live, creation(right, "*", Permission.DENY))
    request = produce_request(batch(b"a"), acks=0)
    request.transactional_id = None if right is WRITE_TOPIC else "mine"
    client.send(request, PRODUCE)
    assert await client.is_closed_by_broker()
    assert live.catalog.partition("orders", 0).end_offset == 0


async def test_brokers_may_ask_for_the_epochs_of_topics_they_may_not_describe(live: Broker, client: Client) -> None:
    async def code() -> int:
        partition = OffsetForLeaderPartition(partition=0, leader_epoch=0)
        asked = OffsetForLeaderTopic(topic="orders", partitions=[partition])
        response = await client.ask(OffsetForLeaderEpochRequest(topics=[asked]), 4)
        return int(response.topics[0].partitions[0].error_code)

    hidden = creation(DESCRIBE_TOPIC, "orders", Permission.DENY)
    hold_to(live, hidden, creation(CLUSTER_ACTION_CLUSTER, "", Permission.DENY))
    assert await code() == ErrorCode.TOPIC_AUTHORIZATION_FAILED
    hold_to(live, hidden, creation(CLUSTER_ACTION_CLUSTER, "", Permission.ALLOW))
    assert await code() == ErrorCode.NONE


async def test_who_may_delete_in_the_whole_cluster_may_delete_each_topic(live: Broker, client: Client) -> None:
    async def deleted(*names: str) -> dict[str, int]:
        request = DeleteTopicsRequest(topics=[DeleteTopicState(name=name) for name in names])
        return {result.name: result.error_code for result in (await client.ask(request, 6)).responses}

    hold_to(
        live,
        creation(DELETE_TOPIC, "*", Permission.DENY),
        creation(DESCRIBE_TOPIC, "nowhere", Permission.ALLOW),
        creation(DELETE_CLUSTER, "", Permission.DENY),
    )
    assert await deleted("orders", "nowhere", "hidden") == {
        "orders": ErrorCode.TOPIC_AUTHORIZATION_FAILED,
        "nowhere": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        "hidden": ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    }
    everywhere = creation(DELETE_CLUSTER, "", Permission.ALLOW)
    hold_to(live, creation(DELETE_TOPIC, "*", Permission.DENY), everywhere)
    assert await deleted("orders") == {"orders": ErrorCode.NONE}


async def test_groups_that_may_not_be_described_are_neither_listed_nor_found(live: Broker, client: Client) -> None:
    group = Right(Operation.DESCRIBE, ResourceType.GROUP)
    await make(client, creation(group, "g", Permission.DENY, prefixed=True))
    request = FindCoordinatorRequest(key_type=0, coordinator_keys=["g-1", "other"])
    found = (await client.ask(request, 4)).coordinators
    assert [each.error_code for each in found] == [ErrorCode.GROUP_AUTHORIZATION_FAILED, 0]
    asked = [OffsetFetchRequestGroup(group_id=name, topics=None) for name in ("g-1", "other")]
    offsets = await client.ask(OffsetFetchRequest(groups=asked), 8)
    assert {each.group_id: each.error_code for each in offsets.groups} == {
        "g-1": ErrorCode.GROUP_AUTHORIZATION_FAILED,
        "other": 0,
    }
    assert (await client.ask(ListGroupsRequest(), 4)).groups == []


async def test_offsets_of_topics_that_may_not_be_described_are_refused(live: Broker, client: Client) -> None:
    await make(client, creation(DESCRIBE_TOPIC, "orders", Permission.DENY))
    topics = [OffsetFetchRequestTopics(name="orders", partition_indexes=[0])]
    response = await client.ask(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=topics)]), 8)
    (partition,) = response.groups[0].topics[0].partitions
    assert (partition.error_code, partition.committed_offset) == (ErrorCode.TOPIC_AUTHORIZATION_FAILED, -1)
    assert (partition.committed_leader_epoch, partition.metadata) == (-1, "")


async def test_expression_stands_for_no_topic_that_may_not_be_described(live: Broker, client: Client) -> None:
    shown = await create(live, "p-shown")
    await create(live, "p-hidden")
    await make(client, creation(DESCRIBE_TOPIC, "p-hidden", Permission.DENY))
    join = ConsumerGroupHeartbeatRequest(
        group_id="g",
        member_id="m",
        member_epoch=0,
        rebalance_timeout_ms=1000,
        subscribed_topic_names=[],
        subscribed_topic_regex="p-.*",
        topic_partitions=[],
    )
    epoch = (await client.ask(join, 1)).member_epoch
    beat = ConsumerGroupHeartbeatRequest(group_id="g", member_id="m", member_epoch=epoch)
    assigned = (await client.ask(beat, 1)).assignment.topic_partitions
    assert [topic.topic_id for topic in assigned] == [shown.id]


async def test_authorized_operations_are_what_rules_leave(live: Broker, client: Client) -> None:
    async def operations() -> int:
        asked = MetadataRequest(topics=[MetadataRequestTopic(name="orders")], include_topic_authorized_operations=True)
        found: int = (await client.ask(asked, 12)).topics[0].topic_authorized_operations
        return found

    everything = await operations()
    await make(
        client, creation(READ_TOPIC, "orders", Permission.DENY), creation(DESCRIBE_TOPIC, "orders", Permission.ALLOW)
    )
    assert await operations() == 1 << Operation.DESCRIBE
    assert everything & 1 << Operation.READ
