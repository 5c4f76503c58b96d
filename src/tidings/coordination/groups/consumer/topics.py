"""What a group reads: names and regular expressions, as topics that exist."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from hashlib import blake2b

from tidings.coordination.groups.consumer.group import ResolvedRegex
from tidings.coordination.groups.consumer.member import ConsumerMember
from tidings.coordination.topics import TopicDirectory
from tidings.regex.automaton import Regex
from tidings.regex.syntax import RegexError
from tidings.wire.error_codes import ApiError, ErrorCode

Regexes = dict[str, ResolvedRegex]


def resolve(regex: str, topics: TopicDirectory, wall_ms: int, may_describe: Callable[[str], bool]) -> ResolvedRegex:
    """The topics that match, of those that whoever asks may know of. Raises ApiError INVALID_REGULAR_EXPRESSION."""
    try:
        found = frozenset(filter(may_describe, Regex(regex).matching(topics.names())))
        return ResolvedRegex(found, topics.revision, wall_ms)
    except RegexError as error:
        message = f"SubscribedTopicRegex `{regex}` is not a valid regular expression: {error}."
        raise ApiError(ErrorCode.INVALID_REGULAR_EXPRESSION, message) from None


def resolve_all(
    wanted: Iterable[str], known: Regexes, topics: TopicDirectory, wall_ms: int, may_describe: Callable[[str], bool]
) -> Regexes:
    """What each expression stands for now. One that stands for the same as before is the same object."""
    found: Regexes = {}
    for regex in wanted:
        before = known.get(regex)
        try:
            now = resolve(regex, topics, wall_ms, may_describe)
        except ApiError:  # it was good when it came, and has become too costly
            now = before or ResolvedRegex(frozenset(), topics.revision, wall_ms)
        found[regex] = before if before is not None and before.topics == now.topics else now
    return found


def subscribed_names(member: ConsumerMember, regexes: Regexes) -> frozenset[str]:
    if not member.topic_regex or member.topic_regex not in regexes:
        return member.topic_names
    return member.topic_names | regexes[member.topic_regex].topics


def metadata_hash(names: Collection[str], topics: TopicDirectory) -> int:
    """Changes when one of the topics is created, grows or is deleted; 0 while there is none.

    Kafka computes another number. It is compared with nothing but itself, so a group that moves is assigned once more.
    """
    digest = blake2b(digest_size=8)
    exists = False
    for name in sorted(names):
        count = topics.partition_count(name)
        if count:
            exists = True
            digest.update(topics.topic_id(name) + f"{count}:{name}\n".encode())
    return int.from_bytes(digest.digest(), "big", signed=True) if exists else 0
