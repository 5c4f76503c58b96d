"""Reads what all statements of a .proto file are made of: names, numbers, strings, options and their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from tidings.registry.compatibility.protobuf.elements import Option, Value, Word
from tidings.registry.compatibility.protobuf.tokens import Token, tokens, unquoted, where
from tidings.registry.compatibility.schema import SchemaError

T = TypeVar("T")

PARTS_MAX = 64
"""Of a name, between its dots."""

DEPTH_MAX = 32
"""Of messages in messages, and of values in values. protoc has the same for messages."""


class Reader:
    """Goes through a text token by token. Raises SchemaError wherever it is not what it should be."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: Iterator[Token] = tokens(text)
        self.next = next(self._tokens)
        self._depth = 0

    # --- tokens ---

    def refusal(self, message: str, token: Token | None = None) -> SchemaError:
        return SchemaError(message, where(self._text, (token or self.next).pos))

    def take(self) -> Token:
        token = self.next
        if token.kind == "end":
            raise self.refusal("the text ends where something is missing")
        self.next = next(self._tokens)
        return token

    def takes(self, text: str) -> bool:
        if self.next.text == text and self.next.kind in ("symbol", "name"):
            self.take()
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.takes(text):
            raise self.refusal(f"there is {self.next.text or 'the end'!r} where {text!r} is missing")

    def name(self) -> str:
        token = self.take()
        if token.kind != "name":
            raise self.refusal(f"{token.text!r} is no name", token)
        return token.text

    def full_name(self) -> str:
        """Names with dots between them, perhaps one before them all."""
        prefix = "." if self.takes(".") else ""
        return prefix + self.dotted(self.name)

    def dotted(self, part: Callable[[], str]) -> str:
        """Several of what `part` reads, with dots between them."""
        parts = [part()]
        while self.takes("."):
            if len(parts) == PARTS_MAX:
                raise self.refusal(f"a name has more than {PARTS_MAX} parts")
            parts.append(part())
        return ".".join(parts)

    def string(self) -> str:
        """Several literals in a row are one string."""
        token = self.take()
        if token.kind != "string":
            raise self.refusal(f"{token.text!r} is no string", token)
        parts = [unquoted(token.text)]
        while self.next.kind == "string":
            parts.append(unquoted(self.take().text))
        return "".join(parts)

    def integer(self, largest: int) -> int:
        sign = -1 if self.takes("-") else 1
        token = self.take()
        try:
            is_octal = token.text.startswith("0") and token.text.isdecimal()
            number = sign * int(token.text, 8 if is_octal else 0)
        except ValueError:
            raise self.refusal(f"{token.text[:50]!r} is no whole number", token) from None
        if abs(number) > largest + (sign < 0):
            raise self.refusal(f"{token.text[:50]} is too large", token)
        return number

    def nested(self, read: Callable[[], T]) -> T:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self.refusal(f"it is nested more than {DEPTH_MAX} levels deep")
        found = read()
        self._depth -= 1
        return found

    # --- options ---

    def option_statement(self) -> Option:
        option = self._option()
        self.expect(";")
        return option

    def options(self) -> list[Option]:
        """`[a = 1, b = 2]`, if that is next."""
        if not self.takes("["):
            return []
        options = [self._option()]
        while self.takes(","):
            options.append(self._option())
        self.expect("]")
        return options

    def _option(self) -> Option:
        name = self.dotted(self._option_name)
        self.expect("=")
        return Option(name, self._value())

    def _option_name(self) -> str:
        if not self.takes("("):
            return self.name()
        name = f"({self.full_name()})"
        self.expect(")")
        return name

    def _value(self) -> Value:
        if self.next.kind == "string":
            return self.string()
        if self.next.text in ("{", "<") and self.next.kind == "symbol":
            return self.nested(self._object)
        if self.takes("["):
            return self.nested(self._list)
        sign = "-" if self.takes("-") else "+" if self.takes("+") else ""
        if self.next.kind == "number":
            return Word(sign + self.take().text)
        return Word(sign + self.full_name())

    def _list(self) -> list[Value]:
        values: list[Value] = []
        while not self.takes("]"):
            values.append(self._value())
            if not self.takes(","):
                self.expect("]")
                break
        return values

    def _object(self) -> dict[str, Value]:
        end = "}" if self.take().text == "{" else ">"
        members: dict[str, Value] = {}
        while not self.takes(end):
            name = self._member_name()
            if not self.takes(":") and self.next.text not in ("{", "<"):
                raise self.refusal("a value is missing")
            _put(members, name, self._value())
            if not self.takes(","):
                self.takes(";")
        return members

    def _member_name(self) -> str:
        if not self.takes("["):
            return self.name()
        name = self.full_name()
        if self.takes("/"):
            name += f"/{self.full_name()}"
        self.expect("]")
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
