"""Which changes of a JSON Schema break a reader: whatever was valid for the writer must be valid for the reader.

The kinds and their verdicts are those of Confluent's registry; some are ours, for what it does not look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tidings.registry.compatibility.change import Verdict, Verdicts, breaking, fine


def _limit(kind: str, what: str, *, is_upper: bool) -> Iterator[Verdict]:
    """A limit may be taken away, and an upper one may grow."""
    yield breaking(f"{kind}_ADDED", f"{{reader}} has {what} ({{detail}}), and {{writer}} had none")
    yield fine(f"{kind}_REMOVED", f"{{writer}} had {what} ({{detail}}), and {{reader}} has none")
    larger, smaller = f"{kind}_INCREASED", f"{kind}_DECREASED"
    meaning = f"{what} is larger in {{reader}} ({{detail}})", f"{what} is smaller in {{reader}} ({{detail}})"
    if is_upper:
        yield fine(larger, meaning[0])
        yield breaking(smaller, meaning[1])
    else:
        yield breaking(larger, meaning[0])
        yield fine(smaller, meaning[1])


def _rest(kind: str, what: str) -> Iterator[Verdict]:
    """What is said of those that are not named one by one."""
    yield fine(f"{kind}_ADDED", f"{{reader}} allows {what}, and {{writer}} did not")
    yield breaking(f"{kind}_REMOVED", f"{{writer}} allowed {what}, and {{reader}} does not")
    yield fine(f"{kind}_EXTENDED", f"{{reader}} asks nothing of {what} any more")
    yield breaking(f"{kind}_NARROWED", f"{{reader}} asks something of {what}, and {{writer}} did not")


def _schema(kind: str, what: str) -> Iterator[Verdict]:
    yield breaking(f"{kind}_ADDED", f"{{reader}} has {what}, and {{writer}} had none")
    yield fine(f"{kind}_REMOVED", f"{{writer}} had {what}, and {{reader}} has none")


def _content_models() -> Iterator[Verdict]:
    model = "PARTIALLY_OPEN_CONTENT_MODEL"
    for kind, what in (("PROPERTY", "property"), ("ITEM", "item")):
        name = f"the {what} {{detail}}" if kind == "PROPERTY" else "an item"
        yield fine(
            f"{kind}_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL",
            f"{{reader}} names {name} and allows anything in it, as {{writer}} did",
        )
        yield fine(
            f"{kind}_REMOVED_FROM_OPEN_CONTENT_MODEL",
            f"{{reader}} does not name {name}, and allows what it does not name",
        )
        yield fine(
            f"{kind}_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL", f"{name} could not be there, and still cannot"
        )
        yield breaking(
            f"{kind}_REMOVED_FROM_CLOSED_CONTENT_MODEL",
            f"{{reader}} does not name {name}, and allows nothing that it does not name",
        )
        yield fine(f"{kind}_REMOVED_IS_COVERED_BY_{model}", f"what {{reader}} says of others allows {name}")
        yield breaking(
            f"{kind}_REMOVED_NOT_COVERED_BY_{model}", f"what {{reader}} says of others does not allow {name}"
        )
        yield fine(f"{kind}_ADDED_IS_COVERED_BY_{model}", f"{{reader}} allows in {name} what {{writer}} said of others")
        yield breaking(
            f"{kind}_ADDED_NOT_COVERED_BY_{model}",
            f"{{reader}} does not allow in {name} what {{writer}} said of others",
        )
    could_be_anything = "{reader} asks something of the property {detail}, which could be anything in {writer}"
    yield breaking("OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", could_be_anything)
    yield breaking("REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", could_be_anything)
    yield breaking("REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL", could_be_anything)
    yield breaking(
        "ITEM_ADDED_TO_OPEN_CONTENT_MODEL", "{reader} asks something of an item that could be anything before"
    )
    yield fine("ITEM_ADDED_TO_CLOSED_CONTENT_MODEL", "{reader} names an item that could not be there in {writer}")
    yield breaking(
        "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL",
        "{reader} requires the property {detail}, which could not be there in {writer}",
    )
    yield fine(
        "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL",
        "{reader} requires the property {detail}, and has a default for it",
    )
    yield fine(
        "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL",
        "{reader} knows the property {detail}, which could not be there in {writer}",
    )


def _rows() -> Iterator[Verdict]:
    yield fine("ID_CHANGED", "{reader} has another id")
    yield fine("TITLE_CHANGED", "{reader} has another title")
    yield fine("DESCRIPTION_CHANGED", "{reader} is described in other words")
    yield fine("DEFAULT_CHANGED", "{reader} has another default")
    yield breaking("TYPE_CHANGED", "{reader} is of another type than {writer} ({detail})")
    yield breaking("TYPE_NARROWED", "{reader} wants whole numbers, and {writer} allowed others")
    yield fine("TYPE_EXTENDED", "{reader} takes all numbers, and {writer} had whole ones only")
    yield breaking("SCHEMA_ADDED", "{reader} asks something, and {writer} did not")
    yield fine("SCHEMA_REMOVED", "{reader} asks nothing any more")

    yield from _limit("MAX_LENGTH", "a longest length", is_upper=True)
    yield from _limit("MIN_LENGTH", "a shortest length", is_upper=False)
    yield breaking("PATTERN_ADDED", "{reader} has a pattern, and {writer} had none")
    yield fine("PATTERN_REMOVED", "{writer} had a pattern, and {reader} has none")
    yield breaking("PATTERN_CHANGED", "{reader} has another pattern: nobody can tell whether it takes as much")

    yield from _limit("MAXIMUM", "a largest value", is_upper=True)
    yield from _limit("MINIMUM", "a smallest value", is_upper=False)
    yield from _limit("EXCLUSIVE_MAXIMUM", "a value that all are below", is_upper=True)
    yield from _limit("EXCLUSIVE_MINIMUM", "a value that all are above", is_upper=False)
    yield breaking("MULTIPLE_OF_ADDED", "{reader} wants multiples of {detail}, and {writer} took others")
    yield fine("MULTIPLE_OF_REMOVED", "{writer} had multiples of {detail}, and {reader} takes others")
    yield breaking("MULTIPLE_OF_EXPANDED", "{reader} wants larger steps ({detail})")
    yield fine("MULTIPLE_OF_REDUCED", "{reader} takes smaller steps, which the larger ones are made of ({detail})")
    yield breaking("MULTIPLE_OF_CHANGED", "{reader} wants other steps ({detail})")

    yield breaking("ENUM_ARRAY_NARROWED", "{reader} has fewer values: {detail} are gone")
    yield fine("ENUM_ARRAY_EXTENDED", "{reader} has more values: {detail}")
    yield breaking("ENUM_ARRAY_CHANGED", "{reader} has other values: {detail}")

    yield breaking("REQUIRED_ATTRIBUTE_ADDED", "{reader} requires the property {detail}, and {writer} did not")
    yield fine("REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED", "{reader} requires {detail}, and has a default for it")
    yield fine("REQUIRED_ATTRIBUTE_REMOVED", "{reader} does not require the property {detail} any more")
    yield from _content_models()
    yield from _rest("ADDITIONAL_PROPERTIES", "properties that are not named")
    yield from _rest("UNEVALUATED_PROPERTIES", "properties that nothing speaks of")
    yield breaking("PATTERN_PROPERTY_ADDED", "{reader} asks of names with {detail} what {writer} did not")
    yield fine("PATTERN_PROPERTY_ADDED_WITHIN", "{reader} allows with {detail} all that {writer} allowed there")
    yield fine("PATTERN_PROPERTY_REMOVED", "{reader} does not speak of {detail}, and allows there what {writer} did")
    yield breaking("PATTERN_PROPERTY_REMOVED_WITHOUT", "{reader} does not allow what {writer} allowed with {detail}")
    yield from _schema("PROPERTY_NAMES", "a schema for the names of properties")
    yield from _limit("MAX_PROPERTIES", "a largest number of properties", is_upper=True)
    yield from _limit("MIN_PROPERTIES", "a smallest number of properties", is_upper=False)
    yield breaking("DEPENDENCY_ARRAY_ADDED", "where {detail} is, {reader} requires others, and {writer} did not")
    yield fine("DEPENDENCY_ARRAY_REMOVED", "where {detail} is, {reader} does not require others any more")
    yield breaking("DEPENDENCY_ARRAY_EXTENDED", "where {detail} is, {reader} requires more than {writer}")
    yield fine("DEPENDENCY_ARRAY_NARROWED", "where {detail} is, {reader} requires less than {writer}")
    yield breaking("DEPENDENCY_ARRAY_CHANGED", "where {detail} is, {reader} requires others than {writer}")
    yield from _schema("DEPENDENCY_SCHEMA", "a schema that holds where some property is")
    yield breaking("RESERVED_PROPERTY_REMOVED", "the property {detail} was reserved, and is not any more")
    yield breaking("RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY", "{reader} has the property {detail}, which is reserved")

    yield from _limit("MAX_ITEMS", "a largest number of items", is_upper=True)
    yield from _limit("MIN_ITEMS", "a smallest number of items", is_upper=False)
    yield breaking("UNIQUE_ITEMS_ADDED", "{reader} wants each item once, and {writer} did not")
    yield fine("UNIQUE_ITEMS_REMOVED", "{reader} takes an item several times")
    yield from _rest("ADDITIONAL_ITEMS", "items behind those that are named")
    yield from _rest("UNEVALUATED_ITEMS", "items that nothing speaks of")
    yield from _schema("CONTAINS", "a schema that some item has to fit")
    yield from _limit("MAX_CONTAINS", "a largest number of such items", is_upper=True)
    yield from _limit("MIN_CONTAINS", "a smallest number of such items", is_upper=False)

    yield fine("COMBINED_TYPE_EXTENDED", "{reader} combines schemas in a way that allows more ({detail})")
    yield breaking("COMBINED_TYPE_CHANGED", "{reader} combines schemas in another way ({detail})")
    yield breaking("COMBINED_TYPE_SUBSCHEMAS_CHANGED", "there is a schema that none of {reader} can stand for")
    yield breaking("PRODUCT_TYPE_EXTENDED", "{reader} has more schemas that all must hold")
    yield fine("PRODUCT_TYPE_NARROWED", "{reader} has fewer schemas that all must hold")
    yield fine("SUM_TYPE_EXTENDED", "{reader} has more schemas to choose from")
    yield breaking("SUM_TYPE_NARROWED", "{reader} has fewer schemas to choose from")
    yield breaking("NOT_TYPE_EXTENDED", "{reader} forbids more than {writer}")
    yield fine("NOT_TYPE_NARROWED", "{reader} forbids less than {writer}")
    yield breaking("CONDITION_CHANGED", "{reader} has another condition: nobody can tell what follows from it")


VERDICTS: Final = Verdicts(_rows())
