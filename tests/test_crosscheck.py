"""The torque that moved a link is found from its motion, and friction between the two witnesses of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import verb
from moved import moved, target
from synthetic import changed

from collect.body import ARMATURE, DRY, VISCOUS, Body
from collect.convert import convert
from collect.errors import UserError
from collect.joints import HANG, NAMES
from collect.recording import Recording, blank, read, write
from identify.crosscheck import crosscheck
from identify.joint_torque import motion
from identify.smoothing import local

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def robot() -> Recording:
    """Twelve motors with rotor and friction beside them, whose tau_est is what they give; they move widely."""

    def motor(t: float, q: np.ndarray, dq: np.ndarray) -> np.ndarray:
        return 50.0 * (HANG + 3.0 * (target(np.array([t]))[0] - HANG) - q) - 1.5 * dq

    return moved(motor, seconds=5.0)


class TestInverse:
    def test_it_gives_back_the_torque_of_a_simulated_step(self) -> None:
        """Torque to acceleration by MuJoCo's step, and back."""
        rng = np.random.default_rng(0)
        body = Body(timestep=1e-6, armature=0.01)
        for _ in range(5):
            q, dq, tau = HANG + rng.uniform(-0.3, 0.3, 12), rng.normal(0.0, 3.0, 12), rng.normal(0.0, 5.0, 12)
            body.reset(q, dq)
            body.step(tau)
            ddq = (body.dq - dq) / 1e-6
            np.testing.assert_allclose(body.inverse(q[None], dq[None], ddq[None]), tau[None], atol=5e-3)

    def test_friction_is_not_in_it(self) -> None:
        """The same motion takes the same joint torque whatever the friction beside it."""
        state = (HANG[None], np.ones((1, 12)), np.ones((1, 12)))
        plain, rough = Body(timestep=1e-3), Body(timestep=1e-3, viscous=1.0, dry=1.0)
        np.testing.assert_allclose(plain.inverse(*state), rough.inverse(*state), atol=1e-12)


class TestSmoothing:
    def test_a_parabola_is_its_own_fit(self) -> None:
        """Value, slope and curvature, at uneven samples, at the ends too."""
        x = np.cumsum(np.random.default_rng(1).uniform(0.001, 0.003, 60))
        left_out, (value, slope, curve) = local(x, 2.0 + 3.0 * x - 40.0 * x**2, 4, 2)
        np.testing.assert_allclose(value, 2.0 + 3.0 * x - 40.0 * x**2, atol=1e-5)
        np.testing.assert_allclose(slope, 3.0 - 80.0 * x, atol=2e-2)
        np.testing.assert_allclose(curve[5:-5], -40.0, rtol=0.01)
        np.testing.assert_allclose(left_out, 0.0, atol=1e-4)

    def test_a_sample_left_out_is_really_left_out(self) -> None:
        """The shortcut by the lever equals fitting without the sample."""
        x, rng = np.arange(40) * 0.002, np.random.default_rng(2)
        y = rng.normal(size=40)
        moved_ = y.copy()
        moved_[20] += 5.0
        first, second = local(x, y, 5, 2)[0][20], local(x, moved_, 5, 2)[0][20]
        assert second - first == pytest.approx(5.0, rel=1e-6)  # the prediction has not heard of it

    def test_noise_makes_it_reach_further(self, robot: Recording) -> None:
        """Ten times the noise of velocity, a wider parabola."""
        noise = np.random.default_rng(3).normal(size=robot.dq.shape)
        widths = [motion(changed(robot, dq=(robot.dq + s * noise).astype("f4"))).widths.mean() for s in (0.005, 0.3)]
        assert widths[1] > 1.4 * widths[0]


class TestJointTorque:
    def test_it_is_the_motors_torque_less_friction_and_rotor(self, robot: Recording) -> None:
        """Within a tenth of its spread, from velocities; and from positions alone within two."""
        slope = motion(robot)
        inner = slice(100, -100)
        dry = DRY * np.tanh(slope.dq / 0.02)
        expected = robot.tau_est - ARMATURE * slope.ddq - VISCOUS * slope.dq - dry
        for one, share in ((slope, 0.1), (motion(changed(robot, dq=blank(len(robot), 12))), 0.2)):
            error = np.sqrt(np.square(one.torque - expected)[inner].mean(0))
            assert (error < share * expected[inner].std(0) + 0.1).all()

    def test_rotor_friction_and_scale_come_back(self, robot: Recording) -> None:
        """Within a tenth where the joint moves, from one recording; a tau_est that says 80 % is found out."""
        weak = changed(robot, tau_est=(0.8 * robot.tau_est + 0.3).astype("f4"))
        found, weaker = crosscheck([robot], ARMATURE), crosscheck([weak], ARMATURE)
        for j, (one, less) in enumerate(zip(found, weaker, strict=True)):
            assert one.joint == NAMES[j]
            assert one.scale == pytest.approx(1.0, abs=0.05)
            assert one.dry == pytest.approx(DRY[j], rel=0.1, abs=0.03)
            assert one.viscous == pytest.approx(VISCOUS[j], rel=0.1, abs=0.03)
            assert one.rotor == pytest.approx(ARMATURE[j], rel=0.05)
            assert one.rest < 0.1 * one.spread + 0.05
            assert less.scale == pytest.approx(0.8 * one.scale, rel=1e-3)
            assert less.offset == pytest.approx(0.8 * one.offset + 0.3, abs=1e-3)

    def test_a_walking_robot_and_one_without_torque_are_refused(self, robot: Recording) -> None:
        """What the ground did is not recorded; one witness is no cross-check."""
        with pytest.raises(UserError, match="on the ground"):
            motion(changed(robot, attributes={"layout": "orl"}))
        with pytest.raises(UserError, match="no tau_est"):
            crosscheck([changed(robot, tau_est=blank(len(robot), 12))])


def test_the_verb_prints_every_joint(robot: Recording, tmp_path: Path) -> None:
    """And writes the same as JSON."""
    write(robot, tmp_path / "moved.h5")
    done = verb("identify", "crosscheck", tmp_path, "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    assert "RL_calf" in done.stdout
    found = json.loads((tmp_path / "out.json").read_text())["crosscheck"]
    assert list(found) == list(NAMES)
    assert set(found["FR_hip"]) == {"joint", "scale", "offset", "viscous", "dry", "rest", "spread", "rotor"}


@pytest.mark.data
def test_a_log_without_velocity_or_torque_has_a_joint_torque(logs: Path, tmp_path: Path) -> None:
    """IIT DLS's March run: position alone, 200 Hz."""
    source = logs / "dls" / "go2_traj_0_2026-03.pt"
    one = motion(read(convert(source, "dls", tmp_path, kp=[20.0], kd=[1.5])))
    known = np.isfinite(one.torque).all(1)
    assert known.mean() > 0.9
    assert 0.2 < np.nanstd(one.torque) < 10.0
