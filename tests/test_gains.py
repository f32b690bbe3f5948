"""kd in force: a real calf's comes in steps, a simulated one's is what was commanded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from moved import delayed, moved

from collect.convert import convert
from collect.joints import BY_KIND
from collect.recording import read
from identify.baselines import SOFT
from identify.dataset import kd_in_force, series
from identify.delay import delayed_pd
from identify.gains import CALF_STEP, truncated


def test_a_calf_gets_the_next_lower_step() -> None:
    """And hips and thighs what they are told, if it is a multiple of 1/32."""
    found = truncated(np.repeat([[1.25], [1.5], [2.0], [3.0], [4.0], [5.0]], 12, axis=1))
    np.testing.assert_allclose(found[:, 2], [1.148, 1.493, 1.952, 2.986, 3.905, 4.938], atol=1e-3)
    np.testing.assert_array_equal(found[:, 0], [1.25, 1.5, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(found[:, 0], found[:, 1])


def test_a_gain_on_a_step_stays() -> None:
    """Also in the single precision of a recording."""
    exact = np.full((1, 12), np.float32(7 * CALF_STEP)).astype(float)
    np.testing.assert_allclose(truncated(exact)[:, BY_KIND["calf"]], 7 * CALF_STEP)


def test_a_simulated_robot_is_believed() -> None:
    """It does not sample its joints in turns; a log without velocities does not say."""
    recording = moved(delayed(0.005), seconds=1.0)
    np.testing.assert_array_equal(kd_in_force(recording), recording.kd)


@pytest.mark.data
@pytest.mark.parametrize(
    ("log", "commanded"), [("9.0hz_p25d1.2", 1.25), ("9.0hz_p25d2.0", 2.0), ("9.0hz_p25d4.0", 4.0)]
)
def test_a_real_calf_damps_as_the_steps_say(log: str, commanded: float, logs: Path, tmp_path: Path) -> None:
    """Damping over stiffness of what its motor reports, within two percent; what was commanded is 2 to 8 off."""
    (source,) = (logs / "katari16" / "torque").glob(f"chirp_{log}_*.pt")
    recording = read(convert(source, "katari16", tmp_path / "out"))
    data = series(recording, where=log)
    assert data.kd_commanded[0, 0] == pytest.approx(commanded)
    rows = data.with_past(0.03) & (data.time < 5.0)
    found = []
    for j in BY_KIND["calf"]:
        fits = []
        for delay in np.arange(0.003, 0.007, 0.0005):
            dq = data.dq[rows][:, j]
            spring = (delayed_pd(data, delay) + data.kd * data.dq)[rows][:, j]
            x = np.stack([spring, -dq, -np.tanh(dq / SOFT), np.ones_like(dq)], axis=1)
            weights, left, *_ = np.linalg.lstsq(x, data.torque[rows][:, j], rcond=None)
            fits.append((float(left[0]), weights[1] / weights[0]))
        found.append(min(fits)[1])
    assert np.mean(found) == pytest.approx(data.kd[0, 2], rel=0.02)
