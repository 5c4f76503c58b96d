"""Reads the text of a .proto file, as protoc does (https://protobuf.dev/reference/protobuf/proto3-spec/).

Not by protoc, which reads files, and forgets how options and types were written: that is part of what makes two schemas
the same to a registry. Tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

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
    Option,
    Range,
    Service,
    Value,
    Word,
)
from tidings.registry.compatibility.protobuf.tokens import Token, tokens, unquoted, where
from tidings.registry.compatibility.schema import SchemaError, refuse_large

T = TypeVar("T")

DEPTH_MAX = 32
"""Of messages in messages, and of values in values. protoc has the same for messages."""
_LABELS = frozenset(Label)
_ENUM_NUMBER_MAX = (1 << 31) - 1


def parse_file(text: str, name: str = "the schema") -> File:
    """Raises SchemaError."""
    refuse_large(text, name)
    return _Parser(text).file()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: Iterator[Token] = tokens(text)
        self._next = next(self._tokens)
        self._depth = 0

    # --- tokens ---

    def _refuse(self, message: str, token: Token | None = None) -> SchemaError:
        return SchemaError(message, where(self._text, (token or self._next).pos))

    def _take(self) -> Token:
        token = self._next
        if token.kind == "end":
            raise self._refuse("the text ends where something is missing")
        self._next = next(self._tokens)
        return token

    def _takes(self, text: str) -> bool:
        if self._next.text == text and self._next.kind in ("symbol", "name"):
            self._take()
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._takes(text):
            raise self._refuse(f"there is {self._next.text or 'the end'!r} where {text!r} is missing")

    def _name(self) -> str:
        token = self._take()
        if token.kind != "name":
            raise self._refuse(f"{token.text!r} is no name", token)
        return token.text

    def _full_name(self) -> str:
        """Names with dots between them, perhaps one before them all."""
        name = ("." if self._takes(".") else "") + self._name()
        while self._takes("."):
            name += f".{self._name()}"
        return name

    def _string(self) -> str:
        """Several literals in a row are one string."""
        token = self._take()
        if token.kind != "string":
            raise self._refuse(f"{token.text!r} is no string", token)
        parts = [unquoted(token.text)]
        while self._next.kind == "string":
            parts.append(unquoted(self._take().text))
        return "".join(parts)

    def _integer(self, largest: int) -> int:
        sign = -1 if self._takes("-") else 1
        token = self._take()
        try:
            is_octal = token.text.startswith("0") and token.text.isdecimal()
            number = sign * int(token.text, 8 if is_octal else 0)
        except ValueError:
            raise self._refuse(f"{token.text[:50]!r} is no whole number", token) from None
        if abs(number) > largest + (sign < 0):
            raise self._refuse(f"{token.text[:50]} is too large", token)
        return number

    def _nested(self, read: Callable[[], T]) -> T:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._refuse(f"it is nested more than {DEPTH_MAX} levels deep")
        found = read()
        self._depth -= 1
        return found

    # --- the file ---

    def file(self) -> File:
        file = File()
        while self._next.kind != "end":
            self._statement(file)
        return file

    def _statement(self, file: File) -> None:
        token = self._take()
        match token.text:
            case ";":
                pass
            case "syntax" | "edition":
                self._syntax(file, token)
            case "package":
                file.package = self._full_name()
                self._expect(";")
            case "import":
                kind = "public" if self._takes("public") else "weak" if self._takes("weak") else ""
                (file.public_imports if kind == "public" else file.imports).append(self._string())
                self._expect(";")
            case "option":
                file.options.append(self._option_statement())
            case "message":
                file.types.append(self._nested(self._message))
            case "enum":
                file.types.append(self._enum())
            case "service":
                file.services.append(self._service())
            case "extend":
                file.extensions.append(self._extension(file.types))
            case _:
                raise self._refuse(f"{token.text!r} does not begin anything that a file can hold", token)

    def _syntax(self, file: File, token: Token) -> None:
        self._expect("=")
        said = self._string()
        if token.text == "edition":
            file.edition = said
        elif said in ("proto2", "proto3"):
            file.syntax = said
        else:
            raise self._refuse(f"there is no syntax {said!r}", token)
        self._expect(";")

    # --- messages ---

    def _message(self) -> Message:
        message = Message(self._name())
        self._message_body(message)
        return message

    def _message_body(self, message: Message) -> None:
        self._expect("{")
        while not self._takes("}"):
            self._member(message)

    def _member(self, message: Message) -> None:
        match self._next.text:
            case ";":
                self._take()
            case "message":
                self._take()
                message.types.append(self._nested(self._message))
            case "enum":
                self._take()
                message.types.append(self._enum())
            case "oneof":
                self._take()
                message.oneofs.append(self._oneof(message.types))
            case "option":
                self._take()
                message.options.append(self._option_statement())
            case "reserved":
                self._take()
                message.reserved.append(self._reserved(NUMBER_MAX))
            case "extensions":
                self._take()
                message.extension_ranges.append(self._ranges(NUMBER_MAX))
                self._options()
                self._expect(";")
            case "extend":
                self._take()
                message.extensions.append(self._extension(message.types))
            case _:
                message.fields.append(self._field(message.types))

    def _field(self, types: list[Message | Enum]) -> Field:
        """A group declares a message as well, which goes to `types`."""
        label = Label(self._take().text) if self._next.text in _LABELS else None
        if self._takes("group"):
            return self._group(label, types)
        kind = self._map_type() if self._next.text == "map" else self._full_name()
        if isinstance(kind, str) and kind == "map":  # a type of that name: only `map<` is the other
            raise self._refuse("a map says of what type its keys and values are")
        name = self._name()
        self._expect("=")
        field = Field(name, self._integer(NUMBER_MAX), kind, label, self._options())
        self._expect(";")
        return field

    def _map_type(self) -> MapType:
        self._take()
        self._expect("<")
        key = self._name()
        self._expect(",")
        value = self._full_name()
        self._expect(">")
        return MapType(key, value)

    def _group(self, label: Label | None, types: list[Message | Enum]) -> Field:
        name = self._name()
        self._expect("=")
        field = Field(name.lower(), self._integer(NUMBER_MAX), name, label, self._options())
        message = Message(name)
        self._nested(lambda: self._message_body(message))
        types.append(message)
        return field

    def _oneof(self, types: list[Message | Enum]) -> OneOf:
        oneof = OneOf(self._name())
        self._expect("{")
        while not self._takes("}"):
            if self._takes("option"):
                oneof.options.append(self._option_statement())
            elif not self._takes(";"):
                oneof.fields.append(self._field(types))
        return oneof

    def _extension(self, types: list[Message | Enum]) -> Extension:
        extension = Extension(self._full_name())
        self._expect("{")
        while not self._takes("}"):
            if not self._takes(";"):
                extension.fields.append(self._field(types))
        return extension

    # --- enums and services ---

    def _enum(self) -> Enum:
        enum = Enum(self._name())
        self._expect("{")
        while not self._takes("}"):
            if self._takes("option"):
                enum.options.append(self._option_statement())
            elif self._takes("reserved"):
                enum.reserved.append(self._reserved(_ENUM_NUMBER_MAX))
            elif not self._takes(";"):
                name = self._name()
                self._expect("=")
                enum.constants.append(Constant(name, self._integer(_ENUM_NUMBER_MAX), self._options()))
                self._expect(";")
        return enum

    def _reserved(self, largest: int) -> list[str | Range]:
        reserved: list[str | Range] = []
        if self._next.kind == "string":
            reserved.append(self._string())
            while self._takes(","):
                reserved.append(self._string())
        elif self._next.kind == "name":  # editions write names without quotes
            reserved.append(self._name())
            while self._takes(","):
                reserved.append(self._name())
        else:
            reserved += self._ranges(largest)
        self._expect(";")
        return reserved

    def _ranges(self, largest: int) -> list[Range]:
        ranges = [self._range(largest)]
        while self._takes(","):
            ranges.append(self._range(largest))
        return ranges

    def _range(self, largest: int) -> Range:
        first = self._integer(largest)
        if not self._takes("to"):
            return Range(first, first)
        return Range(first, largest if self._takes("max") else self._integer(largest))

    def _service(self) -> Service:
        service = Service(self._name())
        self._expect("{")
        while not self._takes("}"):
            if self._takes("option"):
                service.options.append(self._option_statement())
            elif not self._takes(";"):
                self._expect("rpc")
                service.methods.append(self._method())
        return service

    def _method(self) -> Method:
        name = self._name()
        streams_requests, request = self._message_of_method()
        self._expect("returns")
        streams_responses, response = self._message_of_method()
        method = Method(name, request, response, streams_requests, streams_responses)
        if self._takes("{"):
            while not self._takes("}"):
                if not self._takes(";"):
                    self._expect("option")
                    method.options.append(self._option_statement())
        else:
            self._expect(";")
        return method

    def _message_of_method(self) -> tuple[bool, str]:
        self._expect("(")
        streams = self._takes("stream")
        name = self._full_name()
        self._expect(")")
        return streams, name

    # --- options ---

    def _option_statement(self) -> Option:
        option = self._option()
        self._expect(";")
        return option

    def _options(self) -> list[Option]:
        """`[a = 1, b = 2]`, if that is next."""
        if not self._takes("["):
            return []
        options = [self._option()]
        while self._takes(","):
            options.append(self._option())
        self._expect("]")
        return options

    def _option(self) -> Option:
        name = self._option_name()
        while self._takes("."):
            name += f".{self._option_name()}"
        self._expect("=")
        return Option(name, self._value())

    def _option_name(self) -> str:
        if not self._takes("("):
            return self._name()
        name = f"({self._full_name()})"
        self._expect(")")
        return name

    def _value(self) -> Value:
        if self._next.kind == "string":
            return self._string()
        if self._next.text in ("{", "<") and self._next.kind == "symbol":
            return self._nested(self._object)
        if self._takes("["):
            return self._nested(self._list)
        sign = "-" if self._takes("-") else "+" if self._takes("+") else ""
        if self._next.kind == "number":
            return Word(sign + self._take().text)
        return Word(sign + self._full_name())

    def _list(self) -> list[Value]:
        values: list[Value] = []
        while not self._takes("]"):
            values.append(self._value())
            if not self._takes(","):
                self._expect("]")
                break
        return values

    def _object(self) -> dict[str, Value]:
        end = "}" if self._take().text == "{" else ">"
        members: dict[str, Value] = {}
        while not self._takes(end):
            name = self._member_name()
            if not self._takes(":") and self._next.text not in ("{", "<"):
                raise self._refuse("a value is missing")
            _put(members, name, self._value())
            if not self._takes(","):
                self._takes(";")
        return members

    def _member_name(self) -> str:
        if not self._takes("["):
            return self._name()
        name = self._full_name()
        if self._takes("/"):
            name += f"/{self._full_name()}"
        self._expect("]")
        return f"[{name}]"


def _put(members: dict[str, Value], name: str, value: Value) -> None:
    """What is said several times is a list."""
    known = members.get(name)
    if known is None:
        members[name] = value
    elif isinstance(known, list):
        known.append(value)
    else:
        members[name] = [known, value]
