"""What an actuator is, is found again: on the virtual Go2's hidden motors, and on a hinge that is known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import verb
from rig import MOTORS, chirp, rigged, tone
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
        lag = 0.5 / np.pi / np.array(MOTORS.bandwidth)
        np.testing.assert_allclose(found.parameters.delay, MOTORS.delay, atol=2e-4)
        np.testing.assert_allclose(found.parameters.lag, lag, atol=2.5e-4)  # the motion tells the two apart less well
        more = np.array(MOTORS.coulomb) * (np.array(MOTORS.breakaway) - 1.0)
        seen = np.array(found.parameters.breakaway) > 0.0  # half a minute does not show it at every joint
        assert seen.sum() >= 10
        np.testing.assert_allclose(np.array(found.parameters.breakaway)[seen], more[seen], atol=0.06)

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
        assert all(out.count(name) >= 2 for name in NAMES)  # in both tables
        assert "…" not in out
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


def hinge(targets: list[np.ndarray], kd: list[float], load: float = 0.8) -> list[Stretch]:
    """Twelve equal hinges of inertia .02 kg·m², as the parameters above say, under targets (N, 12) [rad].

    A known load [Nm] goes up and down on them: without one nothing would say how strong they are.
    """
    out, step = [], 1.0 / RATE / 8
    for wanted, damping in zip(targets, kd, strict=True):
        time = np.arange(len(wanted)) / RATE
        fine = np.arange(8 * len(wanted)) * step
        late = parameters.held(time, wanted, fine - 0.5 * step, step, np.full(12, TRUE["delay"])) + TRUE["offset"]
        rest = load * np.sin(2.0 * np.pi * 1.7 * fine)
        q, dq, rows = wanted[0].copy(), np.zeros(12), np.empty((3, len(time), 12))
        for m in range(len(fine)):
            torque = TRUE["spring"] * 25.0 * (late[m] - q) - TRUE["damper"] * damping * dq
            friction = TRUE["viscous"] * dq + TRUE["dry"] * np.tanh(dq / 5e-3)
            ddq = (torque - friction - rest[m]) / (0.02 + TRUE["armature"])
            if m % 8 == 0:
                rows[:, m // 8] = q, dq, ddq
            dq = dq + step * ddq
            q = q + step * dq
        sampled, felt = np.repeat(time[:, None], 12, axis=1), np.repeat(rest[::8, None], 12, axis=1)
        gains = np.full_like(wanted, 25.0), np.full_like(wanted, damping)
        moved = (*rows, 0.02 * rows[2] + felt)
        out.append(Stretch(time, sampled, *moved, wanted, *gains, np.full_like(wanted, 0.02), felt))
    return out


def noisy(given: Windows, seed: int) -> Windows:
    """What the true parameters do, with errors of 2 mrad that last for 10 ms, as those of a real motion do."""
    errors = np.convolve(np.random.default_rng(seed).normal(size=len(given.measured)), np.ones(5), "same")
    return dataclasses.replace(given, measured=simulate(given, truth()[None])[0] + 1e-3 * errors)


def truth() -> np.ndarray:
    return np.array([TRUE[name] for name in FIELDS])


def value(one: Solution, name: str) -> float:
    return float(one.values[FIELDS.index(name)])


class TestHinge:
    """One joint whose every number is known."""

    time = np.arange(int(11.5 * RATE)) / RATE

    two = (0.5, 2.0)

    def test_it_is_found_from_the_inverse_dynamics_and_refined(self) -> None:
        """From its own motion, integrated much finer."""
        data = hinge([chirp(self.time, 0.3, 6.0) - HANG] * 2, kd=[*self.two])
        rough = start(data, 0)
        fine = solve(windows(data, 0), rough, 0)
        for name in ("armature", "viscous", "dry", "spring", "damper"):
            assert value(fine, name) == pytest.approx(TRUE[name], rel=0.05)
            assert rough[FIELDS.index(name)] == pytest.approx(TRUE[name], rel=0.5)
        assert value(fine, "delay") == pytest.approx(TRUE["delay"], abs=2e-4)
        assert value(fine, "offset") == pytest.approx(TRUE["offset"], abs=2e-4)
        assert fine.rms < 5e-4

    def test_its_interval_holds_the_truth(self) -> None:
        """Under three noises nearly all 95 % intervals do, and none is wide."""
        given = windows(hinge([chirp(self.time, 0.3, 6.0) - HANG] * 2, kd=[*self.two]), 0)
        inside, names = [], ("armature", "viscous", "dry", "spring", "damper", "offset", "delay")
        for seed in range(3):
            one = solve(noisy(given, seed), 1.1 * truth(), 0)
            for name in names:
                margin = one.margins[FIELDS.index(name)]
                inside.append(abs(value(one, name) - TRUE[name]) < margin)
                assert margin < 0.25 * abs(TRUE[name]), name
        assert np.mean(inside) > 0.8

    def test_one_frequency_does_not_tell_all(self) -> None:
        """What it cannot tell is said, has no interval, and stays near what is expected."""
        given = windows(hinge([tone(self.time, 0.2, 3.0) - HANG] * 2, kd=[1.0, 1.0], load=0.0), 0)
        one = solve(noisy(given, 0), truth(), 0)
        untold = {name for name, margin in zip(FIELDS, one.margins, strict=True) if np.isnan(margin)}
        assert {"damper", "viscous", "delay"} <= untold
        said = "\n".join(one.warnings)
        assert "does not tell viscous from spring" in said
        assert "damper was held at 1" in said
        assert 0.7 < value(one, "spring") < 1.3

    def test_a_step_of_a_millisecond_is_short_enough(self) -> None:
        """Under the true parameters the windows move as the hinge did; half a millisecond of delay shows."""
        given = windows(hinge([chirp(self.time, 0.3, 6.0) - HANG] * 2, kd=[*self.two]), 0)
        late = truth() + np.eye(len(FIELDS))[FIELDS.index("delay")] * 5e-4
        right, wrong = simulate(given, np.array([truth(), late])) - given.measured
        assert np.sqrt(np.square(right).mean()) < 5e-4
        assert np.sqrt(np.square(wrong).mean()) > 2e-3

    def test_the_motion_is_smooth_in_the_parameters(self) -> None:
        """All moved at once is the sum of each moved alone, though friction turns round between steps."""
        given = windows(hinge([chirp(self.time, 0.3, 6.0) - HANG] * 2, kd=[*self.two]), 0)
        moves = np.diag(0.001 * truth())
        still, together, *alone = simulate(given, truth() + np.concatenate([np.zeros((1, 11)), [moves.sum(0)], moves]))
        off = together - still - (np.array(alone) - still).sum(0)
        assert np.abs(off).max() < 5e-6  # of 100

    def test_dry_friction_holds_a_joint_at_rest(self) -> None:
        """A push below it moves nothing, one above it does."""
        given = windows(hinge([tone(self.time, 0.3, 1.0) - HANG], kd=[1.0], load=0.0), 0)
        still = dataclasses.replace(given, start=(0.0 * given.start[0], 0.0 * given.start[1]))
        pushed = dataclasses.replace(still, commands=(given.commands[0], np.full_like(given.commands[1], 0.01)))
        for dry, moves in ((0.3, False), (0.2, True)):  # the push is .26 Nm
            trial = dict.fromkeys(FIELDS, 0.0) | {"spring": 1.05, "dry": dry, "stribeck": 0.2}
            moved = np.abs(simulate(pushed, np.array([[trial[name] for name in FIELDS]]))).max()
            assert (moved > 1e-3) == moves
            assert moves or moved == 0.0


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


def test_recordings_of_several_segments_follow_each_other() -> None:
    """Give each window its own targets, though the second recording's clock begins anew."""
    (data,) = hinge([tone(TestHinge.time, 0.2, 3.0) - HANG], kd=[1.0])
    late = dataclasses.replace(data, time=data.time + 50.0, sampled=data.sampled + 50.0)
    own, of_three = windows([data], 0), windows([data, late, data], 0)
    np.testing.assert_allclose(of_three.target(0.005), np.tile(own.target(0.005), 3), atol=1e-9)
    assert (np.diff(of_three.commands[0]) > 0.0).all()


def test_windows_follow_each_other_without_a_row_twice() -> None:
    """Every judged row once, where it was measured and when, none before its window is warm."""
    (data,) = hinge([tone(TestHinge.time, 0.2, 3.0) - HANG], kd=[1.0])
    given = windows([data], 0)
    window, step, share = given.rows
    when = given.when[step, window] + share * 1e-3
    np.testing.assert_allclose(given.measured, np.interp(when, data.time, data.q[:, 0]), atol=1e-9)
    assert len({*np.round(when, 6)}) == len(when) == 11 * 500
    assert (when - given.when[0, window]).min() >= 0.25 - 1e-9
