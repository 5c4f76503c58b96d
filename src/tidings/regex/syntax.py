"""Reads a regular expression of RE2's syntax into a tree. Of any set of characters only those are kept that the names
it is to be tried on are made of: topics have 65 (letters, digits, `.`, `_`, `-`), transactional ids the ones they have.

Understood: literals, `.`, `[…]` with ranges, negation, `\\d \\w \\s` and `[:alpha:]` kinds, groups of all forms, `|`,
`* + ? {n} {n,} {n,m}` and their lazy forms, `^ $ \\A \\z \\b \\B`, `\\Q…\\E`, `(?i)`, `(?s)`, `(?m)`, `(?U)`. Not: what
RE2 has not either (backreferences, looking around, possessive and atomic groups), and Unicode classes (`\\p`). A name
is taken to be one line.
"""

from __future__ import annotations

import string
from typing import NamedTuple

TOPIC_CHARS = frozenset(string.ascii_letters + string.digits + "._-")
WORD_CHARS = frozenset(string.ascii_letters + string.digits + "_")
REPEAT_MAX = 1000  # RE2's
DEPTH_MAX = 100


class RegexError(ValueError):
    """The message says what is wrong with the expression."""


class Chars(NamedTuple):
    """One character out of these."""

    chars: frozenset[str]


class Assertion(NamedTuple):
    """A place: `^`, `$`, `b` (an edge of a word) or `B` (none)."""

    kind: str


class Sequence(NamedTuple):
    parts: tuple[Node, ...]


class Choice(NamedTuple):
    options: tuple[Node, ...]


class Repeat(NamedTuple):
    """`most` is None for any number."""

    part: Node
    least: int
    most: int | None


Node = Chars | Assertion | Sequence | Choice | Repeat

_CLASSES = {
    "alnum": string.ascii_letters + string.digits,
    "alpha": string.ascii_letters,
    "ascii": "".join(map(chr, range(128))),
    "blank": " \t",
    "cntrl": "".join(map(chr, range(32))) + "\x7f",
    "digit": string.digits,
    "graph": string.ascii_letters + string.digits + string.punctuation,
    "lower": string.ascii_lowercase,
    "print": string.ascii_letters + string.digits + string.punctuation + " ",
    "punct": string.punctuation,
    "space": string.whitespace,
    "upper": string.ascii_uppercase,
    "word": "".join(WORD_CHARS),
    "xdigit": string.hexdigits,
}
_ESCAPED_CLASSES = {"d": frozenset(string.digits), "w": WORD_CHARS, "s": frozenset(" \t\n\f\r")}
_ESCAPED_CHARS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ASSERTIONS = {"A": "^", "z": "$", "b": "b", "B": "B"}
_REPEATS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def parse(regex: str, alphabet: frozenset[str]) -> Node:
    """Raises RegexError."""
    return _Parser(regex, alphabet).whole()


class _Parser:
    def __init__(self, regex: str, alphabet: frozenset[str]) -> None:
        self.regex = regex
        self.alphabet = alphabet
        self.pos = 0
        self.depth = 0
        self.ignores_case = False

    def whole(self) -> Node:
        node = self.choice()
        if self.pos < len(self.regex):
            raise RegexError("unexpected )")
        return node

    # --- characters ---

    def peek(self) -> str:
        """The next character; empty at the end."""
        return self.regex[self.pos : self.pos + 1]

    def take(self, text: str) -> bool:
        if self.regex.startswith(text, self.pos):
            self.pos += len(text)
            return True
        return False

    def next(self, missing: str) -> str:
        char = self.peek()
        if not char:
            raise RegexError(missing)
        self.pos += 1
        return char

    def until(self, end: str, missing: str) -> str:
        stop = self.regex.find(end, self.pos)
        if stop < 0:
            raise RegexError(missing)
        text = self.regex[self.pos : stop]
        self.pos = stop + len(end)
        return text

    # --- grammar ---

    def choice(self) -> Node:
        options = [self.sequence()]
        while self.take("|"):
            options.append(self.sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def sequence(self) -> Node:
        parts: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            parts += self.repeated()
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def repeated(self) -> list[Node]:
        parts = self.part()
        if not parts:
            return parts
        bounds = self.bounds()
        if bounds is None:
            return parts
        parts[-1] = Repeat(parts[-1], *bounds)
        self.take("?")  # lazy: whether it matches is the same
        if self.peek() in ("*", "+", "?") or self.bounds() is not None:
            raise RegexError("invalid nested repetition operator")
        return parts

    def bounds(self) -> tuple[int, int | None] | None:
        """How often the part before is repeated, if something says so here."""
        if (char := self.peek()) in _REPEATS:
            self.pos += 1
            return _REPEATS[char]
        if char != "{":
            return None
        text, closed, _ = self.regex[self.pos + 1 :].partition("}")
        low, comma, high = text.partition(",")
        if not closed or not _is_number(low) or (high and not _is_number(high)):
            return None  # RE2 takes the brace literally then
        self.pos += len(text) + 2
        least = int(low)
        most = (int(high) if high else None) if comma else least
        if max(least, most or 0) > REPEAT_MAX or (most is not None and most < least):
            raise RegexError(f"invalid repeat count: {{{text}}}")
        return least, most

    def part(self) -> list[Node]:
        char = self.next("")
        if char == "(":
            return self.group()
        if char == "[":
            return [self.chars(self.bracketed())]
        if char == ".":
            return [Chars(self.alphabet)]
        if char in "^$":
            return [Assertion(char)]
        if char == "\\":
            return self.escaped()
        if char in _REPEATS:
            raise RegexError(f"missing argument to repetition operator: {char}")
        return [self.chars(frozenset(char))]

    def chars(self, chars: frozenset[str]) -> Chars:
        if self.ignores_case:
            chars |= frozenset(char.swapcase() for char in chars)
        return Chars(chars & self.alphabet)

    def group(self) -> list[Node]:
        ignored_case = self.ignores_case
        if self.take("?"):
            if self.take("P<") or (self.peek() == "<" and self.regex[self.pos + 1 : self.pos + 2] not in ("=", "!")):
                self.take("<")
                if not self.until(">", "invalid named capture").isidentifier():
                    raise RegexError("invalid named capture")
            elif self.flags():
                return []
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise RegexError("expression nests too deeply")
        node = self.choice()
        if not self.take(")"):
            raise RegexError("missing closing )")
        self.depth -= 1
        self.ignores_case = ignored_case
        return [node]

    def flags(self) -> bool:
        """Reads `i-s:` or `i)`; whether it was the latter, which holds for the rest of the group around it."""
        switches_on = True
        while (char := self.next("missing closing )")) not in ":)":
            if char == "i":
                self.ignores_case = switches_on
            elif char == "-" and switches_on:
                switches_on = False
            elif char not in "msU":
                raise RegexError(f"invalid or unsupported Perl syntax: (?{char}")
        return char == ")"

    def escaped(self) -> list[Node]:
        char = self.next("trailing backslash at end of expression")
        if char in _ASSERTIONS:
            return [Assertion(_ASSERTIONS[char])]
        if char == "Q":
            end = self.regex.find("\\E", self.pos)
            text = self.regex[self.pos : end if end >= 0 else None]
            self.pos += len(text) + (2 if end >= 0 else 0)
            return [self.chars(frozenset(char)) for char in text]
        return [self.chars(self.escaped_chars(char))]

    def escaped_chars(self, char: str) -> frozenset[str]:
        if char.lower() in _ESCAPED_CLASSES:
            chars = _ESCAPED_CLASSES[char.lower()]
            return self.alphabet - chars if char.isupper() else chars
        if char in _ESCAPED_CHARS:
            return frozenset(_ESCAPED_CHARS[char])
        if char == "x":
            digits = (
                self.until("}", "invalid escape sequence: \\x") if self.take("{") else self.next("") + self.next("")
            )
            try:
                return frozenset(chr(int(digits, 16)))
            except (ValueError, OverflowError):
                raise RegexError("invalid escape sequence: \\x") from None
        if char == "_" or not char.isalnum():
            return frozenset(char)
        raise RegexError(f"invalid escape sequence: \\{char}")

    def bracketed(self) -> frozenset[str]:
        negated = self.take("^")
        chars: frozenset[str] = frozenset()
        first = True
        while first or self.peek() != "]":
            first = False
            chars |= self.bracketed_item()
        self.pos += 1
        if self.ignores_case:
            chars |= frozenset(char.swapcase() for char in chars)
        return self.alphabet - chars if negated else chars

    def bracketed_item(self) -> frozenset[str]:
        if self.take("[:"):
            name = self.until(":]", "missing closing ]")
            chars = _CLASSES.get(name.removeprefix("^"))
            if chars is None:
                raise RegexError(f"invalid character class range: [:{name}:]")
            return self.alphabet - frozenset(chars) if name.startswith("^") else frozenset(chars)
        low = self.bracketed_char()
        if self.peek() != "-" or self.regex[self.pos + 1 : self.pos + 2] in ("]", ""):
            return low
        self.pos += 1
        high = self.bracketed_char()
        if len(low) != 1 or len(high) != 1 or min(low) > min(high):
            raise RegexError("invalid character class range")
        return frozenset(char for char in self.alphabet if min(low) <= char <= min(high))

    def bracketed_char(self) -> frozenset[str]:
        char = self.next("missing closing ]")
        return self.escaped_chars(self.next("missing closing ]")) if char == "\\" else frozenset(char)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 6
