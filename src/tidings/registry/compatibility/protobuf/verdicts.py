"""Which changes of a Protobuf schema break a reader. The kinds and their verdicts are those of Confluent's registry."""

from __future__ import annotations

from typing import Final

from tidings.registry.compatibility.change import Verdicts, breaking, fine

VERDICTS: Final = Verdicts(
    (
        breaking("PACKAGE_CHANGED", "{reader}'s package is another ({detail}): its messages have other names"),
        fine("MESSAGE_ADDED", "{reader}'s file has the message {detail} as well"),
        breaking("MESSAGE_REMOVED", "{reader}'s file does not have the message {detail} any more"),
        fine("MESSAGE_MOVED", "the message {detail} is at another place: its number is told with each record"),
        fine("ENUM_ADDED", "{reader}'s file has the enum {detail} as well"),
        fine("ENUM_REMOVED", "{reader}'s file does not have the enum {detail} any more: its numbers are read as such"),
        fine("ENUM_CONST_ADDED", "{reader}'s enum has the constant {detail} as well"),
        fine("ENUM_CONST_CHANGED", "a constant has another name ({detail}): only its number is written"),
        fine("ENUM_CONST_REMOVED", "{reader}'s enum does not have the constant {detail}: its number is kept"),
        fine("FIELD_ADDED", "{reader}'s message has the field {detail} as well"),
        fine("FIELD_REMOVED", "{reader}'s message does not have the field {detail}, and passes over it"),
        fine("FIELD_NAME_CHANGED", "a field has another name ({detail}): only its number is written"),
        breaking("FIELD_KIND_CHANGED", "a field is a scalar, a message or a map where it was another ({detail})"),
        breaking("FIELD_SCALAR_KIND_CHANGED", "the type of a field is written in another way ({detail})"),
        breaking("FIELD_NAMED_TYPE_CHANGED", "a field holds another message ({detail})"),
        breaking(
            "FIELD_NUMERIC_LABEL_CHANGED", "a number has another label ({detail}): many are written in another way"
        ),
        fine("FIELD_STRING_OR_BYTES_LABEL_CHANGED", "a string has another label ({detail}): of many, the last is read"),
        breaking(
            "REQUIRED_FIELD_ADDED", "{reader}'s message requires the field {detail}, and {writer} does not have it"
        ),
        breaking(
            "REQUIRED_FIELD_REMOVED", "{writer}'s message requires the field {detail}, and {reader} does not have it"
        ),
        fine("ONEOF_ADDED", "{reader}'s message has the oneof {detail}"),
        fine("ONEOF_REMOVED", "{reader}'s message does not have the oneof {detail}"),
        fine("ONEOF_FIELD_ADDED", "{reader}'s oneof has the field {detail} as well"),
        breaking(
            "ONEOF_FIELD_REMOVED", "{reader}'s oneof does not have the field {detail}: what was chosen is not seen"
        ),
        fine("ONEOF_FIELD_MOVED_TO_TOP_LEVEL", "the field {detail} does not exclude others any more"),
        breaking(
            "MULTIPLE_FIELDS_MOVED_TO_ONEOF", "several fields that could be there together exclude each other now"
        ),
        breaking(
            "FIELD_MOVED_TO_EXISTING_ONEOF", "a field that could be there beside others of the oneof is in it now"
        ),
    )
)
