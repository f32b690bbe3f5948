"""`identify fit`: what each actuator is, from positions and commands alone; no torque is looked at.

It starts from least squares on the inverse dynamics, where all but the delay is linear, and ends with the parameters
whose open-loop motion is nearest to the measured one (`identify.shooting`). What the motion cannot tell stays near what
others found, and is said; friction of load, of breaking away and a lag of the torque are kept only where their 95 %
confidence interval leaves out zero.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from threadpoolctl import threadpool_limits

from collect.body import ARMATURE, DRY, VISCOUS
from collect.errors import UserError
from collect.joints import BY_KIND, N_JOINTS, NAMES
from collect.recording import Recording
from identify.delay import LONGEST
from identify.features import Array
from identify.parameters import Fitted, Margins, Parameters, Source, held
from identify.shooting import FIELDS, STEP, Stretch, Windows, prepare, simulate, windows

LOW = np.array([0.0, 0.0, 0.0, 0.0, 0.02, 0.0, 0.3, 0.0, -0.1, 0.0, 0.0])
"""Least values, in the order of `FIELDS`."""
HIGH = np.array([0.2, 2.0, 3.0, 2.0, 20.0, 0.5, 3.0, 3.0, 0.1, LONGEST, 0.010])
"""Greatest values."""
TYPICAL = np.array([0.02, 0.2, 0.2, 0.1, 0.2, 0.05, 0.5, 0.5, 0.02, 0.002, 0.002])
"""Their size on real Go2s: what is less sure than this is not known."""
OPTIONAL = ("load", "breakaway", "lag")
"""Kept where they are seen."""
PULL = 20.0
"""A parameter its typical size away from what others found weighs as much as an error of so much in one row [mrad]."""
SPEEDS = (0.2, 3.0)
"""Where Stribeck's speed is looked for [rad/s]: friction falls once a joint turns, or on and on as it turns faster."""
FEWEST = 20
"""Windows that a fit needs: of fewer no confidence interval can be had."""
_STILL = 0.02
"""A joint that moves less is not fitted, standard deviation [rad]."""
_ALIKE = 0.8
"""Correlation from which two parameters are said to stand for each other."""
_SOFT = 0.05
"""Speed over which dry friction turns round in the linear start [rad/s]."""
_DIFFERENCE = 1e-3
"""Step of the derivatives, in typical sizes."""


@dataclass(frozen=True, eq=False)
class Solution:
    """One joint."""

    values: Array
    """In the order of `FIELDS`, shape (11,)."""
    margins: Array
    """Half of the 95 % confidence intervals, NaN where held, shape (11,)."""
    rms: float
    """Error of its motion over the windows [rad]."""
    warnings: tuple[str, ...]


def fit(recordings: Sequence[Recording], report: Callable[[str], None] = lambda done: None) -> Fitted:
    """Fit twelve actuators to recordings of one hung robot.

    Args:
        recordings: with positions, targets and gains; torque is not looked at.
        report: called with what is done, once for each recording and joint.

    Raises:
        UserError: when a channel is missing, the robot stood on the ground, or the recordings are too short.
    """
    data: list[Stretch] = []
    for one in recordings:
        data += prepare(one)
        report(one.session)
    cut = [windows(data, joint) for joint in range(N_JOINTS)]
    few = min(given.when.shape[1] for given in cut)
    if few < FEWEST:
        what = f"{few} windows of a second are too few"
        raise UserError(what, where=recordings[0].session, fix=f"record {FEWEST} s of motion or more")
    found: dict[int, Solution] = {}
    for joint, solution in _solved(data, cut):
        if solution is not None:
            found[joint] = solution
        report(NAMES[joint])
    return _together(found, recordings)


def _solved(data: Sequence[Stretch], cut: Sequence[Windows]) -> Iterator[tuple[int, Solution | None]]:
    """Each joint as soon as it is solved, None of one that hardly moves; a process for each core shares them out."""
    moving = [joint for joint in range(N_JOINTS) if cut[joint].measured.std() > _STILL]
    yield from ((joint, None) for joint in range(N_JOINTS) if joint not in moving)
    count, fresh = len(os.sched_getaffinity(0)), multiprocessing.get_context("spawn")  # a fork would inherit locks
    with threadpool_limits(1), ProcessPoolExecutor(count, fresh, _worker) as pool:
        asked = {pool.submit(solve, cut[joint], start(data, joint), joint): joint for joint in moving}
        yield from ((asked[done], done.result()) for done in as_completed(asked))


def _worker() -> None:
    """One core each, and Ctrl-C ends it without a word: the process that asked has its say."""
    threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(data: Sequence[Stretch], joint: int) -> Array:
    """Where the refinement starts: the delay of a grid at which the inverse dynamics are explained best, and the rest.

    Returns:
        Shape (11,), in the order of `FIELDS`, within the bounds.
    """
    tried = [_linear(data, joint, delay) for delay in np.arange(0.0, 0.5 * LONGEST, 1e-3)]
    _, values = min(tried, key=lambda one: one[0])
    return np.clip(values, LOW, HIGH)


def _linear(data: Sequence[Stretch], joint: int, delay: float) -> tuple[float, Array]:
    """Squared error and values of the least squares on the inverse dynamics at one delay."""
    x, y = [], []
    for one in data:
        dq, ddq, q = one.dq[:, joint], one.ddq[:, joint], one.q[:, joint]
        when, kp = one.sampled[:, joint], one.kp[:, joint]
        late = held(one.time, one.q_target[:, [joint]], when - 0.5 * STEP, STEP, np.array([delay]))[:, 0]
        columns = [kp * (late - q), -one.kd[:, joint] * dq, -ddq, -dq, -np.tanh(dq / _SOFT), kp]
        x.append(np.stack(columns, axis=1))
        y.append(one.torque[:, joint])
    design, torque = np.concatenate(x), np.concatenate(y)
    scale = np.sqrt(np.square(design).mean(0)) + 1e-12
    weights = np.linalg.lstsq(design / scale, torque, rcond=1e-3)[0]
    error = torque - design / scale @ weights
    spring, damper, armature, viscous, dry, bias = weights / scale
    values = _expected(joint)
    named = {"armature": armature, "viscous": viscous, "dry": dry, "spring": spring, "damper": damper, "delay": delay}
    for name, value in (named | {"offset": bias / max(spring, 0.1), "lag": 0.001, "breakaway": 0.02}).items():
        values[FIELDS.index(name)] = value
    return float(np.square(error).sum()), values


def _expected(joint: int, speed: float = SPEEDS[0]) -> Array:
    """A motor as commanded, with the rotor and friction that IIT DLS identified on a Go2, shape (11,)."""
    known = {"armature": ARMATURE[joint], "viscous": VISCOUS[joint], "dry": DRY[joint], "delay": 0.005}
    commanded = {"spring": 1.0, "damper": 1.0, "stribeck": speed}
    return np.array([(known | commanded).get(name, 0.0) for name in FIELDS])


def solve(given: Windows, begin: Array, joint: int) -> Solution:
    """Refine one joint, and again without what of `OPTIONAL` is not seen."""
    free, values, warnings = list(FIELDS), begin.copy(), []
    if np.ptp(given.kd) < 0.1 * given.kd.mean():
        _hold(free, values, "damper", joint)
        warnings.append(f"{NAMES[joint]}: one kd alone does not tell damper from viscous: damper was held at 1")
    both = [_refine(given, _at_speed(values, speed), free, _expected(joint, speed)) for speed in SPEEDS]
    expected = _expected(joint, SPEEDS[int(np.argmin([rms for _, _, rms in both]))])
    values, covariance, rms = min(both, key=lambda one: one[-1])
    while True:
        margins = np.full(len(FIELDS), np.nan)
        margins[_columns(free)] = 1.96 * np.sqrt(covariance.diagonal())
        unseen = [name for name in OPTIONAL if name in free and not _of(name, values) > _of(name, margins)]
        if not unseen:
            break
        _hold(free, values, unseen[0], joint)
        values, covariance, rms = _refine(given, values, free, expected)
    unknown = [name for name in free if not _of(name, margins) < _of(name, _typical(expected))]
    warnings += [f"{NAMES[joint]}: {_confused(free, name, covariance)}" for name in unknown]
    margins[_columns(unknown)] = np.nan
    return Solution(values, margins, rms, tuple(warnings))


def _at_speed(values: Array, speed: float) -> Array:
    return np.where(np.array(FIELDS) == "stribeck", speed, values)


def _typical(expected: Array) -> Array:
    """`TYPICAL`, of Stribeck's speed what is expected of it."""
    return np.where(np.array(FIELDS) == "stribeck", expected, TYPICAL)


def _of(name: str, values: Array) -> float:
    return float(values[FIELDS.index(name)])


def _hold(free: list[str], values: Array, name: str, joint: int) -> None:
    """Hold a parameter at what is expected; without friction of breaking away its speed says nothing."""
    for one in (name, "stribeck") if name == "breakaway" else (name,):
        free.remove(one)
        values[FIELDS.index(one)] = _expected(joint)[FIELDS.index(one)]


def _confused(free: Sequence[str], name: str, covariance: Array) -> str:
    """In words why a parameter is not known: which other moves with it."""
    sizes = np.sqrt(covariance.diagonal())
    related = np.abs(covariance[free.index(name)] / sizes / sizes[free.index(name)])
    related[free.index(name)] = 0.0
    other = free[int(np.argmax(related))]
    alike = f" from {other} (correlation {related.max():.2f})" if related.max() > _ALIKE else ""
    return f"this motion does not tell {name}{alike}"


def _refine(given: Windows, begin: Array, free: Sequence[str], expected: Array) -> tuple[Array, Array, float]:
    """Least squares on the open-loop motion: values (11,), covariance of the free ones, and rms error [rad]."""
    columns, typical = _columns(free), _typical(expected)[_columns(free)]
    near = expected[columns] / typical
    seen: dict[bytes, tuple[Array, Array]] = {}

    def both(x: Array) -> tuple[Array, Array]:
        """Errors [mrad] and their slopes over parameters in typical sizes; found together, all trials at once."""
        key = x.tobytes()
        if key not in seen:
            seen.clear()
            trials = np.tile(begin, (len(free) + 1, 1))
            step = np.where(x + _DIFFERENCE > HIGH[columns] / typical, -_DIFFERENCE, _DIFFERENCE)
            trials[:, columns] = x * typical
            trials[1:, columns] += np.diag(step * typical)
            moved = simulate(given, trials)
            errors, slopes = 1e3 * (moved[0] - given.measured), 1e3 * ((moved[1:] - moved[0]) / step[:, None]).T
            seen[key] = np.append(errors, PULL * (x - near)), np.concatenate([slopes, PULL * np.eye(len(free))])
        return seen[key]

    bounds = LOW[columns] / typical, HIGH[columns] / typical
    inside = np.clip(begin[columns] / typical, bounds[0] + 1e-6, bounds[1] - 1e-6)
    options: dict[str, Any] = {"ftol": 1e-5, "xtol": 1e-5, "max_nfev": 40}
    best = least_squares(lambda x: both(x)[0], inside, jac=lambda x: both(x)[1], bounds=bounds, **options)
    values, errors = begin.copy(), best.fun[: -len(free)]
    values[columns] = best.x * typical
    covariance = _covariance(best.jac[: -len(free)], errors, given.rows[0]) * np.outer(typical, typical)
    return values, covariance, float(1e-3 * np.sqrt(np.square(errors).mean()))


def _covariance(slopes: Array, errors: Array, window: NDArray[np.intp]) -> Array:
    """Of the parameters in typical sizes: windows are drawn, not rows, for errors of neighbours resemble each other.

    The sandwich for clustered errors (Liang and Zeger, Biometrika 73, 1986), enlarged for few windows. A direction of
    which the motion says nothing is as uncertain as `PULL` has it: a typical size.
    """
    size = slopes.shape[1]
    inverse = np.linalg.inv(slopes.T @ slopes + PULL**2 * np.eye(size))
    count = int(window.max()) + 1
    scores = np.stack([np.bincount(window, column * errors, count) for column in slopes.T], axis=1)
    few = count / max(count - size, 1)
    return np.asarray(inverse @ (few * scores.T @ scores + PULL**4 * np.eye(size)) @ inverse)


def _columns(free: Sequence[str]) -> list[int]:
    return [FIELDS.index(name) for name in free]


def _together(found: dict[int, Solution], recordings: Sequence[Recording]) -> Fitted:
    """Twelve joints; one that did not move has the mean of its kind."""
    if not found:
        raise UserError("no joint moves", where=recordings[0].session, fix="give a recording with motion")
    values, margins = np.empty((N_JOINTS, len(FIELDS))), np.full((N_JOINTS, len(FIELDS)), np.nan)
    warnings: list[str] = []
    for joint in range(N_JOINTS):
        if joint in found:
            values[joint], margins[joint] = found[joint].values, found[joint].margins
            warnings += found[joint].warnings
            continue
        kind = next(joints for joints in BY_KIND.values() if joint in joints)
        like = [found[other].values for other in kind if other in found] or [one.values for one in found.values()]
        values[joint] = np.mean(like, axis=0)
        warnings.append(f"{NAMES[joint]} hardly moves: it is given the mean of those like it")
    known = {name: tuple(float(value) for value in values[:, i]) for i, name in enumerate(FIELDS)}
    sure = {
        name: tuple(float(value) if np.isfinite(value) else None for value in margins[:, i])
        for i, name in enumerate(FIELDS)
    }
    sources = tuple(Source(one.session, one.content_sha256()) for one in recordings)
    errors = tuple(found[joint].rms if joint in found else None for joint in range(N_JOINTS))
    return Fitted(Parameters(**known), Margins(**sure), tuple(warnings), errors, sources)
