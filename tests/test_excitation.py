"""Excitation: sweeps as SciPy knows them, bounded, decorrelated, starting and ending at the centre."""

import numpy as np
import pytest
from scipy.signal import chirp

from collect.excitation import STAIR, Segment, follow_limit, sweep

SWEEP = {"kind": "chirp", "duration": 10.0, "kp": (25.0,), "kd": (0.5,), "amplitude": (0.2, 0.2, 0.3)}


@pytest.mark.parametrize("law", ["linear", "logarithmic"])
def test_the_phase_is_scipys(law):
    """The closed form equals scipy.signal.chirp."""
    t = np.linspace(0.0, 10.0, 5001)
    _, phase = sweep(t, 0.1, 8.0, 10.0, law)
    expected = chirp(t, 0.1, 10.0, 8.0, method=law, phi=-90)
    np.testing.assert_allclose(np.sin(phase), expected, atol=1e-9)


@pytest.mark.parametrize("law", ["linear", "logarithmic"])
def test_a_chirp_stays_within_its_amplitude_and_never_jumps(law):
    """It starts and ends at the centre, and no step exceeds what its top frequency can do."""
    offsets = Segment(name="a", law=law, f1=(8.0, 8.0, 10.0), **SWEEP).targets(500.0)
    limit = np.tile([0.2, 0.2, 0.3], 4)
    assert offsets.shape == (5000, 12)
    assert (np.abs(offsets) <= limit).all()
    assert np.abs(offsets).max() > 0.19
    assert np.abs(offsets[[0, -1]]).max() < 1e-3
    assert (np.abs(np.diff(offsets, axis=0)).max(axis=0) <= limit * 2 * np.pi * 10.0 / 500.0).all()


@pytest.mark.parametrize(("law", "bound"), [("linear", 0.16), ("logarithmic", 0.35)])
def test_joints_of_a_leg_are_decorrelated(law, bound):
    """Hip, thigh and calf of a leg shake each other: their targets must tell them apart."""
    offsets = Segment(name="a", law=law, f1=(8.0, 8.0, 10.0), **SWEEP).targets(500.0)
    correlation = np.abs(np.corrcoef(offsets.T) - np.eye(12))
    assert max(correlation[3 * leg : 3 * leg + 3, 3 * leg : 3 * leg + 3].max() for leg in range(4)) < bound


def test_a_staircase_changes_every_20_ms_only():
    """Targets as a 50 Hz policy would hold them."""
    offsets = Segment(name="a", **(SWEEP | {"kind": "staircase"}), f1=(5.0,)).targets(500.0)
    steps = offsets[: 5000 // 10 * 10].reshape(-1, round(STAIR * 500), 12)
    assert (steps == steps[:, :1]).all()
    assert (np.diff(steps[:, 0], axis=0) != 0.0).mean() > 0.95


def test_a_hold_does_not_move():
    """All offsets are zero."""
    assert not Segment(name="a", kind="hold", duration=2.0, kp=(25.0,), kd=(0.5,)).targets(500.0).any()


def test_amplitude_falls_where_the_joint_would_not_follow():
    """The allowed amplitude never rises again above resonance speed, and bites for a calf at 10 Hz."""
    frequency = np.array([0.5, 5.0, 10.0])
    calf = follow_limit(frequency, 2, 25.0, 0.5)
    assert calf[0] > 1.0
    assert calf[1] < 0.4
    offsets = Segment(name="a", **(SWEEP | {"amplitude": (0.6,)}), f1=(9.0,), law="linear").targets(500.0)
    assert np.abs(offsets[:1500, 2]).max() > 0.5 > np.abs(offsets[2400:3200, 2]).max()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amplitude": (0.1, 0.2)}, "1, 3 or 12"),
        ({"amplitude": (-0.1,)}, "negative"),
        ({"f1": (0.15,)}, "f0 < f1"),
        ({"duration": 0.5}, "duration"),
    ],
)
def test_nonsense_is_refused(change, message):
    """Each mistake by its own sentence."""
    with pytest.raises(ValueError, match=message):
        Segment(name="a", **(SWEEP | change))
