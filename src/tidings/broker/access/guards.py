"""Who may ask what: said beside each handler, asked before it once there are access rules.

    @handles(HeartbeatRequest, access=[whole(READ_GROUP, "group_id")])
    @handles(DeleteRecordsRequest, access=[each(DELETE_TOPIC, "topics")])

Operations, resources and error codes are those of Apache Kafka (KafkaApis, ControllerApis). What must not be seen does
not exist: where Kafka leaves something out of an answer without a word, the handler does it, and says so by `inside`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tidings.broker.access.refusals import CODES, MESSAGES, refused_item
from tidings.broker.catalog.catalog_state import ResourceType as ConfigResource
from tidings.broker.requests.dispatch import CloseConnection, Context, Guard, NotAuthorized, Proceed, Refusal, Reply
from tidings.security.rights import Right
from tidings.security.rules import CLUSTER_NAME, Operation, ResourceType
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Array, Message

NameOf = str | Callable[[Any, Context], str | None]
"""Where a resource's name is: an attribute, or what a function finds. None: there is nothing to ask about."""

Refuse = Callable[[Any, ErrorCode], Any]
Asked = tuple[Right, str]
Asks = Callable[[Any, Context], Asked | None]
"""What an item takes, and to which resource."""


def _named(name: NameOf, item: Any, context: Context) -> str | None:
    return getattr(item, name) if isinstance(name, str) else name(item, context)


class Whole:
    """All of a request, or nothing: by any one of some rights to one resource."""

    def __init__(self, rights: Sequence[Right], name: NameOf) -> None:
        self.needs = [rights]
        self._rights = rights
        self._name = name

    def __call__(self, request: Any, context: Context, proceed: Proceed) -> Reply | Awaitable[Reply]:
        name = _named(self._name, request, context)
        if name is not None and not any(context.may(right, name) for right in self._rights):
            raise refuse(self._rights[0].resource_type)
        return proceed(request)


def whole(right: Right, name: NameOf) -> Whole:
    return Whole([right], name)


def cluster(*rights: Right) -> Whole:
    """Any one of these rights to the cluster."""
    return Whole(rights, lambda *_: CLUSTER_NAME)


class Each:
    """Item by item of a list: what may not pass is taken out of the request, and refused in the reply."""

    def __init__(
        self,
        rights: Sequence[Right],
        asks: Asks,
        items: str,
        results: str,
        refuse: Refuse | None = None,
        *,
        or_nothing: bool = False,
    ) -> None:
        self.needs = [rights]
        self._asks = asks
        self._items = items
        self._results = results
        self._refuse = refuse
        self._or_nothing = or_nothing

    def __call__(self, request: Any, context: Context, proceed: Proceed) -> Reply | Awaitable[Reply]:
        allowed, refused = [], []
        for item in getattr(request, self._items) or ():
            asked = self._asks(item, context)
            if asked is None or context.may(*asked):
                allowed.append(item)
            else:
                refused.append((item, CODES[asked[0].resource_type]))
        if not refused:
            return proceed(request)
        setattr(request, self._items, allowed)
        refuse = self._refuse or _refusal(type(request), self._results)
        results = [refuse(item, code) for item, code in refused]
        if self._or_nothing and not allowed:
            response: Message = request.response(**{self._results: results})
            return response
        return _joined(proceed(request), self._results, results)


def each(
    right: Right,
    items: str,
    results: str | None = None,
    *,
    name: NameOf = "name",
    refuse: Refuse | None = None,
    or_nothing: bool = False,
) -> Each:
    """`items` is the list in the request, `results` that in the reply (the same name, if none is given).

    `name` is "" where the items are the names. `refuse` makes the result of what is refused, where the general way
    (`refusals.refused_item`) does not do. With `or_nothing` the handler is not asked about an empty list.
    """

    def asks(item: Any, context: Context) -> Asked | None:
        found = item if name == "" else _named(name, item, context)
        return None if found is None else (right, found)

    return Each([right], asks, items, results or items, refuse, or_nothing=or_nothing)


def each_resource(operation: Operation, results: str) -> Each:
    """The resources whose settings are asked for or changed; those of brokers are the cluster's."""
    topic, group, cluster = (
        Right(operation, of) for of in (ResourceType.TOPIC, ResourceType.GROUP, ResourceType.CLUSTER)
    )

    def asks(item: Any, context: Context) -> Asked:
        if item.resource_type == ConfigResource.TOPIC:
            return topic, item.resource_name
        if item.resource_type == ConfigResource.GROUP:
            return group, item.resource_name
        return cluster, CLUSTER_NAME

    return Each([topic, group, cluster], asks, "resources", results)


class Check:
    """A decision that no other guard makes: `decide` raises NotAuthorized (see `refuse`)."""

    def __init__(self, decide: Callable[[Any, Context], None], *needs: Sequence[Right]) -> None:
        self.needs = needs
        self._decide = decide

    def __call__(self, request: Any, context: Context, proceed: Proceed) -> Reply | Awaitable[Reply]:
        self._decide(request, context)
        return proceed(request)


class Sight:
    """Takes out of a reply what this client must not see."""

    def __init__(self, narrow: Callable[[Any, Any, Context], None], *needs: Sequence[Right]) -> None:
        self.needs = needs
        self._narrow = narrow

    def __call__(self, request: Any, context: Context, proceed: Proceed) -> Reply | Awaitable[Reply]:
        return _then(proceed(request), lambda reply: self._narrow(request, reply, context))


def refuse(resource_type: ResourceType) -> NotAuthorized:
    """What to raise where a right to a resource of this type is missing."""
    code = CODES[resource_type]
    return NotAuthorized(code, MESSAGES[code])


class Inside:
    """The handler itself asks, for only it knows what there is to ask about."""

    def __init__(self, *rights: Right) -> None:
        self.needs = [[right] for right in rights]

    def __call__(self, request: Any, context: Context, proceed: Proceed) -> Reply | Awaitable[Reply]:
        return proceed(request)


inside = Inside
NOBODY_IS_KEPT_OUT: Sequence[Guard] = ()


def topic_named(item: Any, context: Context) -> str | None:
    """The name of a topic that newer versions call by its id; None for an id that means nothing here."""
    if item.name:
        name: str = item.name
        return name
    topic = context.broker.catalog.topic_by_id(item.topic_id)
    return None if topic is None else topic.name


def refused_all(items: str, results: str | None = None) -> Refusal:
    """For `handles(refused=…)`: the reply in which every item of the request has the code."""

    def reply(request: Message, code: ErrorCode, version: int) -> Message:
        refusal = _refusal(type(request), results or items)
        response: Message = request.response(
            **{results or items: [refusal(item, code) for item in getattr(request, items)]}
        )
        return response

    return reply


def _refusal(request: type[Message], results: str) -> Refuse:
    kind = next(field.kind for field in request.response.FIELDS if field.name == results)
    if not (isinstance(kind, Array) and isinstance(kind.of, type)):
        raise TypeError(f"{request.response.__name__}.{results} is no list of results")
    result = kind.of
    return lambda item, code: refused_item(result, item, code)


def _joined(answering: Reply | Awaitable[Reply], results: str, refused: list[Any]) -> Reply | Awaitable[Reply]:
    """The reply, with what was refused behind what was answered."""

    def join(reply: Message) -> None:
        setattr(reply, results, [*(getattr(reply, results) or ()), *refused])

    return _then(answering, join)


def _then(answering: Reply | Awaitable[Reply], change: Callable[[Message], None]) -> Reply | Awaitable[Reply]:
    """The reply, changed, whenever it comes.

    Where there is none (Produce with acks=0), a client that was refused something finds out by the connection's end.
    """
    if answering is None or isinstance(answering, Message):
        return _changed(answering, change)

    async def wait(answering: Awaitable[Reply]) -> Reply:
        return _changed(await answering, change)

    return asyncio.ensure_future(wait(answering))


def _changed(reply: Reply, change: Callable[[Message], None]) -> Reply:
    if reply is None:
        raise CloseConnection("access rules refuse a part of a request that gets no reply")
    change(reply)
    return reply
