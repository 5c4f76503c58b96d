"""No producer id is ever given twice."""

from __future__ import annotations

import pytest

from tidings.coordination.producer_ids import BLOCK_IDS, Block, ProducerIds


def test_nothing_is_given_before_a_block_is_claimed() -> None:
    with pytest.raises(LookupError):
        ProducerIds().take()


def test_ids_of_a_block_come_one_after_the_other_and_end_with_it() -> None:
    ids = ProducerIds()
    ids.claimed(ids.wanted_block())
    assert [ids.take() for _ in range(BLOCK_IDS)] == list(range(BLOCK_IDS))
    assert ids.remaining == 0
    assert ids.wanted_block() == Block(BLOCK_IDS, 2 * BLOCK_IDS)


def test_after_a_restart_the_rest_of_the_last_block_is_not_used() -> None:
    before = ProducerIds()
    before.claimed(before.wanted_block())
    given = {before.take() for _ in range(3)}
    after = ProducerIds(next_unclaimed=BLOCK_IDS)
    after.claimed(after.wanted_block())
    assert after.take() == BLOCK_IDS
    assert BLOCK_IDS not in given


def test_a_block_cannot_be_claimed_twice() -> None:
    ids = ProducerIds()
    block = ids.wanted_block()
    ids.claimed(block)
    with pytest.raises(ValueError, match="claimed before"):
        ids.claimed(block)
