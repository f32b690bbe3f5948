"""Random plans: what planning lets through never leaves the bounds of a command, whatever ticks are missed (L14)."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from promises import record, times

from collect.errors import UserError
from collect.excitation import MAX_KD, MAX_KP, MIN_KD, Segment
from collect.joints import BY_KIND, LOWER, UPPER
from collect.limits import REST_TOLERANCE
from collect.permitted import permitted
from collect.plan import Plan, PlanConfig, check, tabulate
from collect.predict import predict
from collect.program import compose

pytestmark = pytest.mark.slow

KINDS = ("chirp", "staircase", "hold")


def random_plan(random: np.random.Generator) -> Plan | None:
    """Two seconds of anything that a config can ask, within its ceilings and a little beyond; None if it is refused."""
    low, high = (
        np.array([end[joints].max() if end is LOWER else end[joints].min() for joints in BY_KIND.values()])
        for end in (LOWER, UPPER)
    )
    try:
        segment = Segment(
            name="a",
            kind=str(random.choice(KINDS)),
            duration=float(random.uniform(1.0, 2.0)),
            amplitude=tuple(random.uniform(0.0, 0.4, 3).tolist()),
            f0=float(random.uniform(0.1, 1.0)),
            f1=(float(random.uniform(0.5, 12.0)),),
            kp=(float(random.uniform(1.0, 1.05 * MAX_KP)),),
            kd=(float(random.uniform(0.9 * MIN_KD, 1.05 * MAX_KD)),),
        )
        posture = tuple(random.uniform(low, high).tolist())
        plan = predict(tabulate(PlanConfig(name="random", segments=(segment,), posture=posture, rest=0.1)))
        check(plan)
    except (UserError, ValueError):
        return None
    return plan


def test_what_is_planned_is_permitted_and_nothing_beside_it(record_property):
    """Every tick of a program, also with ticks missed before it; a value beyond a bound, or a longer step, is not."""
    count = times(100, 2000)
    noted = record(record_property, "L14", "every command within its bounds", f"{count} random plans")
    random, passed, ticks = np.random.default_rng(0), 0, 0
    for _ in range(count):
        plan = random_plan(random)
        if plan is None:
            continue
        rest = random.uniform(LOWER - REST_TOLERANCE, UPPER + REST_TOLERANCE)
        program = compose(plan, rest)
        rows = np.cumsum(random.integers(1, 8, len(program)))
        rows = np.r_[0, rows[rows < len(program)]]
        passed, ticks = passed + 1, ticks + len(rows)
        q, before = program.q_target[rows], program.q_target[np.r_[0, rows[:-1]]]
        steps = np.maximum(np.diff(rows, prepend=0), 1)[:, None] * program.step
        sent = SimpleNamespace(q=q.copy(), kp=program.kp[rows], kd=program.kd[rows])
        assert permitted(sent, before, steps)
        moving = sent.kp > 0.0
        assert (q >= LOWER - REST_TOLERANCE - 1e-6).all()
        assert (q <= UPPER + REST_TOLERANCE + 1e-6).all()
        assert (sent.kp[moving] <= MAX_KP).all()
        assert (sent.kd >= np.float32(MIN_KD)).all()
        assert (sent.kd <= MAX_KD).all()
        row, joint = int(random.choice(np.flatnonzero(moving.all(axis=1)))), int(random.integers(12))
        away = 1.0 if q[row, joint] < before[row, joint] + 1e-9 else -1.0
        for name, value in (
            ("q", before[row, joint] - away * (steps[row, joint] + 2e-3)),
            ("q", UPPER[joint] + REST_TOLERANCE + 1e-3),
            ("q", np.nan),
            ("kp", MAX_KP + 1.0),
            ("kd", 0.0),
        ):
            held = getattr(sent, name)[row, joint]
            getattr(sent, name)[row, joint] = value
            assert not permitted(sent, before, steps), (name, value)
            getattr(sent, name)[row, joint] = held
    assert passed > 0.1 * count
    noted(f"{ticks} commands of {passed} plans that were not refused")
