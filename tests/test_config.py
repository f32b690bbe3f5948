"""A configuration means what it says: nothing unknown, nothing of a wrong type, nothing silently ignored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from collect.config import dump, load, parse
from collect.errors import UserError
from collect.excitation import Segment
from collect.plan import PlanConfig


@dataclass(frozen=True)
class Sweep:
    amplitude: float
    kind: Literal["linear", "logarithmic"] = "linear"

    def __post_init__(self) -> None:
        if self.amplitude <= 0.0:
            raise ValueError(f"amplitude must be positive, got {self.amplitude} rad")


@dataclass(frozen=True)
class Config:
    rate: float
    count: int = 1
    name: str = "x"
    quiet: bool = False
    sweeps: tuple[Sweep, ...] = ()
    pair: tuple[float, float] | None = None
    gain: float | tuple[float, ...] = 1.0


def read(text: str) -> Config:
    return parse(text, Config, where="test.yaml")


def test_a_file_becomes_its_dataclass(tmp_path: Path) -> None:
    """Nested sections become tuples of dataclasses; what is left out keeps its default."""
    path = tmp_path / "c.yaml"
    path.write_text("rate: 8e-4\nsweeps: [{amplitude: 1, kind: logarithmic}]\npair: [1, 2.5]\ngain: [1, 2, 3]\n")
    assert load(path, Config) == Config(
        rate=8e-4, sweeps=(Sweep(1.0, "logarithmic"),), pair=(1.0, 2.5), gain=(1.0, 2.0, 3.0)
    )


def test_dump_and_parse_are_inverse() -> None:
    """What is written into a run folder reads back equal."""
    config = Config(rate=1e-4, sweeps=(Sweep(0.2),), pair=(1.0, 2.0), gain=(3.0,))
    assert read(dump(config)) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rate: 1\nratee: 2", r"unknown key ratee \(did you mean rate\?\)"),
        ("count: 1", "rate is missing"),
        ("rate: true", "rate must be a number"),
        ("rate: fast", "rate must be a number"),
        ("rate: .nan", "rate must be a finite number"),
        ("rate: -.inf", "rate must be a finite number"),
        ("rate: 1\ncount: 1.5", "count must be a whole number"),
        ("rate: 1\ncount: true", "count must be a whole number"),
        ("rate: 1\nquiet: 1", "quiet must be true or false"),
        ("rate: 1\nname: 3", "name must be text"),
        ("rate: 1\npair: [1]", "pair must be 2 values"),
        ("rate: 1\npair: 1", "pair must be a list"),
        ("rate: 1\nsweeps: [{amplitude: 1, kind: linea}]", r"sweeps\[0\].kind must be one of .*did you mean linear"),
        ("rate: 1\nsweeps: [{amplitude: -1}]", r"sweeps\[0\]: amplitude must be positive"),
        ("rate: 1\nsweeps: [3]", r"sweeps\[0\] must be a section"),
        ("rate: 1\ngain: [1, x]", r"gain must be a number.* or gain\[1\] must be a number"),
        ("rate: '1e5'", "rate must be a number without quotes"),
        ("rate: 1\ncount: 1e5", "count must be a whole number"),
        ("rate: 1" + 400 * "0", "rate must be a finite number"),
        ("rate: 1" + 5000 * "0", "not valid YAML"),
        ("rate: 1\nrate: 2", "line 2: 'rate' is given twice"),
        ("rate: [1", "not valid YAML"),
        ("rate: &a 1\ncount: *a", "line 2: aliases"),
        ("a: &a [1, 1]\nb: &b [*a, *a]\nc: &c [*b, *b]\nrate: *c", "line 2: aliases"),
        ("rate: " + 50 * "[" + 50 * "]", "line 1: nested more than 10 levels deep"),
        ("rate: " + 50_000 * "[", "nested more than 10 levels deep"),
        ("rate: 1\n" + "".join(f"{'  ' * k}k{k}:\n" for k in range(50)), "nested more than 10 levels deep"),
        ("#" * (1 << 17) + "\nrate: 1", "has 131080 bytes"),
        ("rate: 1\n---\nrate: 2", "not valid YAML"),
        ("rate: \x00", "not valid YAML"),
        ("rate: !!python/object:os.system 1", "not valid YAML"),
        ("rate: !!python/object/apply:os.abort []", "not valid YAML"),
        ("!!python/object/new:os.abort {}", "not valid YAML"),
        ("- 1", "the file must be a section"),
        ("", "rate is missing"),
    ],
)
def test_a_mistake_is_named_with_its_key(text: str, message: str, record_property: Callable[..., None]) -> None:
    """Each wrong file is refused with the key, and with the file's name."""
    with pytest.raises(UserError, match=message) as refusal:
        read(text)
    assert refusal.value.where == "test.yaml"
    said = refusal.value.what.replace("\x00", "")
    for name, words in (("promise", "P12"), ("what", "config"), ("bound", "any mistake"), ("measured", said)):
        record_property(name, words.splitlines()[0])


def test_all_mistakes_are_told_at_once_each_with_its_line() -> None:
    """The user corrects a file once, not once per mistake."""
    with pytest.raises(UserError) as refusal:
        read("rate: x\n\ncont: 1\nname: 2\nsweeps:\n  - {amplitude: 1, end: 5}\n  - {}\n  - amplitude: -1\n")
    assert refusal.value.what.splitlines() == [
        "6 mistakes",
        "  line 3: unknown key cont (did you mean count?)",
        "  line 1: rate must be a number, not 'x'",
        "  line 4: name must be text, not '2'",
        "  line 6: unknown key sweeps[0].end",
        "  line 7: sweeps[1].amplitude is missing",
        "  line 8: sweeps[2]: amplitude must be positive, got -1.0 rad",
    ]


def test_what_has_its_type_is_judged_whatever_is_wrong_beside_it() -> None:
    """Of a section with a mistake all values are held to their rules but those that the mistake hides."""
    with pytest.raises(UserError) as refusal:
        parse(
            "name: BAD NAME\nrest: 50\nsegments:\n"
            "  - {name: a, kind: hold, duration: 2, kp: [250], kd: [x]}\n"
            "  - {name: b, kind: chirp, duration: 1e9, kp: [25], kd: [0.1], f1: x}\n",
            PlanConfig,
            where="test.yaml",
        )
    assert refusal.value.what.splitlines() == [
        "5 mistakes",
        "  line 4: segments[0].kd[0] must be a number, not 'x'",
        "  line 4: segments[0]: kp must be above 0 and at most 80 Nm/rad",
        "  line 5: segments[1].f1 must be a list, not 'x'",
        "  line 5: segments[1]: duration must be 1 to 600 s, got 1e+09; kd must be 0.3 to 8 Nm·s/rad, got 0.1",
        "  name must be 1 to 48 of a-z 0-9 _ - and begin with a letter or digit, got 'BAD NAME'; "
        "rest must be 0.1 to 10 s, got 50",
    ]


def test_a_rule_is_not_held_against_a_default_that_was_misspelt() -> None:
    """With f_0 for f0 nobody knows how f0 was meant; what is known is judged."""
    with pytest.raises(UserError) as refusal:
        parse("{name: a, kind: chirp, duration: 9, kp: [0], kd: [1], f_0: 0.01, f1: [0.1]}", Segment, where="test.yaml")
    assert refusal.value.what.splitlines() == [
        "2 mistakes",
        "  line 1: unknown key f_0 (did you mean f0?)",
        "  kp must be above 0 and at most 80 Nm/rad",
    ]


def test_a_missing_file_is_a_users_mistake(tmp_path: Path) -> None:
    """No traceback for a path that does not exist, or that is a folder."""
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(UserError, match="cannot read"):
            load(path, Config)
