"""Hints are the wiring: what a handler's annotations say it reads, emits and wants to be given.

    @shipping.on
    async def dispatch(order: OrderReceived, record: EventRecord, customers: Table[Customer]) -> OrderShipped | None

The one parameter whose type is an event (or a union of events, or a `Batch` of either) is the subscription; the return
type is what the handler may emit; the other parameters are given by their types.
"""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tidings.errors import DeclarationError
from tidings.events.declaration import EventType, event_type, is_event
from tidings.events.record import EventRecord
from tidings.service.batch import Batch
from tidings.service.commit.delivery import Delivery
from tidings.service.manner import PLAIN, Manner
from tidings.service.retry import Retry

Provide = Callable[[EventRecord[Any]], Any]
"""Gives the value of an injected parameter, for the record at hand."""

ProviderOf = Callable[[Any], Provide | None]
"""Finds the provider for a parameter's annotation, or None: whoever registers things to inject."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A function that handles events, and what its hints said."""

    name: str
    function: Callable[..., Any]
    reads: tuple[EventType[Any], ...]
    emits: tuple[EventType[Any], ...]
    parameter: str
    injected: Mapping[str, Provide]
    retry: Retry
    is_async: bool
    """Runs on the event loop; otherwise in a thread."""
    is_generator: bool
    delivery: Delivery = Delivery.EXACTLY_ONCE
    """What is promised about its outputs."""
    batch_max: int = 0
    """How many events it takes at most at a time; 0 for those that take one, and no batch."""
    linger_s: float = 0.0
    """How long the first event of a batch waits for others."""
    ordered: bool = True
    """Events of a key one after the other."""
    in_process: bool = False
    """Runs in a process of its own."""

    @property
    def parks(self) -> bool:
        """Whether an event that it gives up parks its key."""
        return self.retry.park and self.ordered

    def call(self, event: Any, as_record: Callable[[], EventRecord[Any]]) -> Any:
        """Whatever the function gives: a coroutine, a generator, or its result."""
        if not self.injected:
            return self.function(event)
        return self.function(**self.arguments(event, as_record))

    def arguments(self, event: Any, as_record: Callable[[], EventRecord[Any]]) -> dict[str, Any]:
        """All that the function is given, by name."""
        if not self.injected:
            return {self.parameter: event}
        record = as_record()
        return {self.parameter: event, **{name: provide(record) for name, provide in self.injected.items()}}


def read_handler(
    function: Callable[..., Any],
    retry: Retry,
    provider_of: ProviderOf,
    names: Mapping[str, Any] | None = None,
    delivery: Delivery = Delivery.EXACTLY_ONCE,
    manner: Manner = PLAIN,
) -> Handler:
    """Understand a handler's signature. `names` are the local names its annotations may use.

    Raises DeclarationError, saying what to write instead.
    """
    name = getattr(function, "__qualname__", repr(function)).replace("<locals>.", "")
    if not inspect.isfunction(function) and not inspect.ismethod(function):
        raise DeclarationError(f"{name} is no function; a handler is one")
    hints = _hints(function, name, names)
    emitted = hints.pop("return", None)
    parameters = inspect.signature(function).parameters
    subscribed: dict[str, tuple[EventType[Any], ...]] = {}
    injected: dict[str, Provide] = {}
    many, here = False, []
    for parameter in parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise DeclarationError(f"{name}: parameter {parameter.name!r} must be an ordinary one, with a type")
        if parameter.name not in hints:
            if parameter.default is parameter.empty:
                raise DeclarationError(
                    f"{name}: parameter {parameter.name!r} has no type to say what it should be given"
                )
            continue
        hint = hints[parameter.name]
        if reads := _events_of_parameter(hint, name, parameter.name):
            subscribed[parameter.name] = reads
        elif reads := _events_of_batch(hint, name, parameter.name):
            subscribed[parameter.name] = reads
            many = True
        elif provide := provider_of(hint):
            injected[parameter.name] = provide
            if not _is_record(hint):
                here.append(parameter.name)
        elif parameter.default is parameter.empty:
            raise DeclarationError(
                f"{name}: nothing is known to give for {parameter.name}: {_shown(hint)}. "
                "A parameter is an event (declared with @event), EventRecord, or a Table of this service"
            )
    if len(subscribed) != 1:
        found = ", ".join(subscribed) or "none"
        raise DeclarationError(f"{name}: exactly one parameter must be of an event's type; found: {found}")
    ((parameter_name, reads),) = subscribed.items()
    is_async_generator = inspect.isasyncgenfunction(function)
    is_async = is_async_generator or inspect.iscoroutinefunction(function)
    if many and len(here) < len(injected):
        raise DeclarationError(
            f"{name}: a batch has many records, in batch.records: no one parameter can be given them"
        )
    manner.check(name, function, is_async=is_async, injected=here)
    batch_max, linger_s = manner.sizes(name, many=many)
    return Handler(
        name=name,
        function=function,
        reads=reads,
        emits=_emitted_events(emitted, name),
        parameter=parameter_name,
        injected=injected,
        retry=retry,
        is_async=is_async,
        is_generator=is_async_generator or inspect.isgeneratorfunction(function),
        delivery=delivery,
        batch_max=batch_max,
        linger_s=linger_s,
        ordered=manner.ordered,
        in_process=manner.process,
    )


def _hints(function: Callable[..., Any], name: str, names: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, localns=dict(names or {}))
    except NameError as error:
        raise DeclarationError(
            f"{name}: its annotations name {error.name!r}, which is not known where it is declared "
            "(imported under TYPE_CHECKING, perhaps?)"
        ) from error
    except TypeError as error:
        raise DeclarationError(f"{name}: its annotations cannot be understood: {error}") from error


def _members(hint: Any) -> tuple[Any, ...]:
    """The members of a union; of anything else, itself."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return tuple(member for part in typing.get_args(hint) for member in _members(part))
    if typing.get_origin(hint) is typing.Annotated:
        return _members(typing.get_args(hint)[0])
    return (hint,)


def _events_of_parameter(hint: Any, name: str, parameter: str) -> tuple[EventType[Any], ...]:
    members = _members(hint)
    events = tuple(event_type(member) for member in members if is_event(member))
    if events and len(events) != len(members):
        others = ", ".join(_shown(member) for member in members if not is_event(member))
        raise DeclarationError(f"{name}: parameter {parameter!r} mixes events with {others}")
    return events


def _events_of_batch(hint: Any, name: str, parameter: str) -> tuple[EventType[Any], ...]:
    """What it is a batch of; nothing if it is none."""
    if (typing.get_origin(hint) or hint) is not Batch:
        return ()
    of = typing.get_args(hint)
    if not of or not (events := _events_of_parameter(of[0], name, parameter)):
        raise DeclarationError(f"{name}: parameter {parameter!r} is a batch of what? Batch[OrderReceived]")
    return events


def _is_record(hint: Any) -> bool:
    return (typing.get_origin(hint) or hint) is EventRecord


_MANY = (
    list,
    tuple,
    collections.abc.Sequence,
    collections.abc.Iterable,
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncIterator,
    collections.abc.AsyncGenerator,
)


def _emitted_events(hint: Any, name: str) -> tuple[EventType[Any], ...]:
    found: dict[EventType[Any], None] = {}
    for member in _members(hint):
        origin = typing.get_origin(member)
        if member is None or member is type(None) or member in (typing.NoReturn, typing.Never):
            continue
        if origin in _MANY:
            parts = typing.get_args(member)
            if origin in (collections.abc.Generator, collections.abc.AsyncGenerator):
                parts = parts[:1]  # the others are what is sent in and what is returned
            found.update(
                (emitted, None) for part in parts if part is not ... for emitted in _emitted_events(part, name)
            )
        elif is_event(member):
            found[event_type(member)] = None
        else:
            raise DeclarationError(
                f"{name}: it returns {_shown(member)}, which is no event; "
                "what a handler returns is emitted: an event, several (list, generator), or None"
            )
    return tuple(found)


def _shown(hint: Any) -> str:
    return getattr(hint, "__qualname__", None) or str(hint)
