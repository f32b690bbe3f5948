"""YAML files as frozen dataclasses: every key known, every value of its type, all mistakes told at once."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast

import yaml

from collect.errors import UserError

T = TypeVar("T")

_MAX_BYTES = 1 << 20


class _Loader(yaml.SafeLoader):
    """YAML's safe loader that refuses a key given twice, reads 8e-4 as a number and knows no aliases."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError(f"line {self.peek_event().start_mark.line + 1}: aliases are not used here")
        return super().compose_node(parent, index)

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
    be infinite or NaN. A `ValueError` from a `__post_init__` is a mistake in that section.

    Args:
        path: the file.
        cls: the dataclass whose fields are the file's keys.

    Raises:
        UserError: naming every mistake with its key; unknown keys with the nearest known one.
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
        tree = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"not valid YAML: {' '.join(str(error).split())}", where=where, fix=fix) from error
    mistakes: list[str] = []
    config = _value({} if tree is None else tree, cls, "", mistakes)
    if mistakes:
        raise UserError("; ".join(mistakes), where=where, fix=fix)
    return cast(T, config)


def dump(config: Any) -> str:
    """A dataclass as YAML that `load` reads back to an equal one."""
    return yaml.safe_dump(_plain(dataclasses.asdict(config)), sort_keys=False, allow_unicode=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _value(value: Any, kind: Any, key: str, mistakes: list[str]) -> Any:
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


def _any_of(value: Any, kinds: tuple[Any, ...], key: str, mistakes: list[str]) -> Any:
    if value is None and type(None) in kinds:
        return None
    attempts = []
    for kind in (kind for kind in kinds if kind is not type(None)):
        found: list[str] = []
        result = _value(value, kind, key, found)
        if not found:
            return result
        attempts.append(found)
    mistakes.extend(attempts[0] if len(attempts) == 1 else [" or ".join("; ".join(found) for found in attempts)])
    return None


def _tuple(value: Any, kinds: tuple[Any, ...], key: str, mistakes: list[str]) -> Any:
    if not isinstance(value, list):
        return _wrong(value, "a list", key, mistakes)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(value) != len(kinds):
        return _wrong(value, f"{len(kinds)} values", key, mistakes)
    return tuple(
        _value(item, kind, f"{key}[{i}]", mistakes) for i, (item, kind) in enumerate(zip(value, kinds, strict=True))
    )


def _dataclass(value: Any, cls: Any, key: str, mistakes: list[str]) -> Any:
    if not isinstance(value, dict):
        return _wrong(value, "a section with keys", key, mistakes)
    prefix, before = f"{key}." if key else "", len(mistakes)
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    mistakes += [f"unknown key {prefix}{name}{_nearest(name, fields)}" for name in value if name not in fields]
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in value:
            mistakes.append(f"{prefix}{name} is missing")
    given = {name: _value(value[name], hints[name], f"{prefix}{name}", mistakes) for name in fields if name in value}
    if len(mistakes) > before:
        return None
    try:
        return cls(**given)
    except ValueError as error:
        mistakes.append(f"{key}: {error}" if key else str(error))
        return None


def _scalar(value: Any, kind: Any, key: str, mistakes: list[str]) -> Any:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if kind is float and type(value) is int and abs(value) < 1e15:
        return float(value)
    if type(value) is not kind:
        return _wrong(value, names.get(kind, str(kind)), key, mistakes)
    if kind is float and not math.isfinite(value):
        return _wrong(value, "a finite number", key, mistakes)
    return value


def _wrong(value: Any, wanted: str, key: str, mistakes: list[str]) -> None:
    mistakes.append(f"{key or 'the file'} must be {wanted}, not {str(value)[:60]!r}")


def _nearest(name: Any, known: Any) -> str:
    near = difflib.get_close_matches(str(name), [str(item) for item in known], n=1)
    return f" (did you mean {near[0]}?)" if near else ""
