"""What an acknowledgement waits for: the disk (`fsync`, shared by all who wait) or nothing (`os`).

Whoever appends to a partition settles it here, and replies in `done`. Nothing is shown to consumers before that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tidings.log.partition import Partition

Done = Callable[[Exception | None], None]
"""Called once on the event loop: None when what was appended is safe, else why it is not."""


class Durability(Protocol):
    def settle(self, partition: Partition, appended_bytes: int, done: Done) -> None:
        """Call `done` when everything appended to `partition` up to now is as safe as the operator asked for.

        It may be called before this returns. Fetches that wait for the partition are woken before `done`.
        `appended_bytes` is the size of what the caller appended: what a fetch's `min_bytes` counts.
        """
        ...

    async def settled(self, partition: Partition, appended_bytes: int) -> None:
        """The same to await; raises what `done` would be given."""
        ...
