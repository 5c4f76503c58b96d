"""What a registry knows: subjects, versions, ids, references, settings, as the records on its topic say.

Pure. Nothing changes but by `apply`, one record after the other; reading the topic again from its start leads to the
same. An id stands for one content for ever: it is not given again, also when nothing uses it any more.

A subject's name may say what context it is in (`:.eu:orders-value`); ids are counted in each context by itself.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from tidings.registry.records import (
    ClearSubjectKey,
    ConfigKey,
    ConfigValue,
    ContextKey,
    DeleteSubjectKey,
    DeleteSubjectValue,
    Json,
    Key,
    ModeKey,
    ModeValue,
    Reference,
    SchemaKey,
    SchemaValue,
    Value,
    write_key,
)

DEFAULT_CONTEXT: Final = "."


class Content(NamedTuple):
    """What an id stands for."""

    type: str
    text: str
    references: tuple[Reference, ...] = ()
    contract: str = ""
    """Metadata and rules, as text: with others, it is something else."""


class Used(NamedTuple):
    """A version that refers to another."""

    subject: str
    version: int
    id: int


def content_of(value: SchemaValue) -> Content:
    parts = [value.metadata, value.rule_set]
    contract = json.dumps(parts, sort_keys=True) if any(part is not None for part in parts) else ""
    return Content(value.type, value.text, value.references, contract)


def context_of(subject: str) -> str:
    """The context that a subject's name says it is in."""
    if subject.startswith(":."):
        return subject[1:].partition(":")[0]
    return DEFAULT_CONTEXT


class Store:
    def __init__(self) -> None:
        self._subjects: dict[str, dict[int, SchemaValue]] = {}
        self._contents: dict[str, dict[int, Content]] = defaultdict(dict)
        self._ids: dict[str, dict[Content, int]] = defaultdict(dict)
        self._last_ids: dict[str, int] = defaultdict(int)
        self._holders: dict[tuple[str, int], set[tuple[str, int]]] = defaultdict(set)
        self._users: dict[tuple[str, int], set[tuple[str, int]]] = defaultdict(set)
        self._configs: dict[str | None, Mapping[str, Json]] = {}
        self._modes: dict[str | None, str] = {}
        self._contexts: set[str] = {DEFAULT_CONTEXT}
        self._spellings: dict[Key, bytes] = {}

    # --- records ---

    def apply(self, key: Key, value: Value, spelled: bytes | None = None) -> None:
        """Takes in one record. What is not known changes nothing. `spelled` are the bytes of its key."""
        if spelled is not None and spelled != write_key(key):
            self._spellings[key] = spelled
        match key, value:
            case (SchemaKey(), SchemaValue()):
                self._put(value)
            case (SchemaKey(subject, version), None):
                self._remove(subject, version)
            case (DeleteSubjectKey(), DeleteSubjectValue(subject, last)):
                self._delete_softly(subject, last)
            case (ClearSubjectKey(subject), _) if value is not None:
                self._clear(subject)
            case (ConfigKey(subject), ConfigValue(settings=settings)):
                self._configs[subject] = settings
            case (ConfigKey(subject), None):
                self._configs.pop(subject, None)
            case (ModeKey(subject), ModeValue(mode=mode)):
                self._modes[subject] = mode
            case (ModeKey(subject), None):
                self._modes.pop(subject, None)
            case (ContextKey(context=context), _) if value is not None:
                self._contexts.add(context)

    def _put(self, value: SchemaValue) -> None:
        context = context_of(value.subject)
        self._remove(value.subject, value.version)
        self._subjects.setdefault(value.subject, {})[value.version] = value
        self._contexts.add(context)
        content = content_of(value)
        self._contents[context].setdefault(value.id, content)
        self._ids[context].setdefault(content, value.id)
        self._last_ids[context] = max(self._last_ids[context], value.id)
        self._holders[context, value.id].add((value.subject, value.version))
        for reference in value.references:
            self._users[reference.subject, reference.version].add((value.subject, value.version))

    def _remove(self, subject: str, version: int) -> None:
        """The content goes with the last version that has its id; the id is not given again."""
        versions = self._subjects.get(subject, {})
        value = versions.pop(version, None)
        if value is None:
            return
        if not versions:
            del self._subjects[subject]
        for reference in value.references:
            self._users[reference.subject, reference.version].discard((subject, version))
        context = context_of(subject)
        holders = self._holders[context, value.id]
        holders.discard((subject, version))
        if not holders:
            del self._holders[context, value.id]
            content = self._contents[context].pop(value.id)
            if self._ids[context].get(content) == value.id:
                del self._ids[context][content]

    def _delete_softly(self, subject: str, last: int) -> None:
        for value in list(self._subjects.get(subject, {}).values()):
            if value.version <= last and not value.is_deleted:
                self._subjects[subject][value.version] = _deleted(value)

    def _clear(self, subject: str) -> None:
        for version in list(self._subjects.get(subject, {})):
            self._remove(subject, version)
        self._configs.pop(subject, None)
        self._modes.pop(subject, None)

    # --- what is asked ---

    def key_bytes(self, key: Key) -> bytes:
        """How to write a key: as it is on the topic already, so that compaction sees that it is the same."""
        return self._spellings.get(key) or write_key(key)

    def subjects(self, *, with_deleted: bool = False) -> Iterator[str]:
        """In order of their names."""
        return (name for name in sorted(self._subjects) if self.versions(name, with_deleted=with_deleted))

    def versions(self, subject: str, *, with_deleted: bool = False) -> list[SchemaValue]:
        """From the first to the newest."""
        known = self._subjects.get(subject, {})
        return [known[version] for version in sorted(known) if with_deleted or not known[version].is_deleted]

    def version(self, subject: str, version: int) -> SchemaValue | None:
        """Also one that is softly deleted."""
        return self._subjects.get(subject, {}).get(version)

    def content(self, schema_id: int, context: str = DEFAULT_CONTEXT) -> Content | None:
        return self._contents[context].get(schema_id)

    def id_of(self, content: Content, context: str = DEFAULT_CONTEXT) -> int | None:
        """The id that a content has already."""
        return self._ids[context].get(content)

    def next_id(self, context: str = DEFAULT_CONTEXT) -> int:
        """One that was never given."""
        return self._last_ids[context] + 1

    def next_version(self, subject: str) -> int:
        return max(self._subjects.get(subject, {}), default=0) + 1

    def holders(self, schema_id: int, context: str = DEFAULT_CONTEXT) -> list[tuple[str, int]]:
        """The subjects and versions that have an id."""
        return sorted(self._holders.get((context, schema_id), ()))

    def users(self, subject: str, version: int) -> list[Used]:
        """The versions that refer to this one."""
        return [
            Used(*place, self._subjects[place[0]][place[1]].id)
            for place in sorted(self._users.get((subject, version), ()))
        ]

    def config(self, subject: str | None) -> Mapping[str, Json] | None:
        """What is set for `subject` itself, or for all if it is None."""
        return self._configs.get(subject)

    def mode(self, subject: str | None) -> str | None:
        return self._modes.get(subject)

    def contexts(self) -> list[str]:
        return sorted(self._contexts)


def _deleted(value: SchemaValue) -> SchemaValue:
    return replace(value, is_deleted=True)
