"""Which parameters of a handler are database sessions. SQLAlchemy need not be there to tell."""

from __future__ import annotations

from typing import Any

from tidings.events.record import EventRecord
from tidings.service.subscription import Handler


class SessionWanted:
    """Stands for the session among what a handler is given, until its transaction opens one."""

    def __init__(self, cls: type[Any], *, is_async: bool) -> None:
        self.cls = cls
        self.is_async = is_async

    def __call__(self, record: EventRecord[Any]) -> Any:
        raise AssertionError("a session is given by the transaction around the handler")


def session_wanted(hint: Any) -> SessionWanted | None:
    """What a hint asks for, if it is SQLAlchemy's AsyncSession or Session, or a class made of one of them."""
    for base in hint.__mro__ if isinstance(hint, type) else ():
        if base.__module__.startswith("sqlalchemy.") and base.__name__ in ("AsyncSession", "Session"):
            return SessionWanted(hint, is_async=base.__name__ == "AsyncSession")
    return None


def wants_session(handler: Handler) -> bool:
    return any(isinstance(given, SessionWanted) for given in handler.injected.values())
