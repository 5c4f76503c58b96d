"""Records on the topic of schemas: what other registries write is read, and what we write they read."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

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
    RecordError,
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

NAMES = st.text(max_size=10)
VERSIONS = st.integers(1, 1 << 31)
MEMBERS = st.dictionaries(st.text(max_size=5), st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)))
REFERENCES = st.lists(st.builds(Reference, NAMES, NAMES, VERSIONS), max_size=2).map(tuple)

RECORDS: st.SearchStrategy[tuple[Key, Value]] = st.one_of(
    st.tuples(st.builds(SchemaKey, NAMES, VERSIONS), st.none()),
    st.builds(
        lambda key, id_, text, kind, references, metadata, is_deleted: (
            key,
            SchemaValue(
                key.subject, key.version, id_, text, kind, references, metadata, None, is_deleted, {"guid": "x"}
            ),
        ),
        st.builds(SchemaKey, NAMES, VERSIONS),
        VERSIONS,
        NAMES,
        st.sampled_from(["AVRO", "JSON", "PROTOBUF"]),
        REFERENCES,
        st.one_of(st.none(), MEMBERS),
        st.booleans(),
    ),
    st.one_of(st.none(), NAMES).map(lambda s: (ConfigKey(s), ConfigValue(s, {"compatibilityLevel": "FULL"}))),
    st.one_of(st.none(), NAMES).map(lambda s: (ModeKey(s), ModeValue(s, "READONLY"))),
    NAMES.map(lambda s: (DeleteSubjectKey(s), DeleteSubjectValue(s, 3))),
    NAMES.map(lambda s: (ClearSubjectKey(s), ClearSubjectValue(s))),
    NAMES.map(lambda s: (ContextKey("default", s), ContextValue("default", s))),
    st.just((NoopKey(), None)),
    st.binary(max_size=10).map(lambda data: (UnknownKey(b"?" + data), UnknownValue(data))),
)


@given(RECORDS)
def test_what_is_written_is_read_back(record: tuple[Key, Value]) -> None:
    key, value = record
    assert read_key(write_key(key)) == key
    assert read_value(key, write_value(value)) == value


@pytest.mark.parametrize(
    ("key", "data"),
    [
        (SchemaKey("orders-value", 3), '{"keytype":"SCHEMA","subject":"orders-value","version":3,"magic":1}'),
        (ConfigKey(None), '{"keytype":"CONFIG","magic":0}'),
        (ConfigKey("a"), '{"keytype":"CONFIG","subject":"a","magic":0}'),
        (ModeKey("a"), '{"keytype":"MODE","subject":"a","magic":0}'),
        (DeleteSubjectKey("a"), '{"keytype":"DELETE_SUBJECT","subject":"a","magic":0}'),
        (ClearSubjectKey("a"), '{"keytype":"CLEAR_SUBJECT","subject":"a","magic":0}'),
        (ContextKey("default", ".eu"), '{"keytype":"CONTEXT","tenant":"default","context":".eu","magic":0}'),
        (NoopKey(), '{"keytype":"NOOP","magic":0}'),
    ],
)
def test_keys_have_their_members_in_the_order_of_other_registries(key: Key, data: str) -> None:
    assert write_key(key) == data.encode()


@pytest.mark.parametrize(
    "data",
    [
        '{"magic":1,"version":3,"subject":"orders-value","keytype":"SCHEMA"}',
        '{"keytype": "SCHEMA", "subject": "orders-value", "version": 3, "magic": 1}',
    ],
)
def test_a_key_is_read_in_any_order(data: str) -> None:
    assert read_key(data.encode()) == SchemaKey("orders-value", 3)


def test_a_schema_is_written_as_other_registries_write_it() -> None:
    value = SchemaValue("s", 1, 7, '"int"')
    assert write_value(value) == b'{"subject":"s","version":1,"id":7,"schema":"\\"int\\"","deleted":false}'
    value = SchemaValue("s", 1, 7, "{}", "JSON", (Reference("a.json", "a", 2),), is_deleted=True)
    assert json.loads(write_value(value) or b"") == {
        "subject": "s",
        "version": 1,
        "id": 7,
        "schemaType": "JSON",
        "references": [{"name": "a.json", "subject": "a", "version": 2}],
        "schema": "{}",
        "deleted": True,
    }


def test_what_karapace_writes_is_read() -> None:
    assert read_key(b'{"keytype":"CONFIG","subject":null,"magic":0}') == ConfigKey(None)
    key = read_key(b'{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}')
    value = read_value(key, b'{"subject":"s","version":1,"id":1,"schema":"{}","deleted":false,"schemaType":"JSON"}')
    assert value == SchemaValue("s", 1, 1, "{}", "JSON")
    assert read_value(ConfigKey(None), b'{"compatibilityLevel":"FULL"}') == ConfigValue(
        None, {"compatibilityLevel": "FULL"}
    )


def test_a_hard_delete_is_a_value_of_nothing() -> None:
    assert read_value(SchemaKey("s", 1), None) is None
    assert write_value(None) is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"keytype":"NEW","magic":9}', b'{"keytype":"SCHEMA"}', b"\xff"])
def test_unknown_records_are_kept_as_they_are(data: bytes) -> None:
    key = read_key(data)
    assert key == UnknownKey(data)
    assert write_key(key) == data
    assert write_value(read_value(key, data)) == data


@pytest.mark.parametrize(
    "value", [{}, {"id": "1", "schema": ""}, {"id": 1}, {"id": 1, "schema": "", "references": [{}]}]
)
def test_a_record_that_does_not_hold_what_it_should_is_an_error(value: Any) -> None:
    with pytest.raises(RecordError):
        read_value(SchemaKey("s", 1), json.dumps(value).encode())
