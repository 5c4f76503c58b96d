"""Which names of properties a `patternProperties` speaks of, found out in bounded time.

Patterns come from whoever registers a schema, and may be made to be slow. They are matched by an automaton that knows
RE2's syntax. What that does not have (looking around, backreferences, Unicode classes) is not understood, and then it
stays unclear which names are meant.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TypeVar

from tidings.regex.automaton import STATES_MAX, Regex
from tidings.regex.syntax import RegexError
from tidings.registry.compatibility.schema import TooCostlyError

T = TypeVar("T")

WORK_MAX = 1_000_000
"""States of automata, and characters of names that they look at, in one comparison."""
_UNICODE_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})")


class Patterns:
    """For one comparison. Raises TooCostlyError when it has looked at too much."""

    def __init__(self) -> None:
        self._work = 0

    def covering(self, patterns: Mapping[str, T], names: Collection[str], unclear: T) -> dict[str, T]:
        """By name, what the first pattern has that is found in it; names that no pattern is of are left out.

        Where a pattern is not understood, it is `unclear` for all names that no other is of.
        """
        found: dict[str, T] = {}
        is_unclear = False
        if not names:
            return found
        chars = frozenset("".join(names))
        for pattern, covered in patterns.items():
            regex = self._compiled(pattern, chars)
            if regex is None:
                is_unclear = True
            else:
                found |= {name: covered for name in names if name not in found and self._matches(regex, name)}
        if is_unclear:
            found = dict.fromkeys(names, unclear) | found
        return found

    def _matches(self, regex: Regex, name: str) -> bool:
        self._spend(len(name) + 1)
        try:
            return regex.matches(name)
        except RegexError:
            return False

    def _compiled(self, pattern: str, chars: frozenset[str]) -> Regex | None:
        """A pattern is looked for anywhere in a name. None if it is not understood."""
        pattern = _UNICODE_ESCAPE.sub(r"\\x{\1}", pattern)
        try:
            regex = Regex(f".*(?:{pattern}).*", chars)
        except RegexError:
            self._spend(STATES_MAX)
            return None
        self._spend(regex.size)
        return regex

    def _spend(self, work: int) -> None:
        self._work += work
        if self._work > WORK_MAX:
            raise TooCostlyError("there are too many names for too many patterns")
