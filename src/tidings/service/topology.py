"""Who emits, reads and keeps what: as services declare it, and as the log shows that they do. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tidings.events.envelope import service_of
from tidings.service.dead_letters import is_dead_letters
from tidings.service.trace import Sighting

if TYPE_CHECKING:
    from tidings.service.description import Description

Kind = Literal["emits", "reads", "keeps"]
ORDER: tuple[Kind, ...] = ("reads", "keeps", "emits")


@dataclass(frozen=True, slots=True)
class Link:
    """One thing that a service does with a stream; `type` is the event's, None where nobody can tell."""

    service: str
    kind: Kind
    stream: str
    type: str | None

    def covers(self, other: Link) -> bool:
        """Whether `other` is the same, or says less of the same."""
        return (
            (self.service, self.stream) == (other.service, other.stream)
            and other.type in (None, self.type)
            and (self.kind == other.kind or {self.kind, other.kind} == {"reads", "keeps"})
        )


@dataclass(slots=True)
class Topology:
    """Links that were declared, and those that were seen, with how often."""

    declared: set[Link] = field(default_factory=set)
    seen: Counter[Link] = field(default_factory=Counter)

    @property
    def services(self) -> list[str]:
        return sorted({link.service for link in self.links()})

    @property
    def streams(self) -> list[str]:
        return sorted({link.stream for link in self.links()})

    def links(self) -> list[Link]:
        """All of them: by service, then what it reads, keeps and emits."""
        together = self.declared | {link for link in self.seen if not self._said_better(link)}
        return sorted(together, key=lambda at: (at.service, ORDER.index(at.kind), at.stream, at.type or ""))

    def _said_better(self, link: Link) -> bool:
        """Whether a link without a type is only the shadow of one that has it."""
        return link.type is None and any(
            other.type is not None and other.covers(link) for other in (*self.declared, *self.seen)
        )

    def count(self, link: Link) -> int:
        """How often it was seen; what a table of the type takes in leaves no trace in the log."""
        return self.seen[link]

    def undeclared(self) -> list[Link]:
        """What services that declared themselves were seen to do, and had not said."""
        known = {link.service for link in self.declared}
        return [
            link
            for link in self.links()
            if link.service in known and not any(declared.covers(link) for declared in self.declared)
        ]

    def unseen(self) -> list[Link]:
        """What was declared and not seen. Tables are left out: see `count`."""
        return [link for link in self.links() if link in self.declared and link.kind != "keeps" and not self.seen[link]]


def declared_links(descriptions: Iterable[Description]) -> Iterator[Link]:
    """What services say of themselves (`Service.describe`)."""
    for description in descriptions:
        named: Mapping[Kind, Sequence[Mapping[str, object]]] = {
            "reads": description.reads,
            "keeps": description.keeps,
            "emits": description.emits,
        }
        for kind, entries in named.items():
            for entry in entries:
                yield Link(description.service, kind, str(entry["stream"]), str(entry["type"]))


class Observer:
    """Finds out from records who emitted them and who read what caused them.

    Keeps the id of every event it was shown, some 200 bytes each: which of two records comes first is not known.
    """

    def __init__(self) -> None:
        self._emitted: Counter[Link] = Counter()
        self._events: dict[str, tuple[str, str | None]] = {}
        self._answers: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def show(self, event: Sighting) -> None:
        stream = event.position.stream
        if event.source is None or is_dead_letters(stream):  # a dead letter has the headers of what it was
            return
        service = service_of(event.source)
        self._emitted[Link(service, "emits", stream, event.type)] += 1
        if event.id is not None:
            self._events[event.id] = (stream, event.type)
        if event.causation_id is not None:
            self._answers[event.causation_id][service] += 1

    def links(self) -> Counter[Link]:
        """What was emitted; and what was read, as far as an event came of it."""
        found = Counter(self._emitted)
        for cause, answers in self._answers.items():
            if cause in self._events:
                for service in answers:
                    found[Link(service, "reads", *self._events[cause])] += 1
        return found


def group_links(committed: Mapping[str, Iterable[tuple[str, int]]]) -> Iterator[Link]:
    """A group that has committed a position in a stream reads it."""
    for group, partitions in committed.items():
        for stream in {stream for stream, _ in partitions}:
            yield Link(group, "reads", stream, None)
