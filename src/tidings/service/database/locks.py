"""The names by which PostgreSQL knows a service's outbox: its locks, and the channel its relay listens on."""

from __future__ import annotations

import hashlib


class Locks:
    """Advisory locks are numbers that all programs of a database share: 64 bits of a hash do not meet by chance."""

    def __init__(self, service: str, schema: str | None) -> None:
        def key(purpose: str) -> int:
            name = "\0".join(("tidings", purpose, schema or "", service)).encode()
            return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)

        self.relay = key("relay")
        """Held by the one relay that publishes."""
        self.asleep = key("asleep")
        """Held by that relay while it waits to be told of new rows; shared by transactions that will not tell it."""
        self.channel = f"tidings_outbox_{self.relay & (1 << 64) - 1:016x}"
