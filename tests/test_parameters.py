"""The parameters of twelve actuators: a file that is read back, and a law that a body is moved by."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from collect.errors import UserError
from identify.laws import Commands
from identify.parameters import Fitted, Margins, Parameters, Source, beside, held, law, load, save

NONE = {name.name: (0.0,) * 12 for name in dataclasses.fields(Parameters)}
IDEAL = Parameters(**NONE | {"spring": (1.0,) * 12, "damper": (1.0,) * 12, "stribeck": (0.2,) * 12})
KNOWN = dict.fromkeys(NONE, (0.1,) * 12) | {"lag": (None,) * 12}
FITTED = Fitted(IDEAL, Margins(**KNOWN), ("the lag cannot be told",), (0.002,) * 11 + (None,), (Source("chirp", "00"),))


def commands(rows: int = 100, step: float = 0.001) -> Commands:
    time = np.arange(rows) * 0.002
    q_target = np.sin(20.0 * time[:, None] + np.arange(12))
    gains = np.full((rows, 12), 25.0), np.full((rows, 12), 2.0)
    return Commands(time, q_target, *gains, np.arange(2 * rows - 1) * step)


class TestFile:
    def test_it_is_read_back(self, tmp_path: Path) -> None:
        """And never overwritten."""
        save(FITTED, tmp_path / "parameters.yaml")
        assert load(tmp_path / "parameters.yaml") == FITTED
        with pytest.raises(UserError, match="never overwritten"):
            save(FITTED, tmp_path / "parameters.yaml")

    def test_what_no_actuator_has_is_refused(self, tmp_path: Path) -> None:
        """A negative inertia, eleven joints."""
        save(FITTED, tmp_path / "good.yaml")
        text = (tmp_path / "good.yaml").read_text()
        for wrong, said in ((text.replace("- 0.0", "- -1.0", 1), "armature"), (text.replace("  - 0.0\n", "", 1), "12")):
            (tmp_path / "wrong.yaml").write_text(wrong)
            with pytest.raises(UserError, match=said):
                load(tmp_path / "wrong.yaml")


def alone(parameters: Parameters, given: Commands) -> Callable[[int, np.ndarray, np.ndarray], np.ndarray]:
    """The law of one trajectory: torque (12,) at physics step m."""
    made = law(parameters)([given]).torque
    return lambda m, q, dq: made(m, q[None, None], dq[None, None])[0]


class TestLaw:
    def test_an_ideal_motor_is_a_pd(self) -> None:
        """On the target that was in force, mean from half a step before to half a step after."""
        given = commands()
        ideal, q, dq = alone(IDEAL, given), np.full(12, 0.1), np.full(12, -0.3)
        ideal(0, q, dq)
        for m in (1, 5, 50):
            expected = 25.0 * (given.in_force(given.q_target)[[m - 1, m]].mean(0) - q) + 0.6
            np.testing.assert_allclose(ideal(m, q, dq), expected, atol=1e-9)

    def test_a_delay_shifts_a_held_target(self) -> None:
        """By whole steps exactly, by half a row half of the next one."""
        given = commands()
        now = held(given.time, given.q_target, given.steps, 0.001, np.zeros(12))
        np.testing.assert_allclose(
            held(given.time, given.q_target, given.steps, 0.001, np.full(12, 0.004))[4:], now[:-4]
        )
        half = held(given.time, given.q_target, given.steps, 0.001, np.full(12, 0.0005))
        np.testing.assert_allclose(half[1:], 0.5 * (now[1:] + now[:-1]), atol=1e-9)

    def test_the_lag_is_that_of_a_first_order(self) -> None:
        """What it is asked is a straight line over a step, and it follows with its time constant."""
        given = commands()
        still = dataclasses.replace(given, q_target=0.0 * given.q_target)
        slow = alone(dataclasses.replace(IDEAL, lag=(0.01,) * 12), still)
        slow(0, np.zeros(12), np.zeros(12))
        torque = [slow(m, np.full(12, -1.0), np.zeros(12)) for m in range(1, 11)][-1]
        ramped = 10.0 * (1.0 - np.exp(-0.1)) * np.exp(-0.9)  # after a ramp of 1 ms and 9 ms more
        np.testing.assert_allclose(torque, 25.0 * (1.0 - ramped))

    def test_dry_friction_falls_with_speed_and_grows_with_load(self) -> None:
        """What the body resists less what the law gives back."""
        rough = dataclasses.replace(IDEAL, dry=(0.2,) * 12, breakaway=(0.1,) * 12, load=(0.05,) * 12)
        given = commands()
        made, plain = alone(rough, given), alone(IDEAL, given)
        np.testing.assert_allclose(beside(rough)["dry"], 0.3)
        for speed, falls in ((0.0, 0.0), (0.2, 0.1 * (1 - np.exp(-1.0))), (5.0, 0.1), (-5.0, -0.1)):
            dq = np.full(12, speed)
            torque = plain(0, np.zeros(12), dq)
            expected = torque + falls - 0.05 * np.abs(torque) * np.sign(speed)
            np.testing.assert_allclose(made(0, np.zeros(12), dq), expected, atol=1e-3)
