"""What a registry knows is what the records on its topic say."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import given, settings

from tidings.registry.records import (
    ClearSubjectKey,
    ClearSubjectValue,
    ConfigKey,
    ConfigValue,
    ContextKey,
    ContextValue,
    DeleteSubjectKey,
    DeleteSubjectValue,
    Key,
    ModeKey,
    ModeValue,
    NoopKey,
    Reference,
    SchemaKey,
    SchemaValue,
    UnknownKey,
    UnknownValue,
    Value,
    read_key,
    read_value,
    write_key,
    write_value,
)
from tidings.registry.store import Content, Store, Used, content_of, context_of


def store_of(*records: tuple[Key, Value]) -> Store:
    store = Store()
    for key, value in records:
        store.apply(key, value)
    return store


def schema(
    subject: str, version: int, schema_id: int, text: str = "{}", *references: Reference, is_deleted: bool = False
) -> tuple[Key, Value]:
    return SchemaKey(subject, version), SchemaValue(
        subject, version, schema_id, text, "JSON", references, is_deleted=is_deleted
    )


def test_versions_are_listed_in_order() -> None:
    store = store_of(schema("a", 2, 2, "2"), schema("a", 1, 1, "1"), schema("b", 1, 1, "1"))
    assert [value.version for value in store.versions("a")] == [1, 2]
    assert list(store.subjects()) == ["a", "b"]
    assert store.next_version("a") == 3
    assert store.next_version("new") == 1


def test_one_content_has_one_id_in_all_subjects() -> None:
    store = store_of(schema("a", 1, 5), schema("b", 1, 5))
    assert store.id_of(Content("JSON", "{}")) == 5
    assert store.holders(5) == [("a", 1), ("b", 1)]
    assert store.next_id() == 6


def test_the_same_text_under_other_rules_is_another_content() -> None:
    _, plain = schema("a", 1, 1)
    assert isinstance(plain, SchemaValue)
    assert content_of(plain) != content_of(replace(plain, metadata={"owner": "x"}))


def test_a_soft_delete_hides_and_keeps() -> None:
    store = store_of(schema("a", 1, 1, "1"), schema("a", 1, 1, "1", is_deleted=True))
    assert list(store.subjects()) == []
    assert list(store.subjects(with_deleted=True)) == ["a"]
    assert store.content(1) == Content("JSON", "1")


def test_a_deleted_subject_hides_the_versions_it_had_then() -> None:
    delete = (DeleteSubjectKey("a"), DeleteSubjectValue("a", 1))
    store = store_of(schema("a", 1, 1, "1"), delete, schema("a", 2, 2, "2"))
    assert [value.version for value in store.versions("a")] == [2]


def test_a_hard_delete_forgets_the_content_but_never_gives_its_id_again() -> None:
    store = store_of(schema("a", 1, 7), (SchemaKey("a", 1), None))
    assert store.content(7) is None
    assert store.id_of(Content("JSON", "{}")) is None
    assert store.next_id() == 8
    assert list(store.subjects(with_deleted=True)) == []


def test_a_content_stays_as_long_as_any_version_has_it() -> None:
    store = store_of(schema("a", 1, 7), schema("b", 1, 7), (SchemaKey("a", 1), None))
    assert store.content(7) == Content("JSON", "{}")


def test_it_is_known_who_refers_to_a_version() -> None:
    uses = schema("order", 1, 2, "2", Reference("item.json", "item", 1))
    store = store_of(schema("item", 1, 1), uses)
    assert store.users("item", 1) == [Used("order", 1, 2)]
    store.apply(SchemaKey("order", 1), None)
    assert store.users("item", 1) == []


def test_contexts_count_their_ids_by_themselves() -> None:
    store = store_of(
        schema("a", 1, 4), schema(":.eu:a", 1, 1, "other"), (ContextKey("", ".us"), ContextValue("", ".us"))
    )
    assert store.contexts() == [".", ".eu", ".us"]
    assert (store.next_id(), store.next_id(".eu"), store.next_id(".us")) == (5, 2, 1)
    assert context_of(":.eu:a") == ".eu"
    assert context_of("a") == "."


def test_settings_come_and_go() -> None:
    store = store_of(
        (ConfigKey(None), ConfigValue(None, {"compatibilityLevel": "FULL"})),
        (ConfigKey("a"), ConfigValue("a", {"compatibilityLevel": "NONE"})),
        (ModeKey("a"), ModeValue("a", "READONLY")),
    )
    assert store.config(None) == {"compatibilityLevel": "FULL"}
    assert (store.config("a"), store.mode("a")) == ({"compatibilityLevel": "NONE"}, "READONLY")
    store.apply(ConfigKey("a"), None)
    store.apply(ModeKey("a"), None)
    assert (store.config("a"), store.mode("a")) == (None, None)


def test_a_key_is_written_as_it_is_on_the_topic_already() -> None:
    store = Store()
    assert store.key_bytes(ConfigKey(None)) == write_key(ConfigKey(None))
    spelled = b'{"keytype":"CONFIG","subject":null,"magic":0}'
    store.apply(read_key(spelled), ConfigValue(None, {"compatibilityLevel": "FULL"}), spelled)
    assert store.key_bytes(ConfigKey(None)) == spelled


def test_a_cleared_subject_leaves_nothing() -> None:
    store = store_of(
        schema("a", 1, 1),
        (ConfigKey("a"), ConfigValue("a", {})),
        (ClearSubjectKey("a"), ClearSubjectValue("a")),
    )
    assert list(store.subjects(with_deleted=True)) == []
    assert store.config("a") is None


def test_unknown_records_change_nothing() -> None:
    store = store_of((UnknownKey(b"?"), UnknownValue(b"?")), (NoopKey(), None), schema("a", 1, 1))
    assert list(store.subjects()) == ["a"]


SUBJECTS = st.sampled_from(["a", "b", ":.eu:a"])
STEPS: st.SearchStrategy[tuple[Key, Value]] = st.one_of(
    st.builds(
        lambda s, v, text: schema(s, v, len(text), text), SUBJECTS, st.integers(1, 3), st.sampled_from(["1", "22"])
    ),
    st.builds(lambda s, v: (SchemaKey(s, v), None), SUBJECTS, st.integers(1, 3)),
    st.builds(lambda s, v: (DeleteSubjectKey(s), DeleteSubjectValue(s, v)), SUBJECTS, st.integers(1, 3)),
    st.builds(lambda s: (ClearSubjectKey(s), ClearSubjectValue(s)), SUBJECTS),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_reading_the_topic_again_leads_to_the_same(records: list[tuple[Key, Value]]) -> None:
    """Through the bytes, so that it holds for what is on the topic."""
    first, again = store_of(*records), Store()
    for key, value in records:
        read = read_key(write_key(key))
        again.apply(read, read_value(read, write_value(value)))
    for subject in ("a", "b", ":.eu:a"):
        assert first.versions(subject, with_deleted=True) == again.versions(subject, with_deleted=True)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_every_version_finds_its_content_by_its_id(records: list[tuple[Key, Value]]) -> None:
    store = store_of(*records)
    for subject in store.subjects(with_deleted=True):
        context = context_of(subject)
        for value in store.versions(subject, with_deleted=True):
            assert store.content(value.id, context) == content_of(value)
            assert (subject, value.version) in store.holders(value.id, context)
            assert value.id < store.next_id(context)
