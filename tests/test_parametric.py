"""What an actuator is, is found again: on the virtual Go2's hidden motors, and on a hinge that is known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import verb
from rig import MOTORS, STEP, chirp, obeyed, rigged, tone
from synthetic import RATE, changed

from collect.errors import UserError
from collect.joints import HANG, NAMES
from collect.recording import Recording, blank, write
from identify import parameters
from identify.drive import Start, drive
from identify.laws import Commands
from identify.parametric import Solution, fit, solve, start
from identify.shooting import FIELDS, Stretch, Windows, simulate, windows

pytestmark = pytest.mark.slow

SECONDS = 12.0


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    """Two sessions of the hidden motors that differ in gains, without torque."""
    time = np.arange(int(SECONDS * RATE)) / RATE
    both = [
        rigged("soft", chirp(time, 0.3, 6.0), kp=25.0, kd=0.5),
        rigged("damped", chirp(time, 0.3, 7.0), kp=40.0, kd=2.0),
    ]
    return [changed(one, tau_est=blank(len(one), 12)) for one in both]


@pytest.fixture(scope="module")
def printed(recordings: list[Recording], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the verb said of them, and the folder of its files."""
    folder = tmp_path_factory.mktemp("fit")
    for one in recordings:
        write(one, folder / "data" / f"{one.session}.h5")
    files = ("--out", folder / "parameters.yaml", "--json", folder / "fit.json")
    done = verb("identify", "fit", folder / "data", *files)
    assert done.returncode == 0, done.stderr
    return done.stdout, folder


@pytest.fixture(scope="module")
def found(printed: tuple[str, Path]) -> parameters.Fitted:
    return parameters.load(printed[1] / "parameters.yaml")


class TestHiddenMotors:
    """From noisy, rounded positions and velocities of motors of which no two are alike."""

    @pytest.mark.parametrize(
        ("name", "true", "within"),
        [
            ("armature", MOTORS.armature, 0.05),
            ("dry", MOTORS.coulomb, 0.10),
            ("viscous", MOTORS.viscous, 0.10),
            ("spring", MOTORS.torque_scale, 0.03),
            ("damper", MOTORS.torque_scale, 0.03),
            ("load", MOTORS.load_friction, 0.25),
        ],
    )
    def test_they_come_back(self, found: parameters.Fitted, name: str, true: tuple[float, ...], within: float) -> None:
        """Relative."""
        np.testing.assert_allclose(getattr(found.parameters, name), true, rtol=within)

    def test_delay_and_lag_come_back_within_a_fifth_of_a_millisecond(self, found: parameters.Fitted) -> None:
        """A tenth of a row, each motor its own; and what dry friction has more at rest."""
        np.testing.assert_allclose(found.parameters.delay, obeyed(np.array(MOTORS.delay)), atol=1.5e-4)
        np.testing.assert_allclose(found.parameters.delay, MOTORS.delay, atol=2e-4 + 0.5 * STEP)
        np.testing.assert_allclose(found.parameters.lag, 0.5 / np.pi / np.array(MOTORS.bandwidth), atol=2e-4)
        more = np.array(MOTORS.coulomb) * (np.array(MOTORS.breakaway) - 1.0)
        np.testing.assert_allclose(found.parameters.breakaway, more, atol=0.05)

    def test_their_law_moves_the_body_as_they_did(self, found: parameters.Fitted, recordings: list[Recording]) -> None:
        """Ten seconds, from commands alone, all joints together."""
        one, step = recordings[0], 1e-3
        count = int(10.0 / step)
        channels = [getattr(one, name).astype(float) for name in ("q_target", "kp", "kd")]
        begun = Start(Commands(one.time, *channels, np.arange(count) * step), one.q[0], one.dq[0])
        ((_, moved),) = drive([begun], parameters.law(found.parameters), parameters.beside(found.parameters))
        error = moved[::2] - one.q[: count // 2]
        assert 1e3 * np.sqrt(np.square(error).mean(0)).max() < 2.0  # of 300 mrad

    def test_the_verb_prints_every_joint_and_writes_the_same_twice(
        self, printed: tuple[str, Path], found: parameters.Fitted
    ) -> None:
        """With margins and units; the two files say the same."""
        out, folder = printed
        assert all(name in out for name in NAMES)
        assert "±" in out
        assert "Nm·s/rad" in out
        assert json.loads((folder / "fit.json").read_text())["fit"]["parameters"]["delay"] == [*found.parameters.delay]
        assert [source.name for source in found.sources] == ["damped", "soft"]
        again = verb("identify", "fit", folder / "data", "--out", folder / "parameters.yaml")
        assert again.returncode == 2
        assert "never overwritten" in again.stderr


TRUE = dict.fromkeys(FIELDS, 0.0) | {
    "armature": 0.02,
    "viscous": 0.15,
    "dry": 0.2,
    "stribeck": 0.2,
    "spring": 1.05,
    "damper": 0.95,
    "offset": 0.004,
    "delay": 0.0043,
}


def hinge(targets: list[np.ndarray], kd: list[float], noise: float = 0.0) -> list[Stretch]:
    """Twelve equal hinges of inertia .02 kg·m², as the parameters above say, under targets (N, 12); noise [rad]."""
    out, rng = [], np.random.default_rng(3)
    for wanted, damping in zip(targets, kd, strict=True):
        time, step = np.arange(len(wanted)) / RATE, 1.0 / RATE / 8
        fine = np.arange(8 * len(wanted)) * step - 0.5 * step
        late = parameters.held(time, wanted, fine, step, np.full(12, TRUE["delay"])) + TRUE["offset"]
        q, dq, rows = wanted[0].copy(), np.zeros(12), np.empty((3, len(time), 12))
        for m in range(len(fine)):
            torque = TRUE["spring"] * 25.0 * (late[m] - q) - TRUE["damper"] * damping * dq
            friction = TRUE["viscous"] * dq + TRUE["dry"] * np.tanh(dq / 5e-3)
            ddq = (torque - friction) / (0.02 + TRUE["armature"])
            if m % 8 == 0:
                rows[:, m // 8] = q, dq, ddq
            dq = dq + step * ddq
            q = q + step * dq
        # Errors of a real motion are not white: these last for 10 ms.
        coloured = np.apply_along_axis(np.convolve, 0, rng.normal(size=rows[0].shape), np.ones(5), "same")
        wide = [np.full_like(wanted, value) for value in (25.0, damping, 0.02, 0.0)]
        sampled = np.repeat(time[:, None], 12, axis=1)
        torque = 0.02 * rows[2]
        out.append(Stretch(time, sampled, rows[0] + noise * coloured, rows[1], rows[2], torque, wanted, *wide))
    return out


def solved(data: list[Stretch], joint: int) -> Solution:
    return solve(windows(data, joint), start(data, joint), joint)


def value(one: Solution, name: str) -> float:
    return float(one.values[FIELDS.index(name)])


class TestHinge:
    """One joint whose every number is known."""

    time = np.arange(int(11.5 * RATE)) / RATE

    def test_its_interval_holds_the_truth(self) -> None:
        """Of six hinges under other phases and noise nearly all 95 % intervals do, and none is wide."""
        wide = [chirp(self.time, 0.3, 6.0) + 0.3 - HANG, chirp(self.time, 0.2, 8.0) - HANG]
        data = hinge(wide, kd=[0.5, 2.0], noise=3e-4)
        inside, names = [], ("armature", "viscous", "dry", "spring", "damper", "offset", "delay")
        for joint in range(6):
            one = solved(data, joint)
            for name in names:
                margin = one.margins[FIELDS.index(name)]
                inside.append(abs(value(one, name) - TRUE[name]) < margin)
                assert margin < 0.1 * abs(TRUE[name]) + 2e-3, name
        assert np.mean(inside) > 0.8

    def test_one_frequency_does_not_tell_inertia_from_stiffness(self) -> None:
        """What it cannot tell is said, has no interval, and stays near what is expected."""
        one = solved(hinge([tone(self.time, 0.2, 3.0) - HANG] * 2, kd=[1.0, 1.0], noise=1e-3), 0)
        untold = [name for name, margin in zip(FIELDS, one.margins, strict=True) if np.isnan(margin)]
        assert {"damper", "spring"} <= {*untold}
        said = "\n".join(one.warnings)
        assert "does not tell spring from armature" in said
        assert "damper was held at 1" in said
        assert 0.5 < value(one, "spring") < 1.5
        both = solved(hinge([chirp(self.time, 0.3, 6.0) - HANG] * 2, kd=[0.5, 2.0], noise=1e-3), 0)
        assert "spring" not in "\n".join(both.warnings)
        assert np.isfinite(both.margins[FIELDS.index("spring")])

    def test_a_step_of_a_millisecond_is_short_enough(self) -> None:
        """The windows' own simulation of the true parameters is the motion, to a tenth of a milliradian."""
        given = windows(hinge([chirp(self.time, 0.3, 6.0) - HANG] * 2, kd=[0.5, 2.0]), 0)
        true = np.array([[TRUE[name] for name in FIELDS]])
        assert 1e3 * np.abs(simulate(given, true)[0] - given.measured).max() < 1.0
        late = true + np.eye(len(FIELDS))[FIELDS.index("delay")] * 5e-4
        assert 1e3 * np.sqrt(np.square(simulate(given, late)[0] - given.measured).mean()) > 1.0

    def test_dry_friction_holds_a_joint_at_rest(self) -> None:
        """A push below it moves nothing, one above it does."""
        given = windows(hinge([chirp(self.time, 0.3, 6.0) - HANG] * 2, kd=[0.5, 2.0]), 0)
        still = dataclasses.replace(given, start=(0.0 * given.start[0], 0.0 * given.start[1]))
        pushed = dataclasses.replace(still, commands=(given.commands[0], np.full_like(given.commands[1], 0.01)))
        for dry, moves in ((0.3, False), (0.2, True)):  # the push is .26 Nm
            trial = dict.fromkeys(FIELDS, 0.0) | {"spring": 1.05, "dry": dry, "stribeck": 0.2}
            moved = simulate(pushed, np.array([[trial[name] for name in FIELDS]]))
            assert bool((np.abs(moved) > 1e-3).any()) == moves
            assert not moves or np.abs(moved).max() > 1e-3
            assert moves or np.abs(moved).max() == 0.0


class TestRefusals:
    @pytest.mark.parametrize("name", ["q_target", "kp", "kd"])
    def test_a_channel_that_is_not_there(self, recordings: list[Recording], name: str) -> None:
        """By its name."""
        with pytest.raises(UserError, match=f"no {name}"):
            fit([changed(recordings[0], **{name: blank(len(recordings[0]), 12)})])

    def test_a_robot_on_the_ground_and_a_moment(self, recordings: list[Recording]) -> None:
        """Its feet felt what is not recorded; of a moment no interval can be had."""
        with pytest.raises(UserError, match="on the ground"):
            fit([changed(recordings[0], attributes={"layout": "orl"})])
        with pytest.raises(UserError, match="too few"):
            fit(recordings[:1])


def test_windows_follow_each_other_without_a_row_twice() -> None:
    """Every judged row once, none before its window is warm."""
    given: Windows = windows(hinge([tone(TestHinge.time, 0.2, 3.0) - HANG], kd=[1.0]), 0)
    window, step, _ = given.rows
    assert step.min() >= 249
    assert len(window) == len(given.measured) == 11 * 500
