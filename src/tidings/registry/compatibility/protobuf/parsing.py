"""Reads the text of a .proto file, as protoc does (https://protobuf.dev/reference/protobuf/proto3-spec/).

Not by protoc, which reads files, and forgets how options and types were written: that is part of what makes two schemas
the same to a registry. Tests hold the two against each other.
"""

from __future__ import annotations

from tidings.registry.compatibility.protobuf.elements import (
    NUMBER_MAX,
    Constant,
    Enum,
    Extension,
    Field,
    File,
    Label,
    MapType,
    Message,
    Method,
    OneOf,
    Range,
    Service,
)
from tidings.registry.compatibility.protobuf.reading import Reader
from tidings.registry.compatibility.protobuf.tokens import Token
from tidings.registry.compatibility.schema import refuse_large

_LABELS = frozenset(Label)
_ENUM_NUMBER_MAX = (1 << 31) - 1


def parse_file(text: str, name: str = "the schema") -> File:
    """Raises SchemaError."""
    refuse_large(text, name)
    return _Parser(text).file()


class _Parser(Reader):
    # --- the file ---

    def file(self) -> File:
        file = File()
        while self.next.kind != "end":
            self._statement(file)
        return file

    def _statement(self, file: File) -> None:
        token = self.take()
        match token.text:
            case ";":
                pass
            case "syntax" | "edition":
                self._syntax(file, token)
            case "package":
                file.package = self.full_name()
                self.expect(";")
            case "import":
                kind = "public" if self.takes("public") else "weak" if self.takes("weak") else ""
                (file.public_imports if kind == "public" else file.imports).append(self.string())
                self.expect(";")
            case "option":
                file.options.append(self.option_statement())
            case "message":
                file.types.append(self.nested(self._message))
            case "enum":
                file.types.append(self._enum())
            case "service":
                file.services.append(self._service())
            case "extend":
                file.extensions.append(self._extension(file.types))
            case _:
                raise self.refusal(f"{token.text!r} does not begin anything that a file can hold", token)

    def _syntax(self, file: File, token: Token) -> None:
        self.expect("=")
        said = self.string()
        if token.text == "edition":
            file.edition = said
        elif said in ("proto2", "proto3"):
            file.syntax = said
        else:
            raise self.refusal(f"there is no syntax {said!r}", token)
        self.expect(";")

    # --- messages ---

    def _message(self) -> Message:
        message = Message(self.name())
        self._message_body(message)
        return message

    def _message_body(self, message: Message) -> None:
        self.expect("{")
        while not self.takes("}"):
            self._member(message)

    def _member(self, message: Message) -> None:
        match self.next.text:
            case ";":
                self.take()
            case "message":
                self.take()
                message.types.append(self.nested(self._message))
            case "enum":
                self.take()
                message.types.append(self._enum())
            case "oneof":
                self.take()
                message.oneofs.append(self._oneof(message.types))
            case "option":
                self.take()
                message.options.append(self.option_statement())
            case "reserved":
                self.take()
                message.reserved.append(self._reserved(NUMBER_MAX))
            case "extensions":
                self.take()
                message.extension_ranges.append(self._ranges(NUMBER_MAX))
                self.options()
                self.expect(";")
            case "extend":
                self.take()
                message.extensions.append(self._extension(message.types))
            case _:
                message.fields.append(self._field(message.types))

    def _field(self, types: list[Message | Enum]) -> Field:
        """A group declares a message as well, which goes to `types`."""
        label = Label(self.take().text) if self.next.text in _LABELS else None
        if self.takes("group"):
            return self._group(label, types)
        kind = self._map_type() if self.next.text == "map" else self.full_name()
        if isinstance(kind, str) and kind == "map":  # a type of that name: only `map<` is the other
            raise self.refusal("a map says of what type its keys and values are")
        name = self.name()
        self.expect("=")
        field = Field(name, self.integer(NUMBER_MAX), kind, label, self.options())
        self.expect(";")
        return field

    def _map_type(self) -> MapType:
        self.take()
        self.expect("<")
        key = self.name()
        self.expect(",")
        value = self.full_name()
        self.expect(">")
        return MapType(key, value)

    def _group(self, label: Label | None, types: list[Message | Enum]) -> Field:
        name = self.name()
        self.expect("=")
        field = Field(name.lower(), self.integer(NUMBER_MAX), name, label, self.options())
        message = Message(name)
        self.nested(lambda: self._message_body(message))
        types.append(message)
        return field

    def _oneof(self, types: list[Message | Enum]) -> OneOf:
        oneof = OneOf(self.name())
        self.expect("{")
        while not self.takes("}"):
            if self.takes("option"):
                oneof.options.append(self.option_statement())
            elif not self.takes(";"):
                oneof.fields.append(self._field(types))
        return oneof

    def _extension(self, types: list[Message | Enum]) -> Extension:
        extension = Extension(self.full_name())
        self.expect("{")
        while not self.takes("}"):
            if not self.takes(";"):
                extension.fields.append(self._field(types))
        return extension

    # --- enums and services ---

    def _enum(self) -> Enum:
        enum = Enum(self.name())
        self.expect("{")
        while not self.takes("}"):
            if self.takes("option"):
                enum.options.append(self.option_statement())
            elif self.takes("reserved"):
                enum.reserved.append(self._reserved(_ENUM_NUMBER_MAX))
            elif not self.takes(";"):
                name = self.name()
                self.expect("=")
                enum.constants.append(Constant(name, self.integer(_ENUM_NUMBER_MAX), self.options()))
                self.expect(";")
        return enum

    def _reserved(self, largest: int) -> list[str | Range]:
        reserved: list[str | Range] = []
        if self.next.kind == "string":
            reserved.append(self.string())
            while self.takes(","):
                reserved.append(self.string())
        elif self.next.kind == "name":  # editions write names without quotes
            reserved.append(self.name())
            while self.takes(","):
                reserved.append(self.name())
        else:
            reserved += self._ranges(largest)
        self.expect(";")
        return reserved

    def _ranges(self, largest: int) -> list[Range]:
        ranges = [self._range(largest)]
        while self.takes(","):
            ranges.append(self._range(largest))
        return ranges

    def _range(self, largest: int) -> Range:
        first = last = self.integer(largest)
        if self.takes("to"):
            last = largest if self.takes("max") else self.integer(largest)
        if last < first:
            raise self.refusal(f"{first} to {last} goes backwards")
        return Range(first, last)

    def _service(self) -> Service:
        service = Service(self.name())
        self.expect("{")
        while not self.takes("}"):
            if self.takes("option"):
                service.options.append(self.option_statement())
            elif not self.takes(";"):
                self.expect("rpc")
                service.methods.append(self._method())
        return service

    def _method(self) -> Method:
        name = self.name()
        streams_requests, request = self._message_of_method()
        self.expect("returns")
        streams_responses, response = self._message_of_method()
        method = Method(name, request, response, streams_requests, streams_responses)
        if self.takes("{"):
            while not self.takes("}"):
                if not self.takes(";"):
                    self.expect("option")
                    method.options.append(self.option_statement())
        else:
            self.expect(";")
        return method

    def _message_of_method(self) -> tuple[bool, str]:
        self.expect("(")
        streams = self.takes("stream")
        name = self.full_name()
        self.expect(")")
        return streams, name
