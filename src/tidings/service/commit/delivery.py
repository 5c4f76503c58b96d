"""What a handler is promised about its outputs."""

from __future__ import annotations

from enum import StrEnum

from tidings.errors import DeclarationError


class Delivery(StrEnum):
    """What becomes of a handler's outputs when its service dies in the middle."""

    EXACTLY_ONCE = "exactly_once"
    """They are written together with the mark that the record is done, or not at all."""
    AT_LEAST_ONCE = "at_least_once"
    """They are written, and then the mark is moved: the record may be handled again, and lead to the same once more."""
    WITH_THE_DATABASE = "with_the_database"
    """They are rows of the database that the handler writes to, in the same commit, and are published from there."""

    @property
    def words(self) -> str:
        return self.value.replace("_", " ")


def delivery_of(value: str) -> Delivery:
    """What `delivery=` asks for. Raises DeclarationError for what is none."""
    asked = (Delivery.EXACTLY_ONCE, Delivery.AT_LEAST_ONCE)
    if value not in asked:
        known = " and ".join(repr(one.value) for one in asked)
        raise DeclarationError(f"delivery={value!r}: there are {known}")
    return Delivery(value)
