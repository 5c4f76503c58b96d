"""Regular expressions of clients: what RE2 takes is taken, and nothing takes long."""

from __future__ import annotations

import re

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from tidings.regex.automaton import Regex
from tidings.regex.syntax import TOPIC_CHARS, RegexError

NAMES = ["orders", "orders.eu", "payments", "a-b", "__consumer_offsets", "Orders", "x1", "aaaa", "ab", "abc", "foo_bar"]
PIECES = st.recursive(
    st.sampled_from(["a", "b", "-", "\\.", ".", "[ab]", "[^a]", "[a-c_]", "\\w", "\\d", "^", "$", "\\b", "\\B", ""]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,}", "*?"])).map(
            lambda two: f"({two[0]}){two[1]}"
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(regex=PIECES, names=st.lists(st.text("aAbB1-._", min_size=1, max_size=8), max_size=6))
def test_it_matches_what_python_matches_where_both_know_the_syntax(regex: str, names: list[str]) -> None:
    compiled = Regex(regex)
    for name in names:
        assert compiled.matches(name) == bool(re.fullmatch(regex.replace("$", r"\Z"), name)), (regex, name)


@pytest.mark.parametrize(
    ("regex", "matched"),
    [
        ("orders", {"orders"}),
        ("orders.*", {"orders", "orders.eu"}),
        ("(?i)ORDERS", {"orders", "Orders"}),
        ("(?i:o)rders", {"orders", "Orders"}),
        ("[[:alpha:]]+", {"orders", "payments", "Orders", "aaaa", "ab", "abc"}),
        ("\\Qa-b\\E", {"a-b"}),
        ("(?P<shop>ab)c|(?<eu>orders\\.eu)", {"abc", "orders.eu"}),
        ("x{0}ab", {"ab"}),
        ("\\x61\\x{62}", {"ab"}),
        ("__.*", {"__consumer_offsets"}),
        ("[]a]+", {"aaaa"}),
        ("[[:^alpha:]a-z]+", set(NAMES) - {"Orders"}),
        ("", set()),
    ],
)
def test_the_syntax_is_that_of_re2(regex: str, matched: set[str]) -> None:
    assert Regex(regex).matching(NAMES) == matched


@pytest.mark.parametrize(
    "regex",
    ["(", "a)", "*a", "a**", "a++", "(?=a)", "(?!a)", "(?<!a)b", "(?<=a)b", "\\1", "(?P=n)", "[a", "[z-a]", "a{3,2}",
     "a{1001}", "(?>a)", "\\", "(?P<1>a)", "\\p{L}", "[[:what:]]", "x" * 8192, "((a{100}){100}){100}", "(" * 200],
)  # fmt: skip
def test_what_re2_does_not_take_or_is_too_large_is_refused(regex: str) -> None:
    with pytest.raises(RegexError):
        Regex(regex)


def test_what_lets_others_run_for_ages_is_done_at_once() -> None:
    regex = Regex("(a+)+b|(a|a)*c|(a*)*d")
    assert not regex.matches("a" * 249)
    assert len(regex._places) < 10


def test_what_would_remember_too_much_is_given_up() -> None:
    names = ["".join("ab"[n >> bit & 1] for bit in range(14)) * 4 for n in range(2**14)]
    with pytest.raises(RegexError, match="too long"):
        Regex("(?:a|b)*a(?:a|b){40}x").matching(names)


def test_it_knows_the_characters_of_topic_names() -> None:
    assert Regex(".").matching(TOPIC_CHARS) == TOPIC_CHARS


def test_a_list_of_many_names_is_no_burden() -> None:
    names = [f"orders-of-region-{number}.received" for number in range(250)]
    assert Regex("|".join(name.replace(".", r"\.") for name in names)).matching([*names, *NAMES]) == set(names)


@pytest.mark.parametrize(
    ("regex", "matched"),
    [
        (".*", {"a b", "\u00e9t\u00e9", "a/b", "A"}),
        ("\\S+", {"\u00e9t\u00e9", "a/b", "A"}),
        ("a[[:punct:]]b", {"a/b"}),
        ("[^a]+", {"\u00e9t\u00e9", "A"}),
        ("(?i)\u00c9.*|a", {"\u00e9t\u00e9", "A"}),
        ("[\u00e0-\u00ff]t.", {"\u00e9t\u00e9"}),
    ],
)
def test_names_may_be_made_of_any_characters(regex: str, matched: set[str]) -> None:
    names = ["a b", "\u00e9t\u00e9", "a/b", "A"]
    assert Regex(regex, frozenset().union(*names)).matching(names) == matched
