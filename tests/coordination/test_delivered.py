"""Store-backed streams: how far a topic is delivered to every group that reads it."""

from __future__ import annotations

from tests.coordination.harness import DAY_MS, GROUP, Cluster, subscription

from tidings.wire.messages.delete_groups import DeleteGroupsRequest


def delivered(cluster: Cluster) -> list[int | None]:
    return list(cluster.coordinator.delivered("orders"))


def commit(cluster: Cluster, offsets: dict[int, int], **options: object) -> None:
    cluster.commit({("orders", partition): offset for partition, offset in offsets.items()}, **options)  # type: ignore[arg-type]


def test_without_a_group_nothing_is_delivered(cluster: Cluster) -> None:
    assert delivered(cluster) == [None] * 4
    cluster.commit({("payments", 0): 5})
    assert delivered(cluster) == [None] * 4


def test_the_slowest_group_decides(cluster: Cluster) -> None:
    commit(cluster, {0: 9, 1: 4}, group_id="fast")
    commit(cluster, {0: 3, 1: 5}, group_id="slow")
    assert delivered(cluster) == [3, 4, None, None]


def test_a_group_with_members_holds_what_it_has_not_committed(cluster: Cluster) -> None:
    (join,) = cluster.stable()
    assert delivered(cluster) == [0] * 4
    commit(cluster, {0: 9, 2: 1}, group_id="other")
    assert delivered(cluster) == [0] * 4
    commit(cluster, {0: 7, 1: 7}, member_id=join.member_id, generation=join.generation_id)
    assert delivered(cluster) == [7, 7, 0, 0]


def test_a_group_that_reads_something_else_does_not_count(cluster: Cluster) -> None:
    cluster.stable({"protocols": {"range": subscription("payments")}})
    commit(cluster, {0: 9}, group_id="other")
    assert delivered(cluster) == [9, None, None, None]


def test_a_group_whose_members_are_away_is_waited_for_until_its_offsets_expire(cluster: Cluster) -> None:
    (join,) = cluster.stable()
    commit(cluster, {0: 7}, member_id=join.member_id, generation=join.generation_id)
    cluster.leave(join.member_id)
    cluster.pass_time(6 * DAY_MS)
    assert delivered(cluster) == [7, 0, 0, 0]
    cluster.restart()
    assert delivered(cluster) == [7, 0, 0, 0]
    cluster.pass_time(8 * DAY_MS)
    assert delivered(cluster) == [None] * 4


def test_a_deleted_group_counts_no_longer(cluster: Cluster) -> None:
    commit(cluster, {0: 2})
    commit(cluster, {0: 9}, group_id="other")
    cluster.ask("delete", DeleteGroupsRequest(groups_names=[GROUP]), 2)
    assert delivered(cluster) == [9, None, None, None]
