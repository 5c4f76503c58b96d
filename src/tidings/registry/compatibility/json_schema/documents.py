"""The texts that a JSON Schema is made of, and what a `$ref` in them means. Nothing is ever fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote, urljoin

from tidings.registry.compatibility import json_text
from tidings.registry.compatibility.json_text import Json
from tidings.registry.compatibility.schema import REFERENCES_MAX, SchemaError

_METASCHEMA = re.compile(r"https?://json-schema\.org/(draft-0[3467]|draft/20(19-09|20-12))/(schema|meta/[a-z-]+)\Z")
_IDS = ("$id", "id")
_ANCHORS = ("$anchor", "$dynamicAnchor")
REFERENCE_CHARS_MAX = 2048
IDS_MAX = 1000
"""Schemas in schemas that have an id of their own."""
_VALUES = ("enum", "const", "default", "examples")
"""What these keywords hold is no schema, whatever it looks like."""


Path = tuple["Path | None", str | int]


class Draft(IntEnum):
    DRAFT_4 = 4
    DRAFT_6 = 6
    DRAFT_7 = 7
    DRAFT_2019_09 = 2019
    DRAFT_2020_12 = 2020

    @property
    def reads_beside_ref(self) -> bool:
        """Whether what stands beside a `$ref` counts."""
        return self >= Draft.DRAFT_2019_09


_DRAFTS = {
    "draft-04": Draft.DRAFT_4,
    "draft-06": Draft.DRAFT_6,
    "draft-07": Draft.DRAFT_7,
    "2019-09": Draft.DRAFT_2019_09,
    "2020-12": Draft.DRAFT_2020_12,
}


class Place(NamedTuple):
    """A schema in a document. `base` is what relative references in it are relative to."""

    json: Json
    base: str
    draft: Draft
    path: Path

    def inner(self, *keys: str | int) -> Place:
        """What is in it at `keys`."""
        json, base, path = self.json, self.base, self.path
        for key in keys:
            json = json[key]
            base = _join(base, _own_id(json))
            path = (path, key)
        return Place(json, base, self.draft, path)

    @property
    def where(self) -> str:
        """Its path in words; it is put together only for those who ask."""
        keys: list[str] = []
        path: Path | None = self.path
        while path is not None:
            path, key = path
            keys.append(str(key)[:100])
        return "/".join(reversed(keys))


class Documents:
    """One schema and those it may refer to, by the names it uses for them. Raises SchemaError if one is no JSON."""

    def __init__(self, text: str, references: Mapping[str, str]) -> None:
        if len(references) > REFERENCES_MAX:
            raise SchemaError(f"the schema has more than {REFERENCES_MAX} references")
        self._places: dict[str, Place] = {}
        self._names: dict[str, str] = {}
        self.used: set[str] = set()
        json = json_text.read(text)
        self.root = Place(json, _own_id(json), _draft_of(json), (None, "#"))
        self._add(self.root)
        for name, referenced in references.items():
            self._add_reference(name, json_text.read(referenced, f"the referenced schema {name}"))

    def _add_reference(self, name: str, json: Json) -> None:
        uri = _join(self.root.base, name)
        place = Place(json, _join(uri, _own_id(json)), _draft_of(json), (None, f"{name}#"))
        for key in (uri, name, f"./{name}"):
            self._know(key, place, name)
        self._add(place, name)

    def _add(self, document: Place, name: str = "") -> None:
        """Make known whatever in a document has a name of its own."""
        self._know(document.base, document, name)
        for place in _schemas_in(document):
            if _own_id(place.json):
                self._know(place.base, place, name)
            for key in _ANCHORS:
                if isinstance(anchor := place.json.get(key), str):
                    self._know(_join(place.base, f"#{anchor}"), place, name)

    def _know(self, uri: str, place: Place, name: str) -> None:
        """Whoever comes first has a name; the schema itself comes before all."""
        if uri not in self._places:
            if len(self._places) > IDS_MAX + 4 * REFERENCES_MAX:
                raise SchemaError(f"there are more than {IDS_MAX} ids")
            self._places[uri] = place
            if name:
                self._names[uri] = name

    def find(self, ref: str, place: Place) -> Place | None:
        """Where `ref`, which stands at `place`, leads; None if that is a metaschema. Raises SchemaError."""
        for uri in (_join(place.base, ref), ref):
            if uri in self._places:
                self._use(uri)
                return self._places[uri]
            base, _, fragment = uri.partition("#")
            if base in self._places:
                self._use(base)
                return _follow(self._places[base], unquote(fragment), ref, place)
            if _METASCHEMA.match(base):
                return None
        raise SchemaError(f"{ref!r} is in none of the references given, and nothing is fetched", place.where)

    def _use(self, uri: str) -> None:
        if uri in self._names:
            self.used.add(self._names[uri])


def _draft_of(json: Json) -> Draft:
    """As `$schema` says; draft 7 where it does not, or names none that we know."""
    said = json.get("$schema") if isinstance(json, dict) else None
    return next((draft for name, draft in _DRAFTS.items() if isinstance(said, str) and name in said), Draft.DRAFT_7)


def _own_id(json: Json) -> str:
    if not isinstance(json, dict):
        return ""
    own_id: str = next((json[key] for key in _IDS if isinstance(json.get(key), str)), "")
    return own_id.partition("#")[0]


def _join(base: str, ref: str) -> str:
    """A reference made absolute."""
    if not ref:
        return base
    if len(base) + len(ref) > REFERENCE_CHARS_MAX:
        raise SchemaError(f"a reference or id of more than {REFERENCE_CHARS_MAX} characters")
    uri, hash_, fragment = ref.partition("#")
    return (_joined(base, uri) if uri else base.partition("#")[0]) + hash_ + fragment


@lru_cache(maxsize=4096)
def _joined(base: str, uri: str) -> str:
    try:
        return urljoin(base, uri)
    except ValueError:
        raise SchemaError(f"{uri[:200]!r} is no reference") from None


def _schemas_in(document: Place) -> Iterator[Place]:
    """Every object in a document but what is given as a value."""
    waiting = [document]
    while waiting:
        place = waiting.pop()
        if isinstance(place.json, list):
            waiting += [place.inner(index) for index in range(len(place.json))]
        elif isinstance(place.json, dict):
            yield place
            waiting += [place.inner(key) for key in place.json if key not in _VALUES]


def _follow(place: Place, pointer: str, ref: str, seen_at: Place) -> Place:
    """The schema at a JSON pointer (RFC 6901)."""
    if pointer and not pointer.startswith("/"):
        raise SchemaError(f"{ref!r} leads nowhere", seen_at.where)
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(place.json, dict) and key in place.json:
            place = place.inner(key)
        elif isinstance(place.json, list) and re.fullmatch("[0-9]{1,7}", key) and int(key) < len(place.json):
            place = place.inner(int(key))
        else:
            raise SchemaError(f"{ref!r} leads nowhere", seen_at.where)
    return place
