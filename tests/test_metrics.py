"""Errors by their definitions, on numbers small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import changed, recording

from identify.dataset import series as prepare
from identify.metrics import errors, noise_floor


def columns(*first: float) -> np.ndarray:
    """Rows whose first joint takes these values; the others stay 0."""
    out = np.zeros((len(first), 12))
    out[:, 0] = first
    return out


def test_errors_of_one_joint_by_hand() -> None:
    """Measured 0, 2, 4 and predicted 1, 2, 2: MSE 5/3, MAE 1, R² 1 − (5/3)/(8/3)."""
    found = errors(columns(0, 2, 4), columns(1, 2, 2))
    assert found.mse[0] == pytest.approx(5 / 3)
    assert found.rmse[0] == pytest.approx(np.sqrt(5 / 3))
    assert found.mae[0] == pytest.approx(1.0)
    assert found.r2[0] == pytest.approx(1 - 5 / 8)
    assert found.rows == 3


def test_a_kind_pools_its_four_joints() -> None:
    """One hip of four is wrong by 2 Nm: the hips' RMSE is 1, that of the others 0."""
    found = errors(np.zeros((5, 12)), columns(2, 2, 2, 2, 2))
    assert found.rmse_of("hip") == pytest.approx(1.0)
    assert found.rmse_of("thigh") == found.rmse_of("calf") == 0.0


def test_r2_is_undefined_for_a_torque_that_never_changed() -> None:
    """NaN, not a flattering 1; over all joints the still ones do not count as variance."""
    found = errors(columns(0, 2, 4), columns(0, 2, 4))
    assert found.overall_r2 == 1.0
    assert np.isnan(found.r2[1:]).all()


def test_predicting_the_mean_has_r2_of_zero() -> None:
    """Per joint and over all joints, each about its own mean."""
    measured = np.random.default_rng(0).normal(size=(100, 12)) + np.arange(12)
    found = errors(measured, np.broadcast_to(measured.mean(0), measured.shape))
    np.testing.assert_allclose(found.r2, 0.0, atol=1e-12)
    assert found.overall_r2 == pytest.approx(0.0)


@pytest.mark.parametrize(("predicted", "message"), [(np.zeros((0, 12)), "no rows"), (columns(np.nan), "not finite")])
def test_nothing_and_nan_have_no_error(predicted: np.ndarray, message: str) -> None:
    """Neither becomes a number in a table."""
    with pytest.raises(ValueError, match=message):
        errors(np.zeros_like(predicted), predicted)


def test_the_noise_floor_is_the_scatter_of_a_repeat() -> None:
    """Two passes of one motion with 0.3 Nm of noise each: the floor is 0.3, whatever the motion."""
    once = recording(seconds=8.0, segments=("a", "a_repeat"))
    tau = np.tile(once.tau_est[:2000], (2, 1)) + 0.3 * np.random.default_rng(1).standard_normal((4000, 12))
    floor = noise_floor(prepare(changed(once, tau_est=tau.astype("f4")), where="x"))
    assert floor is not None
    for value in (floor.hip, floor.thigh, floor.calf):
        assert value == pytest.approx(0.3, rel=0.05)


def test_without_a_repeat_there_is_no_noise_floor() -> None:
    """None rather than a guess."""
    assert noise_floor(prepare(recording(segments=("a", "b")), where="x")) is None
