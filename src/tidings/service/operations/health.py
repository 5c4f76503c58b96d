"""Whether a service lives, and whether it is ready. Pure: from what is seen of it to the reasons why not.

It lives as long as waiting may help: whoever supervises it should start it again when it does not. It is ready when it
does its work: what is routed to it, or waits for it, should wait when it is not. A broker that is away makes no service
less alive, for a service that is started again has no broker either.
"""

from __future__ import annotations

from tidings.service.operations.state import LoopState, ServiceState

LOOP_STILL_S_MAX = 10.0
"""How long the event loop may stand still: as long as the group waits for a heartbeat of a classic client."""
POLL_S_MAX = 30.0
"""How long a consumer may go without polling. It polls five times a second, and stands still for as long as handlers
have to finish when partitions go (`intake.GRACE_S`)."""


def why_not_live(state: ServiceState, loop: LoopState) -> list[str]:
    """What will not mend itself; empty when the service lives."""
    why = []
    if loop.still_s > LOOP_STILL_S_MAX:
        at = f" in {loop.where}" if loop.where else ""
        why.append(f"the event loop has stood still for {loop.still_s:.0f} s{at}: something blocks it")
    if state.failure:
        why.append(f"it fell over: {state.failure}")
    silent = [consumer.polled_s_ago for consumer in state.consumers if consumer.polled_s_ago is not None]
    return [*why, *(f"its consumer has not polled for {ago_s:.0f} s" for ago_s in silent if ago_s > POLL_S_MAX)]


def why_not_ready(state: ServiceState, loop: LoopState, broker: str = "") -> list[str]:
    """What it is waiting for; empty when it is ready. `broker` says why that cannot be reached, if it cannot."""
    why = why_not_live(state, loop)
    if not state.running:
        return [*why, "it does not run"]
    if broker:
        why.append(f"the broker does not answer: {broker}")
    why += [f"its table of {table.name} has not caught up" for table in state.tables if not table.caught_up]
    if not state.begun:
        why.append("it is starting")
    elif not all(consumer.joined for consumer in state.consumers):  # none at all is a good answer, if the group gave it
        why.append("its group has not dealt it its partitions")
    return why
