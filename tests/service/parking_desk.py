"""What tests decide about dead letters on a memory broker, as `tidings dead` would."""

from __future__ import annotations

from collections.abc import Callable

from tidings.service.dead_letters import dead_letters_of
from tidings.service.parking.ledger import Pace, ledger_of, write_entry
from tidings.service.parking.letters import DROPPED, GIVEN_UP, Edited, Letter, Settled
from tidings.service.parking.outstanding import outstanding_in
from tidings.service.transports.memory import MemoryBroker


def outstanding(broker: MemoryBroker, service: str) -> list[Letter]:
    """What nobody has settled, key by key, in order."""
    found = outstanding_in(broker.records(ledger_of(service)), broker.records(dead_letters_of(service)))
    return [letter for chain in found.chains for letter in found.chain(chain)]


def redrive(
    broker: MemoryBroker,
    service: str,
    wanted: Callable[[Letter], bool] = lambda letter: True,
    *,
    per_s: float | None = None,
) -> list[Letter]:
    """Ask for what was given up; returns it."""
    broker.append(write_entry(service, Pace(per_s)))
    asked = [letter for letter in outstanding(broker, service) if letter.state == GIVEN_UP and wanted(letter)]
    for letter in asked:
        broker.append(write_entry(service, letter.wish(0)))
    return asked


def drop(broker: MemoryBroker, service: str, letter: Letter) -> None:
    broker.append(write_entry(service, Settled(letter.id, letter.last, DROPPED, 0)))


def edit(broker: MemoryBroker, service: str, letter: Letter, value: bytes) -> None:
    broker.append(write_entry(service, Edited(letter.id, letter.last, value, 0)))
