"""Payloads: an event's class to JSON and back.

msgspec does the work for Structs and dataclasses, and pydantic for its own models, so that validators run. Neither
decimals nor times nor UUIDs lose anything: msgspec and pydantic both write them as strings.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from tidings.errors import DeclarationError, TidingsError

T = TypeVar("T")

CONTENT_TYPE = "application/json"


class DecodeError(TidingsError):
    """A record that is no event of its type. The message says why; the record itself is not changed by it."""


class EncodeError(TidingsError):
    """An event that cannot be written as JSON: a value in it is not of the type it was declared with."""


class Codec(Protocol, Generic[T]):
    """How the payload of one class is written and read."""

    frozen: bool
    """Whether an instance can be shared, because nobody can change it."""

    def field_names(self) -> Mapping[str, str]:
        """The fields by their names in the class, and the names they have in JSON."""

    def encode(self, event: T) -> bytes:
        """The event as JSON. Raises EncodeError."""

    def decode(self, data: bytes) -> T:
        """The event that `data` holds. Raises DecodeError."""


def codec_for(cls: type[T]) -> Codec[T]:
    """The codec of a msgspec Struct, a dataclass or a pydantic model. Raises DeclarationError for any other class."""
    if hasattr(cls, "__pydantic_validator__") and hasattr(cls, "__pydantic_serializer__"):
        return _PydanticCodec(cls)
    if issubclass(cls, msgspec.Struct):
        names = dict(zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True))
        return _MsgspecCodec(cls, names, bool(cls.__struct_config__.frozen))
    if dataclasses.is_dataclass(cls):
        names = {field.name: field.name for field in dataclasses.fields(cls)}
        frozen: bool = cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
        return _MsgspecCodec(cls, names, frozen)
    raise DeclarationError(
        f"{cls.__qualname__} is not a msgspec.Struct, a dataclass or a pydantic model. "
        "(Above a dataclass, @event comes first: it must see the finished class.)"
    )


class _MsgspecCodec(Generic[T]):
    def __init__(self, cls: type[T], names: Mapping[str, str], frozen: bool) -> None:
        self._cls = cls
        self._names = names
        self.frozen = frozen
        self._encode = msgspec.json.Encoder().encode
        self._decode: Callable[[bytes], T] = self._compile_and_decode
        with contextlib.suppress(NameError):  # a type further down in the module: there when the first record comes
            self._compile()

    def field_names(self) -> Mapping[str, str]:
        return self._names

    def _compile(self) -> None:
        try:
            decoder = msgspec.json.Decoder(self._cls)
            _refuse_unknown_types(self._cls)
        except TypeError as error:
            raise DeclarationError(f"{self._cls.__qualname__} cannot be an event: {error}") from error
        self._decode = decoder.decode

    def _compile_and_decode(self, data: bytes) -> T:
        self._compile()
        return self._decode(data)

    def encode(self, event: T) -> bytes:
        try:
            return self._encode(event)
        except (TypeError, ValueError) as error:
            raise EncodeError(f"{self._cls.__qualname__} cannot be written: {error}") from error

    def decode(self, data: bytes) -> T:
        try:
            return self._decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
            raise DecodeError(f"not {_article(self._cls)}: {error}") from error


def _refuse_unknown_types(cls: type) -> None:
    """msgspec accepts any class as a field and fails when the first such value is read; say it when it is declared."""
    for info in _all_types(msgspec.inspect.type_info(cls), set()):
        if isinstance(info, msgspec.inspect.CustomType):
            raise TypeError(f"it holds a {info.cls.__qualname__}, which has no form in JSON")


def _all_types(info: Any, seen: set[int]) -> list[msgspec.inspect.Type]:
    """`info` and every type it is made of."""
    if isinstance(info, list | tuple):
        return [found for part in info for found in _all_types(part, seen)]
    if isinstance(info, msgspec.inspect.Field):
        return _all_types(info.type, seen)
    if not isinstance(info, msgspec.inspect.Type) or id(info) in seen:
        return []
    seen.add(id(info))
    return [info, *(found for name in info.__struct_fields__ for found in _all_types(getattr(info, name), seen))]


class _PydanticCodec(Generic[T]):
    """Reaches pydantic through the class alone, so that nobody who has no such class needs pydantic."""

    def __init__(self, cls: Any) -> None:
        self._cls = cls
        fields = getattr(cls, "__pydantic_fields__", None) or cls.model_fields
        self._names = {name: name for name in fields}  # as they are written; aliases are for reading
        config = getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None) or {}
        params = getattr(cls, "__dataclass_params__", None)
        self.frozen = bool(config.get("frozen") or (params is not None and params.frozen))

    def field_names(self) -> Mapping[str, str]:
        return self._names

    def encode(self, event: T) -> bytes:
        try:
            data: bytes = self._cls.__pydantic_serializer__.to_json(event)
        except ValueError as error:  # pydantic's own errors are ValueErrors
            raise EncodeError(f"{self._cls.__qualname__} cannot be written: {error}") from error
        return data

    def decode(self, data: bytes) -> T:
        try:
            event: T = self._cls.__pydantic_validator__.validate_json(data)
        except ValueError as error:
            raise DecodeError(f"not {_article(self._cls)}: {_one_line(error)}") from error
        return event


def _article(cls: type) -> str:
    return f"{'an' if cls.__name__[:1] in 'AEIOU' else 'a'} {cls.__name__}"


def _one_line(error: Exception) -> str:
    """Pydantic tells its story over several lines; headers and logs want one."""
    problems = getattr(error, "errors", None)
    if problems is None:
        return str(error)
    return "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}".removeprefix(": ") for p in problems())
