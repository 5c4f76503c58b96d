"""What coordinators need to know of topics. The catalog answers it in the broker, a dictionary in tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class TopicDirectory(Protocol):
    def partition_count(self, name: str) -> int:
        """0 if there is no such topic."""
        ...

    def topic_id(self, name: str) -> bytes:
        """NULL_UUID if there is no such topic."""
        ...

    def topic_name(self, topic_id: bytes) -> str | None:
        """None if there is no such topic."""
        ...

    def names(self) -> Iterable[str]:
        """Of all topics."""
        ...

    @property
    def revision(self) -> int:
        """Another one whenever topics were created, have grown or were deleted."""
        ...
