"""The rigid body is the Go2 of the facts: its masses, inertias, order and stops, held fixed or hung on a sling."""

import numpy as np
import pytest

from collect.bodies import Bodies
from collect.body import ARMATURE, DRY, IMU, STOP_BEYOND, VISCOUS, Body
from collect.joints import HANG, LEGS, LOWER, MODEL_TO_SDK, N_JOINTS, UPPER

TIMESTEP = 0.0005
FL = slice(3 * LEGS.index("FL"), 3 * LEGS.index("FL") + 3)
GRAVITY = 9.81
# MuJoCo 4.0 on unitree_mujoco's go2.xml, base fixed, armature 0: diagonal of the mass matrix, gravity torque of FL.
POSTURES = {
    "stand": ((0.0, 0.67, -1.3), (0.0327, 0.0276, 0.0063), (1.07, 0.37, -0.21)),
    "home": ((0.0, 0.9, -1.8), (0.0236, 0.0204, 0.0063), (1.07, 0.44, -0.27)),
    "tucked": ((0.0, 1.2, -2.0), (0.0182, 0.0177, 0.0063), (1.07, 0.58, -0.25)),
}


def posed(q, dq=0.0, **options) -> Body:
    """A body at rest or in motion; frictionless unless asked."""
    body = Body(timestep=TIMESTEP, **options)
    body.reset(q, dq)
    return body


def mirrored(values) -> np.ndarray:
    """The same leg on the other side: left and right change places, hips change sign."""
    return np.asarray(values)[list(MODEL_TO_SDK)] * np.tile([-1.0, 1.0, 1.0], 4)


def hung(seconds: float, targets, **options) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gyro [rad/s], accelerometer [m/s²] and roll, pitch, yaw [rad] while the legs follow `targets(time)` [rad]."""
    body = posed(targets(0.0), armature=ARMATURE, viscous=VISCOUS, dry=DRY, **options)
    gyro, accel, rpy = [], [], []
    for step in range(int(seconds / TIMESTEP)):
        body.step(60.0 * (targets(step * TIMESTEP) - body.q) - 2.0 * body.dq)
        gyro.append(body.gyro.copy())
        accel.append(body.accel.copy())
        rpy.append(body.rpy)
    return np.array(gyro), np.array(accel), np.array(rpy)


def still(_: float) -> np.ndarray:
    """Targets that do not move."""
    return HANG


def swinging(time: float) -> np.ndarray:
    """All hips and thighs together, not far above the swing's own frequency."""
    return HANG + np.tile([0.3, 0.3, 0.0], 4) * np.sin(2.0 * np.pi * 0.8 * time)


def test_it_weighs_what_a_go2_weighs():
    """Sum the masses to 15.206 kg."""
    assert posed(HANG).mass == pytest.approx(15.206, abs=0.001)


@pytest.mark.parametrize("posture", POSTURES)
def test_inertia_and_gravity_of_a_leg(posture):
    """Agree with the published model to the last digit given, at three postures."""
    q, inertia, gravity = POSTURES[posture]
    body = posed(np.tile(q, 4))
    assert np.diag(body.inertia)[FL] == pytest.approx(inertia, abs=6e-5)
    assert body.bias[FL] == pytest.approx(gravity, abs=0.006)


def test_the_left_mirrors_the_right():
    """Have the same inertia, gravity and velocity forces on both sides, hips with the opposite sign."""
    random = np.random.default_rng(1)
    q, dq = HANG + random.uniform(-0.5, 0.5, N_JOINTS), random.uniform(-5.0, 5.0, N_JOINTS)
    body, image = posed(q, dq), posed(mirrored(q), mirrored(dq))
    mirror = np.array([mirrored(row) for row in np.eye(N_JOINTS)])
    assert image.bias == pytest.approx(mirrored(body.bias), abs=1e-9)
    assert image.inertia == pytest.approx(mirror @ body.inertia @ mirror.T, abs=1e-9)


def test_the_order_is_the_sdks():
    """Turn joint i, and none of another leg, by the torque of index i."""
    for joint in range(N_JOINTS):
        body = posed(HANG)
        body.step(body.bias + np.eye(N_JOINTS)[joint])
        assert np.argmax(np.abs(body.dq) * np.diag(body.inertia)) == joint
        assert body.dq[joint] > 0.0
        assert not np.delete(body.dq.reshape(4, 3), joint // 3, axis=0).round(9).any()


def test_a_step_obeys_the_equation_of_motion():
    """Accelerate by the inverse of the inertia times what gravity leaves of the torque."""
    torque = np.linspace(-3.0, 3.0, N_JOINTS)
    body = posed(HANG)
    expected = np.linalg.solve(body.inertia, torque - body.bias) * TIMESTEP
    body.step(torque)
    assert body.dq == pytest.approx(expected, rel=1e-6)


def test_positions_are_told_at_the_moment_of_the_velocities():
    """Be half of speed times time from where a steady push began; MuJoCo's own positions are half a step further."""
    body = posed(HANG, armature=1e3)
    for _ in range(200):
        body.step(np.full(N_JOINTS, 5e3))
    assert body.q_now - HANG == pytest.approx(0.5 * body.dq * 200 * TIMESTEP, abs=1e-6)
    assert body.q - body.q_now == pytest.approx(0.5 * TIMESTEP * body.dq)


def test_armature_adds_to_the_joint_itself():
    """Raise the diagonal of the inertia by the rotor's, and nothing else."""
    assert posed(HANG, armature=ARMATURE).inertia - posed(HANG).inertia == pytest.approx(np.diag(ARMATURE), abs=1e-12)


def test_friction_resists():
    """Report viscous plus dry friction against the motion as resistance."""
    body = posed(HANG, np.full(N_JOINTS, 2.0), viscous=VISCOUS, dry=DRY, armature=ARMATURE)
    body.step(body.bias)
    assert body.resistance == pytest.approx(-2.0 * VISCOUS - DRY, rel=0.02)


@pytest.mark.parametrize(("push", "limit"), [(8.0, UPPER + STOP_BEYOND), (-8.0, LOWER - STOP_BEYOND)])
def test_each_joint_stops_beyond_its_range(push, limit):
    """Come to rest at the mechanical stop, which lies beyond the range that the joint table gives."""
    body = posed(HANG, armature=ARMATURE, viscous=VISCOUS)
    for _ in range(int(1.5 / TIMESTEP)):
        body.step(np.full(N_JOINTS, push) - 2.0 * body.dq)
    assert body.q == pytest.approx(limit, abs=0.03)
    assert np.abs(body.dq).max() < 0.01


def test_a_fixed_base_feels_no_leg():
    """Keep the IMU at rest while the legs swing."""
    gyro, accel, rpy = hung(1.0, swinging, mount="fixed")
    assert not gyro.any()
    assert not rpy.any()
    assert accel == pytest.approx(np.tile([0.0, 0.0, GRAVITY], (len(accel), 1)))


def test_a_sling_holds_the_base():
    """Hang level and at rest while the legs are still: it feels gravity, so it does not fall."""
    gyro, accel, rpy = hung(3.0, still, mount="sling")
    settled = slice(len(gyro) // 2, None)
    assert accel[settled].mean(axis=0) == pytest.approx([0.0, 0.0, GRAVITY], abs=0.05)
    assert np.abs(gyro[settled]).max() < 0.02
    assert np.abs(rpy).max() < 0.05


def test_a_sling_swings_with_the_legs():
    """Roll and sway when the legs swing, and stay hung."""
    gyro, accel, rpy = hung(3.0, swinging, mount="sling")
    print(np.std(gyro, axis=0), np.std(accel, axis=0), np.abs(rpy).max(axis=0))
    assert 0.02 < np.std(gyro[:, 0]) < 2.0
    assert np.std(accel[:, 0]) > 0.1
    assert np.abs(rpy).max() < 0.5
    assert accel[:, 2].mean() == pytest.approx(GRAVITY, rel=0.05)


def test_what_a_moving_base_asks_of_the_joints():
    """Add to the torque of a fixed base what makes up the torques under which a slung body moved as its IMU felt."""
    step, random = 1e-5, np.random.default_rng(3)
    hung = Body(timestep=step, mount="sling")
    hung.reset(HANG, random.uniform(-6.0, 6.0, N_JOINTS))
    for _ in range(10_000):
        hung.step(5.0 * random.uniform(-1.0, 1.0, N_JOINTS))
    tau = random.uniform(-5.0, 5.0, N_JOINTS)
    q, dq = hung.q.copy(), hung.dq.copy()
    hung.step(tau)
    gyro, accel, ddq = hung.gyro.copy(), hung.accel.copy(), (hung.dq - dq) / step
    hung.step(tau)
    turn = (hung.gyro - gyro) / step
    felt = accel - np.cross(turn, IMU) - np.cross(gyro, np.cross(gyro, IMU))
    (fixed,) = posed(HANG).inverse(q[None], dq[None], ddq[None])
    (more,) = hung.carried(*(one[None] for one in (q, dq, gyro, turn, felt)))
    assert np.abs(gyro).max() > 0.5
    assert np.abs(more).max() > 0.5
    assert fixed + more == pytest.approx(tau, abs=0.01)


@pytest.mark.parametrize("threads", [0, 2])
def test_many_bodies_move_as_each_alone(threads):
    """Give every trajectory of a batch the motion it has by itself, from its own start under its own torques."""
    options = {"timestep": TIMESTEP, "armature": ARMATURE, "viscous": VISCOUS, "dry": DRY}
    random = np.random.default_rng(2)
    starts = HANG + random.uniform(-0.3, 0.3, (5, N_JOINTS))
    speeds = random.uniform(-2.0, 2.0, (5, N_JOINTS))
    together = Bodies(5, threads=threads, **options)
    together.reset(starts, speeds)
    alone = [Body(**options) for _ in starts]
    for body, q, dq in zip(alone, starts, speeds, strict=True):
        body.reset(q, dq)
    for _ in range(20):
        tau = random.uniform(-4.0, 4.0, (5, N_JOINTS))
        q, dq = together.step(tau, 3)
        for index, body in enumerate(alone):
            for step in range(3):
                body.step(tau[index])
                assert q[step, index] == pytest.approx(body.q, abs=1e-5)
                assert dq[step, index] == pytest.approx(body.dq, abs=2e-3)
