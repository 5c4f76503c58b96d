"""What Prometheus is told of an outbox."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from tests.service.database.models import Order

from tidings import Database, Service
from tidings.service.operations.looking import outbox_of
from tidings.service.operations.metrics import Sight, page
from tidings.service.operations.state import OutboxState, ServiceState
from tidings.service.operations.tally import Tally
from tidings.service.transports.memory import MemoryBroker


async def test_rows_that_wait_are_counted_and_the_oldest_has_an_age(tmp_path: Path, memory: MemoryBroker) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'front.db'}")
    front = Service("front", transport=memory.transport, database=Database(engine, relay=False))
    plain = Service("plain", transport=memory.transport)
    async with front, plain, AsyncSession(engine) as db:
        assert await outbox_of(front) == OutboxState(0, 0.0)
        for n in range(3):
            await front.emit(Order("ada", n), db=db)
        await db.commit()
        found = await outbox_of(front)
        assert found is not None
        assert (found.rows, found.oldest_s < 60) == (3, True)
        assert await outbox_of(plain) is None
    assert await outbox_of(front) is None
    await engine.dispose()


def test_page_has_the_outbox_of_those_who_have_one() -> None:
    state = ServiceState("front", running=True)
    shown = page([Sight(state, Tally(), live=True, ready=True, outbox=OutboxState(7, 1.5))])
    assert 'tidings_service_outbox_rows{service="front"} 7' in shown
    assert 'tidings_service_outbox_oldest_seconds{service="front"} 1.5' in shown
    assert "tidings_service_outbox_rows{" not in page([Sight(state, Tally(), live=True, ready=True)])
