"""YAML files as frozen dataclasses: every key known, every value of its type, all mistakes told at once."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast

import yaml

from collect.errors import UserError

T = TypeVar("T")

_MAX_BYTES = 1 << 17
"""A session of 600 segments has a hundred thousand bytes."""
_MAX_DEPTH = 10
"""Sections and lists within each other; ours need four."""
_Mistakes = list[tuple[str, str]]
"""Key and what is wrong with it."""


class _UnknownError(Exception):
    """A rule needs a value that the file does not give, or gives wrongly."""


def require(*rules: Callable[[], bool | str]) -> None:
    """What a configuration's `__post_init__` holds its values to.

    Args:
        rules: functions without arguments; each says True, or in words what is wrong. Of a file with a wrong value
            the rules that need that value are left out, and all others are heard.

    Raises:
        ValueError: with what all of them say.
    """
    said: list[bool | str] = []
    for rule in rules:
        with suppress(_UnknownError):
            said.append(rule())
    if wrong := [words for words in said if isinstance(words, str)]:
        raise ValueError("; ".join(wrong))


class _Loader(yaml.SafeLoader):
    """YAML's safe loader that refuses a key given twice and deep nesting, reads 8e-4 as a number, knows no aliases."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        line = self.peek_event().start_mark.line + 1
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError(f"line {line}: aliases are not used here")
        if self._depth > _MAX_DEPTH:
            raise yaml.YAMLError(f"line {line}: nested more than {_MAX_DEPTH} levels deep")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.YAMLError(f"line {key.start_mark.line + 1}: {key.value!r} is given twice")
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


# YAML 1.1, which PyYAML speaks, takes 8e-4 for a string; YAML 1.2 takes it for a number, as everybody expects.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def load(path: Path, cls: type[T]) -> T:
    """Read a YAML file into a frozen dataclass.

    Understands nested dataclasses, tuples, `Literal`, unions with None or of several types, and plain
    bool, int, float and str. A bool is not a number, an int is a float where one is wanted, no number may
    be infinite or NaN. A `ValueError` from a `__post_init__` is a mistake in that section; where it calls
    `require`, values that have their types are held to their rules whatever is wrong beside them.

    Args:
        path: the file.
        cls: the dataclass whose fields are the file's keys.

    Raises:
        UserError: naming every mistake with its line and key; unknown keys with the nearest known one.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read the configuration: {error.strerror}", where=str(path), fix="check the path"
        ) from error
    return parse(text, cls, where=str(path))


def parse(text: str | bytes, cls: type[T], *, where: str) -> T:
    """As `load`, from text; `where` says in a refusal where the text came from."""
    fix = "correct the file; configs/ holds working examples"
    if len(text) > _MAX_BYTES:
        raise UserError(f"the configuration has {len(text)} bytes", where=where, fix=fix)
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        tree = {} if root is None else loader.construct_document(root)
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"not valid YAML: {' '.join(str(error).split())}", where=where, fix=fix) from error
    mistakes: _Mistakes = []
    config = _value({} if tree is None else tree, cls, "", mistakes)
    if mistakes:
        raise UserError(_told(mistakes, _lines(root)), where=where, fix=fix)
    return cast(T, config)


def _lines(node: Any, key: str = "") -> dict[str, int]:
    """The line on which each key of a composed file stands."""
    if node is None:
        return {}
    found = {key: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            inside = f"{key}.{name.value}" if key else str(name.value)
            found |= _lines(value, inside) | {inside: name.start_mark.line + 1}
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            found |= _lines(item, f"{key}[{i}]")
    return found


def _told(mistakes: _Mistakes, lines: dict[str, int]) -> str:
    """All mistakes, each with its line; those of a key that is missing with its section's."""
    told = [f"line {lines[key]}: {text}" if key and key in lines else text for key, text in mistakes]
    return told[0] if len(told) == 1 else "\n  ".join([f"{len(told)} mistakes", *told])


def dump(config: Any) -> str:
    """A dataclass as YAML that `load` reads back to an equal one."""
    return yaml.safe_dump(_plain(dataclasses.asdict(config)), sort_keys=False, allow_unicode=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _value(value: Any, kind: Any, key: str, mistakes: _Mistakes) -> Any:
    """`value` as `kind`, or None after adding what is wrong with it to `mistakes`."""
    origin = typing.get_origin(kind)
    if origin in (Union, types.UnionType):
        return _any_of(value, typing.get_args(kind), key, mistakes)
    if origin is tuple:
        return _tuple(value, typing.get_args(kind), key, mistakes)
    if origin is Literal:
        choices = typing.get_args(kind)
        if any(value == choice and type(value) is type(choice) for choice in choices):
            return value
        return _wrong(value, f"one of {', '.join(map(str, choices))}{_nearest(value, choices)}", key, mistakes)
    if dataclasses.is_dataclass(kind):
        return _dataclass(value, kind, key, mistakes)
    return _scalar(value, kind, key, mistakes)


def _any_of(value: Any, kinds: tuple[Any, ...], key: str, mistakes: _Mistakes) -> Any:
    if value is None and type(None) in kinds:
        return None
    attempts = []
    for kind in (kind for kind in kinds if kind is not type(None)):
        found: _Mistakes = []
        result = _value(value, kind, key, found)
        if not found:
            return result
        attempts.append(found)
    if len(attempts) == 1:
        mistakes += attempts[0]
    else:
        mistakes.append((key, " or ".join("; ".join(text for _, text in found) for found in attempts)))
    return None


def _tuple(value: Any, kinds: tuple[Any, ...], key: str, mistakes: _Mistakes) -> Any:
    if not isinstance(value, list):
        return _wrong(value, "a list", key, mistakes)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(value) != len(kinds):
        return _wrong(value, f"{len(kinds)} values", key, mistakes)
    return tuple(
        _value(item, kind, f"{key}[{i}]", mistakes) for i, (item, kind) in enumerate(zip(value, kinds, strict=True))
    )


def _dataclass(value: Any, cls: Any, key: str, mistakes: _Mistakes) -> Any:
    if not isinstance(value, dict):
        return _wrong(value, "a section with keys", key, mistakes)
    prefix, before = f"{key}." if key else "", len(mistakes)
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    mistakes += [
        (f"{prefix}{name}", f"unknown key {prefix}{name}{_nearest(name, fields)}")
        for name in value
        if name not in fields
    ]
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in value:
            mistakes.append((key, f"{prefix}{name} is missing"))
    misspelt = len(mistakes) > before
    given = {}
    for name in (name for name in fields if name in value):
        told = len(mistakes)
        made = _value(value[name], hints[name], f"{prefix}{name}", mistakes)
        if len(mistakes) == told:
            given[name] = made
    try:
        if len(mistakes) == before:
            return cls(**given)
        _partly(cls, given, {name for name in fields if name not in given and (name in value or misspelt)})
    except ValueError as error:
        mistakes.append((key, f"{key}: {error}" if key else str(error)))
    return None


def _partly(cls: Any, given: dict[str, Any], unknown: set[str]) -> None:
    """Hold what is known of a section to its rules: those that need what is unknown are left out.

    Raises:
        ValueError: as its `__post_init__`.
    """

    def look(self: Any, name: str) -> Any:
        if name in unknown:
            raise _UnknownError(name)
        return object.__getattribute__(self, name)

    section: Any = object.__new__(type(cls.__name__, (cls,), {"__getattribute__": look}))
    for field in dataclasses.fields(cls):
        if field.name in given:
            object.__setattr__(section, field.name, given[field.name])
        elif field.name not in unknown and field.default_factory is not dataclasses.MISSING:
            object.__setattr__(section, field.name, field.default_factory())
    with suppress(_UnknownError):
        getattr(section, "__post_init__", lambda: None)()


def _scalar(value: Any, kind: Any, key: str, mistakes: _Mistakes) -> Any:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if kind is float and type(value) is int:
        value = float(value) if abs(value) < 1e300 else math.inf
    if type(value) is not kind:
        quoted = isinstance(value, str) and kind in (int, float) and _is_number(value)
        wanted = names.get(kind, str(kind)) + (" without quotes" if quoted else "")
        return _wrong(value, wanted, key, mistakes)
    if kind is float and not math.isfinite(value):
        return _wrong(value, "a finite number", key, mistakes)
    return value


def _wrong(value: Any, wanted: str, key: str, mistakes: _Mistakes) -> None:
    mistakes.append((key, f"{key or 'the file'} must be {wanted}, not {str(value)[:60]!r}"))


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _nearest(name: Any, known: Any) -> str:
    near = difflib.get_close_matches(str(name), [str(item) for item in known], n=1)
    return f" (did you mean {near[0]}?)" if near else ""
