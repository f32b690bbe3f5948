"""The preflight's table on its own: quiet on a healthy robot, each check trips on its own fault, and so does NaN."""

import dataclasses
from collections import Counter
from runpy import run_path

import numpy as np
import pytest
from conftest import ROOT
from surveys import ROBOT, N, healthy, measured

from collect.acceptance import Identity
from collect.computer import Interface
from collect.host_verdicts import TESTED
from collect.joints import BY_KIND, LOWER
from collect.neighbours import Log
from collect.safety import CHECKS as ALL
from collect.safety import found
from collect.survey import Survey
from collect.switcher import Release

CHECKS = tuple(check for check in ALL if check.stage != "motion" and check.verdict)
"""P11 and P12 are where plans and configs are read (test_plan, test_config)."""
STAGES = tuple(dict.fromkeys(check.stage for check in CHECKS))
LO, DOWN = Interface("lo", True, ("127.0.0.1",)), Interface("eth0", False, ("192.168.123.99",))
OTHER_NETWORK = Interface("eth0", True, ("10.0.0.1",))


def states(path: str, value, rows=slice(None)):
    """A healthy survey with `value` in a field of the states: `motor_state.3.q`."""

    def spoiled() -> Survey:
        survey = healthy()
        *names, last = path.split(".")
        where = survey.states
        for name in names:
            where = where[:, int(name)] if name.isdigit() else where[name]
        if last.isdigit():
            where[rows, int(last)] = value
        else:
            where[last][rows] = value
        return survey

    return spoiled


def changed(**changes):
    return lambda: healthy(**changes)


def log(**changes):
    """Of the healthy robot, just written."""
    return Log(**({"path": "/data/t.journal", "age": 0.1, "place": healthy().place, "serial": ROBOT.serial} | changes))


def disk(**changes):
    return lambda: healthy(disk=dataclasses.replace(healthy().disk, **changes))


def times(spoil):
    def spoiled() -> Survey:
        survey = healthy()
        spoil(survey.times)
        return survey

    return spoiled


def at(index, value):
    def spoil(array):
        array[index] += value

    return spoil


def held_up(index, seconds):
    """What came meanwhile is taken when it ends, one right after the other."""

    def spoil(array):
        waited = array[index:] - array[index]
        array[index:] += np.maximum(seconds - 0.999 * waited, 0.0)

    return spoil


FAULTS = {
    "P1 interface": [
        changed(interfaces=(LO,)),
        changed(interfaces=(LO, DOWN)),
        changed(interfaces=(LO, OTHER_NETWORK)),
        changed(interface="<eth0>", interfaces=(Interface("<eth0>", True, ("192.168.123.99",)),)),
    ],
    "P6 single instance": [changed(rival="pid 812")],
    "P6 journal": [
        changed(logs=(log(age=0.4),)),
        changed(logs=(log(age=60.0), log(age=4.9))),
        changed(logs=(log(age=np.nan),)),
        changed(logs=(log(serial=""),)),
        changed(logs=(log(place="interface wlan0, domain 0"),)),
        changed(logs=(log(place="", serial=""),)),
        changed(logs=None),
    ],
    "P13 target": [disk(obstacle="s.h5 exists and is never overwritten")],
    "P13 room": [disk(free=0.4e9), disk(free=np.nan), disk(needed=np.nan)],
    "P13 sync": [disk(sync=np.r_[np.full(18, 0.001), 0.2, 0.2]), disk(sync=np.full(20, np.nan))],
    "P16 aborting versions": [changed(versions={"cyclonedds": "0.10.2", "python": "3.12.4"})],
    "P16 tested versions": [
        changed(versions=healthy().versions | {"cyclonedds": "0.10.20"}),
        changed(versions=healthy().versions | {"h5py": "absent"}),
    ],
    "P16 Python": [
        changed(versions=healthy().versions | {"python": "3.12.4"}),
        changed(versions=healthy().versions | {"python": "3.1"}),
    ],
    "P16 date": [changed(synchronised=False)],
    "P10 operator": [changed(answer="hanging"), changed(answer=""), changed(answer="", simulator=True)],
    "P2 contact": [changed(first_state=3.1), changed(first_state=np.nan)],
    "P17 acceptance": [
        changed(accepted=None),
        changed(accepted=measured(without="HW-3")),
        changed(identity=Identity(ROBOT.sn, (1, 3))),
        changed(identity=None),
    ],
    "P5 motion service": [
        changed(release=Release("ai", "ai", 3, 3102)),
        changed(release=None, trouble="the motion service did not answer within 2 s"),
    ],
    "P5 simulator": [changed(simulator=True, impostor="a motion service answers as a robot's does")],
    "P14 guard": [changed(guard="the guard did not start")],
    "P3 rate": [
        changed(listened=(100.0, 102.0)),
        changed(listened=(100.0, np.nan)),
        times(at(slice(250, None), 0.011)),
        times(at(3, np.nan)),
        changed(listened=(99.98, 101.0)),
    ],
    "P3 CRC": [changed(intact=np.arange(N) % 50 > 0)],
    "P3 clock": [states("tick", 0), states("tick", 100, slice(250, 251)), states("tick", np.arange(0, 4 * N, 4))],
    "P4 second commander": [changed(commands=1.0), changed(commands=np.nan)],
    "P7 numbers": [
        states("motor_state.11.q", np.nan, slice(7, 8)),
        states("motor_state.3.dq", np.inf),
        states("motor_state.3.tau_est", 1e9),
        states("imu_state.quaternion.2", np.nan),
    ],
    "P7 zeros": [states("motor_state.q", 0.0)],
    "P7 freeze": [lambda: states("motor_state", healthy().states["motor_state"][0], slice(100, 400))()],
    "P7 joints": [states("motor_state.12.q", 0.3)],
    "P8 posture": [states("motor_state.2.q", -2.95), states("motor_state.0.q", 1.3)],
    "P8 speed": [states("motor_state.4.dq", -0.6)],
    "P9 temperature": [
        states("motor_state.6.temperature", 71),
        states("motor_state.6.temperature", 0),
        states("motor_state.6.temperature", 255),
    ],
    "P9 battery": [states("power_v", 26.9), states("power_v", np.nan), states("bms_state.soc", 29)],
    "P9 motor bus": [states("motor_state.9.lost", 5, slice(300, None))],
    "P9 motor mode": [
        states("motor_state.7.mode", 0),
        changed(listened=(99.0, 101.0), times=99.0 + 1e-4 * np.arange(N)),
    ],
    "P10 tilt": [states("imu_state.rpy.1", -0.41), states("imu_state.rpy.0", np.nan)],
    "P10 feet": [states("foot_force.3", 61)],
    "P15 loop": [
        times(at(40, 0.0085)),
        times(at(slice(0, 22, 2), 0.0011)),
        times(at(40, np.nan)),
        times(held_up(300, 0.3)),
        times(held_up(494, 0.0095)),
    ],
}


def test_nothing_trips_on_a_healthy_robot():
    """Not even where the robot's clock wraps."""
    assert found(healthy(), *STAGES) == []


@pytest.mark.parametrize(
    "other",
    [
        log(age=5.0),
        log(serial="00000007-00000009"),
        log(serial="", place="interface eth0, domain 1"),
        log(serial="", place="interface eth01, domain 0"),
    ],
)
def test_a_journal_that_is_not_written_or_of_another_robot_is_none_of_ours(other):
    """Five seconds old; another serial number at a place of the same name; another place where it has no number."""
    assert found(healthy(logs=(other,)), *STAGES) == []


def test_a_robot_without_a_number_is_known_by_its_place():
    """A virtual one, of which nothing was measured: two in their own domains may be recorded to one folder."""
    virtual = {"accepted": None, "place": "interface lo, domain 1"}
    same, other = log(place="interface lo, domain 1"), log(place="interface lo, domain 11")
    assert [check.name for check, _ in found(healthy(logs=(same,), **virtual), "claim")] == ["P6 journal"]
    assert found(healthy(logs=(other,), **virtual), "claim") == []


def test_resting_calves_may_be_beyond_their_range():
    """Real ones rest at −2.81 rad, the URDF ends at −2.72."""
    survey = healthy()
    survey.states["motor_state"]["q"][:, BY_KIND["calf"]] -= survey.newest["motor_state"]["q"][2] + 2.81
    assert survey.newest["motor_state"]["q"][2] == pytest.approx(-2.81)
    assert LOWER[2] > -2.73
    assert found(survey, *STAGES) == []


@pytest.mark.parametrize(("name", "number"), [(name, k) for name in FAULTS for k in range(len(FAULTS[name]))])
def test_each_fault_trips_its_check(name, number):
    """With its code first; a fault of one kind is found by one check, but for what makes several unknown."""
    trips = found(FAULTS[name][number](), *STAGES)
    assert name in [check.name for check, _ in trips]
    assert all(measured and "\n" not in measured for _, measured in trips)


def test_every_check_has_a_fault():
    """A check without one would be a claim."""
    assert set(FAULTS) == {check.name for check in CHECKS}


def test_what_was_not_measured_is_not_ready():
    """An empty survey trips every check."""
    assert [check for check in CHECKS if check.verdict(Survey()) is None] == []


def test_the_range_is_that_of_the_measured_stops():
    """Where `accept` has found them; a leg may rest a little beyond."""
    survey = healthy()
    high = survey.newest["motor_state"]["q"][:12] - 0.1
    assert found(healthy(high=high), "robot") == []
    [(check, measured)] = found(healthy(high=high - 0.1), "robot")
    assert check.name == "P8 posture"
    assert measured.startswith("FR_hip at")


def test_what_the_operator_accepts_of_the_loop_is_accepted_before_motion():
    """A state 12 ms late, and the gap that it leaves."""
    times = healthy().times.copy()
    times[300:] += 0.0
    times[300] += 0.012
    late = healthy(times=np.maximum.accumulate(times))
    assert {check.name for check, _ in found(late, "robot", "damped")} == {"P3 rate", "P15 loop"}
    assert found(dataclasses.replace(late, max_late=0.015), "robot", "damped") == []


def test_a_robot_that_was_held_up_is_no_late_loop():
    """Its host stood still for 4 ms, and its clock is behind ours from then on."""
    assert found(times(at(slice(15, None), 0.004))(), "robot", "damped") == []


def test_one_corrupt_state_is_no_verdict_on_its_numbers():
    """Noise on the cable changes numbers and CRC alike; up to 1 % are dropped, as the loop does."""
    survey = healthy(intact=np.arange(N) != 7)
    survey.states["motor_state"]["q"][7] = np.nan
    assert found(survey, *STAGES) == []


def test_a_simulator_goes_without_what_it_lacks():
    """And with everything else."""
    survey = healthy(simulator=True)
    survey.states["tick"], survey.states["motor_state"]["temperature"] = 0, 0
    assert {check.name for check, _ in found(survey, *STAGES)} == {"P3 clock", "P9 temperature"}
    assert found(survey, *STAGES, missing=frozenset({"tick", "temperature"})) == []


def test_tested_versions_are_those_of_the_constraints():
    """Every version that is pinned for a package of the table is in the table, and nothing else but Python's."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line.split(";")[0].strip().split("==") for line in lines if "==" in line and not line.startswith("#")]
    for package, versions in TESTED.items():
        if package != "python":
            assert set(versions) <= {version for name, version in pins if name == package}


def test_every_check_has_a_mutant():
    """Which removes it and nothing else."""
    mutants = run_path(str(ROOT / "tests" / "faults" / "mutants_preflight.py"))["MUTANTS"]
    assert Counter(check.code for check in ALL if check.stage != "motion") <= Counter(
        promise for promise, *_ in mutants
    )


@pytest.mark.parametrize("table", ["loop", "preflight", "recording"])
def test_every_mutant_applies(table, monkeypatch):
    """Its text stands in its file, once: a table that rots is found before the hours of all mutants."""
    monkeypatch.syspath_prepend(ROOT / "tests" / "faults")
    for _, file, text, replacement, test in run_path(str(ROOT / "tests" / "faults" / f"mutants_{table}.py"))["MUTANTS"]:
        assert (ROOT / file).read_text().count(text) == 1, text
        assert text != replacement
        assert (ROOT / test.strip("'").split("::")[0].split(" ")[0]).is_file(), test
