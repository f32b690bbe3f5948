"""Every check of the loop: its fault is made at the robot or inside the process, and the robot's own log decides."""

from __future__ import annotations

import json
import os
import signal
import time

import h5py
import numpy as np
import pytest
from disturbed import LARGEST_STEP, disturbed, domain, go2, plan, promise, standstill
from held_up import held_up
from oracle import is_stiff
from place import INTERFACE
from promises import VARIANTS, record
from variants import AT_THE_ROBOT, INSIDE

from collect import damping, recording
from collect.body import STOP_BEYOND
from collect.channels import BAD_CRC, DROPPED, GAP, LATE
from collect.joints import BY_KIND, LOWER, UPPER
from collect.link import LOWCMD, Link
from collect.messages import LowCmd
from collect.safety import IN_MOTION

pytestmark = [pytest.mark.dds, held_up()]

FAULT = "import collect.{module} as m\n{code}\n"
HELPERS = """
import time
class Custom(Exception): pass
def note():
    import os
    path = "{event}"
    if not os.path.exists(path):
        open(path, "w").write(repr(time.monotonic()))
def late(function, error, calls=900):
    count = [0]
    def wrapped(*a, **k):
        count[0] += 1
        if count[0] == calls:
            note()
            raise error("injected")
        return function(*a, **k)
    return wrapped
def spoil(value):
    compose = motion.compose
    def wrapped(plan, q):
        import numpy as np
        program = compose(plan, q)
        with np.errstate(over="ignore"):
            program.q_target[500] = value
        command = m.Control._command
        def noted(self, row):
            if row >= 500: note()
            return command(self, row)
        m.Control._command = noted
        return program
    motion.compose = wrapped
def hurry(function):
    def wrapped(self, now):
        if self.progress.rows == 500:
            note()
            self._began -= 100.0
        return function(self, now)
    return wrapped
import collect.motion as motion
"""


HANGING = """
import os, time
import collect.safety
collect.limits.BEHIND = 1.0
os.fdatasync = lambda file: time.sleep(15.0 if os.path.exists({sick!r}) else 0.0)
"""
FAILING = """
import os, time
real = os.fdatasync
def fdatasync(file):
    if os.path.exists({sick!r}):
        raise OSError(5, "Input/output error")
    return real(file)
os.fdatasync = fdatasync
"""


def stopped(session, code: str, event: float, *, exits=(3,)) -> float:
    """What holds after every stop; the delay from the event to damping [s]."""
    assert session.wait() in exits, session.errors
    assert f"STOP {code} " in session.errors, session.errors
    assert session.oracle.stiff_after_damping(event) == 0
    assert session.oracle.damping_frames(event) >= 400
    assert session.oracle.ends_in_damping()
    assert session.oracle.max_target_step() < LARGEST_STEP
    sealed = recording.read(session.recording)
    assert sealed.attributes["stop_code"] == code
    assert len(sealed) > 100
    return session.oracle.damping_delay(event)


def _first_of_each(faults: list) -> list:
    """One fault a check, all of them in `make faults`."""
    return faults if VARIANTS else list({fault[0]: fault for fault in reversed(faults)}.values())


@pytest.mark.parametrize(
    ("code", "lines", "bound"),
    [pytest.param(*fault, marks=held_up(fault[0])) for fault in _first_of_each(AT_THE_ROBOT)],
    ids=lambda value: str(value),
)
def test_a_fault_at_the_robot_stops_the_session(code, lines, bound, disturbed, promise):
    kept = promise(code, "; ".join(lines), bound)
    session = disturbed(after=1.2)
    event = session.fault(*lines)
    exits = (3, 6) if code in ("L2", "L3", "L4", "L6", "L7", "L11") else (3,)
    kept(stopped(session, code, event, exits=exits), event)


@pytest.mark.cable
def test_a_new_writer_stops_the_session(domain, disturbed, promise):
    """L11: of a participant that has listened until then, and before it has written anything."""
    kept = promise("L11", "a new writer that is silent", 0.015)
    link = Link(INTERFACE, domain)
    link.reader(LOWCMD, LowCmd)  # the first use of a type takes a tenth of a second
    session = disturbed(after=0.5)
    event = time.monotonic()
    writer = link.writer(LOWCMD, LowCmd)
    kept(stopped(session, "L11", event), event)
    assert "STOP L11 1 new writer(s) of rt/lowcmd" in session.errors
    del writer


def test_a_writer_that_was_silent_stops_the_session(domain, disturbed, promise):
    """L11: told before motion, and borne until the first command; at once, for it may be the first of one a second."""
    kept = promise("L11", "a silent writer's first command", 0.015)
    link = Link(INTERFACE, domain)
    writer, command = link.writer(LOWCMD, LowCmd), damping.frame(np.zeros(12))
    command.kd[:] = 4.0  # it damps too, and is told from what is judged
    session = disturbed(after=0.5)
    event = time.monotonic()
    writer.write(command.seal())
    kept(stopped(session, "L11", event, exits=(3, 6)), event)
    assert "note: 1 silent writer(s) of rt/lowcmd" in session.errors


@pytest.mark.parametrize(("code", "module", "change"), _first_of_each(INSIDE), ids=lambda value: str(value)[:40])
def test_a_fault_inside_stops_the_session(code, module, change, disturbed, promise, tmp_path):
    kept = promise(code, change.split("=")[-1].strip(), 0.004)
    noted = tmp_path / "event"
    session = disturbed(patch=HELPERS.replace("{event}", str(noted)) + FAULT.format(module=module, code=change))
    session.wait()
    event = float(noted.read_text())
    kept(stopped(session, code, event), event)


DRIVEN = """
def driven(program, to):
    import numpy as np
    calves = program.q_target[:, 2::3]
    calves[1750:1810] += np.linspace(0.0, 1.0, 60)[:, None] * (to - calves[1750])  # in 120 ms
    calves[1810:] = to
    program.step[:] = 1.0
    return program
compose = motion.compose
motion.compose = lambda plan, q: driven(compose(plan, q), {to})
"""
TOWARDS = [("back", -2.86), ("forth", -0.70)]
"""Which way, and a target at the calves' range's end, as a leg may rest there [rad]."""


@pytest.mark.parametrize(("way", "to"), TOWARDS if VARIANTS else TOWARDS[:1])
def test_a_leg_that_is_driven_towards_its_stop_does_not_reach_it(way, to, disturbed, record_property, tmp_path):
    """L6: all calves, by targets that no plan may have; damping begins while it is still enough."""
    left = record(record_property, "L6", "not at an end stop", f"calves driven {way}")
    truth, calves = tmp_path / "truth.h5", BY_KIND["calf"]
    session = disturbed("--truth", str(truth), patch=f"{HELPERS}{DRIVEN.format(to=to)}", after=3.0)
    assert session.wait() == 3, session.errors
    assert "_calf " in session.errors.partition("STOP L6 ")[2], session.errors
    session.robot.end()
    with h5py.File(truth) as file:
        q, dq = (file["rows"][name][:, calves] for name in ("q", "dq"))
    room = float(np.minimum(q - LOWER[calves] + STOP_BEYOND, UPPER[calves] + STOP_BEYOND - q).min())
    fastest = float(abs(dq).max())
    left(f"{room:.2f} rad before it at the nearest, {fastest:.0f} rad/s at the fastest")
    assert room > 0.0
    assert fastest > 3.0


DEAD = """
import collect.control as m
command = m.Control._command
class Dead:
    def write(self, message):
        note()
        raise RuntimeError("the participant is closed")
def wrapped(self, row):
    if row == 500:
        self._writer = Dead()
    command(self, row)
m.Control._command = wrapped
"""


def test_the_guard_takes_over_where_control_can_send_nothing(disturbed, promise, tmp_path):
    """L15: who only tries to damp does not beat."""
    kept, noted = promise("L15", "DDS takes nothing any more", 0.030), tmp_path / "event"
    session = disturbed(patch=HELPERS.replace("{event}", str(noted)) + DEAD)
    kept(*session.taken_over(noted, "GUARD: "))


def test_a_joint_that_is_held_fast_stops_the_session(disturbed, promise):
    """L8: from a third of a radian off its target on, a tenth of a second."""
    kept = promise("L8", "stick FR_thigh", 0.105)
    session = disturbed(before=("select normal",), after=0.0)  # from where its motion program holds it, far off
    event = session.fault("stick FR_thigh 20")
    assert session.wait() == 3, session.errors
    assert "STOP L8 FR_thigh" in session.errors
    stopped(session, "L8", event)
    held = float(recording.read(session.recording).q[-1, 1])
    frames = session.oracle.frames()
    blocked = is_stiff(frames) & (abs(frames["q"][:, 1] - held) > 0.35)
    off = float(frames["heard"][blocked][0])
    kept(session.oracle.damping_delay(off), off)


def test_a_warm_motor_goes_home_first(disturbed, promise):
    """L9: at 75 °C along a ramp to where it began, in three seconds, then damping."""
    kept = promise("L9", "ramp to 75 °C", 3.0)
    session = disturbed(before=("set RL_hip.temperature 57 60",), after=1.0)
    event = session.fault("ramp RL_hip.temperature 2 60") + (75.0 - 57.0) / 2.0
    kept(stopped(session, "L9", event), event)
    assert "went home" in session.errors
    assert returned(session)


def test_a_slow_disk_goes_home_and_never_delays_the_loop(disturbed, promise, tmp_path):
    """L18: rows are in memory; that the disk does not take them is no reason to drop the legs."""
    kept = promise("L18", "the disk takes nothing (limit here 1 s), then home", 3.7)
    sick = tmp_path / "sick"
    session = disturbed(patch=HANGING.format(sick=str(sick)), after=1.0)
    sick.touch()
    event = time.monotonic()
    # Closing the journal waits for the disk as well; the robot has long been damped by then.
    assert session.wait(90) == 3, session.errors
    kept(stopped(session, "L18", event), event)
    assert "disk behind by 1.0 s" in session.errors
    assert returned(session)
    sealed = recording.read(session.recording)
    assert np.diff(sealed.time).max() < 0.02  # a row that waited for the disk would have waited for seconds


def test_a_disk_that_fails_goes_home(disturbed, promise, tmp_path):
    """L18: what is in memory is sealed all the same."""
    kept = promise("L18", "the disk refuses, then home", 2.7)
    sick = tmp_path / "sick"
    session = disturbed(patch=FAILING.format(sick=str(sick)), after=1.0)
    sick.touch()
    event = time.monotonic()
    kept(stopped(session, "L18", event), event)
    assert "Input/output error" in session.errors
    assert returned(session)


def returned(session) -> bool:
    """Whether the last stiff target is where the first one was."""
    frames = session.oracle.frames()
    targets = frames["q"][is_stiff(frames)]
    return bool(abs(targets[-1] - targets[0]).max() < 0.02)


STEPPED = """
import os, time
real = time.time
time.time = lambda: real() + 3600.0 * os.path.exists({step!r})
"""
PASSED = [
    ("silence of 12 ms", ["silent 0.012"]),
    ("clock ahead by 10 ms", ["tick 10"]),
    ("one sample that is no number", ["set FL_thigh.dq nan 0.002"]),
    ("states twice", ["twice 0.2"]),
    ("one in a hundred corrupt", ["corrupt 0.01 1"]),
    ("remote control's other buttons", ["set wireless_remote.2 255 0.1", "set wireless_remote.3 253 0.1"]),
]


def test_what_is_no_reason_to_stop(disturbed, record_property, tmp_path):
    """All in one session: each is borne, and what is missing is flagged, not filled in. The robot's clock wraps, and
    ours is set (L19)."""
    measured = record(record_property, "L19", "no stop, noted", "our wall clock is set by an hour")
    step = tmp_path / "step"
    ahead = ("tick_is 4294959296",)  # eight seconds before its 32 bits are full
    session = disturbed(patch=STEPPED.format(step=str(step)), before=ahead, after=0.5)
    step.touch()
    for name, lines in PASSED:
        session.fault(*lines)
        time.sleep(0.5)
        assert session.session.poll() is None, (name, session.wait(), session.errors)
    assert session.wait() == 0, session.errors
    sealed = recording.read(session.recording)
    assert sealed.attributes["state"] == "complete"
    statistics = json.loads(sealed.attributes["statistics"])
    dropped, bad, gaps = ((sealed.flags & flag) > 0 for flag in (DROPPED, BAD_CRC, GAP))
    assert statistics["corrupt"] >= dropped.sum() > bad.sum() > 0  # the one that was no number had a CRC
    assert not (bad & ~dropped).any()
    assert gaps.any()
    skipped = np.flatnonzero(np.diff(sealed.tick.astype(np.int64)) % 2**32 > 2) + 1
    assert gaps[skipped].all()
    assert gaps.sum() == len(skipped)
    assert statistics["stale"] >= 1  # 12 ms without a state
    assert abs(sealed.dq).max() < 60.0
    assert sealed.tick[0] > 2**31 > sealed.tick[-1]
    assert (np.diff(sealed.time) > 0.0).all()
    noted = statistics["clock_step"]
    assert noted == pytest.approx(3600.0, abs=1.0)
    measured(f"no stop, clock_step {noted:+.1f} s")


@held_up("L12")
@pytest.mark.parametrize(("naps", "accepted"), [((0.005, 0.013), 0.008), ((0.0105, 0.016), 0.012)])
def test_a_loop_that_slept(naps, accepted, disturbed, promise):
    """L12: what is allowed is borne, without a burst of commands; what is more damps as soon as it wakes."""
    what = f"held up for {1e3 * naps[-1]:.0f} ms, {1e3 * accepted:.0f} allowed"
    kept = promise("L12", what, 0.010)
    session = disturbed(after=1.0, options=("--accept-jitter", str(accepted)))
    for nap in naps:
        assert session.session.poll() is None, session.errors
        event = time.monotonic()
        os.kill(session.control, signal.SIGSTOP)
        time.sleep(nap)
        os.kill(session.control, signal.SIGCONT)
        awake = time.monotonic()
        time.sleep(0.5)
        frames = session.oracle.frames()
        assert np.count_nonzero((frames["heard"] > event) & (frames["heard"] < event + 0.05)) <= 28
    assert session.wait() == 3, session.errors
    assert "STOP L12 control loop slept" in session.errors
    assert (recording.read(session.recording).flags & LATE).any()  # of the nap that was borne
    kept(session.oracle.damping_delay(awake), awake)
    assert session.oracle.stiff_after_damping(event) == 0


@held_up("L12", also=("control loop slept",))  # a nap that the machine made longer
def test_a_loop_that_is_late_too_often(disturbed, promise):
    """L12: each time for less than it may be, but before more than 2 % of a second's rows."""
    kept = promise("L12", "held up for 4 ms every 30 ms, 10 rows of 500 allowed", 0.010)
    session = disturbed(after=1.0, options=())
    began, awake = time.monotonic(), []
    while not (session.oracle.frames()["kp"][-1] == 0.0).all():
        assert time.monotonic() - began < 2.0
        os.kill(session.control, signal.SIGSTOP)
        time.sleep(0.004)
        os.kill(session.control, signal.SIGCONT)
        awake.append(time.monotonic())
        time.sleep(0.026)
    assert session.wait() == 3, session.errors
    assert "of 500 rows late (10 allowed)" in session.errors, session.errors
    damped = began + session.oracle.damping_delay(began)
    last = max(moment for moment in awake if moment <= damped)
    kept(damped - last, last)


HOLDS = {
    "the interpreter": """
def hold():
    # Not a line of Python in it: no thread gets the interpreter meanwhile, as in a call of C that does not release it.
    ended = time.monotonic() + 0.013
    note(max(takewhile(ended.__gt__, starmap(time.monotonic, repeat(())))))
def begin(): threading.Thread(target=hold).start()
""",
    "a collection of garbage": """
def collect(number):
    began, young = time.monotonic(), [[] for _ in range(number)]
    gc.collect(0)
    return time.monotonic() - began
NUMBER = int(100_000 * 0.013 / min(collect(100_000) for _ in range(3)))
def begin():
    collect(NUMBER)
    note(time.monotonic())
""",
}
HELD = """
import gc, threading, time, collect.pace as m
from itertools import repeat, starmap, takewhile
def note(moment): open({noted!r}, "w").write(repr(moment))
{hold}
advance, count = m.Pace.advance, [0]
def wrapped(self, tick, now):
    count[0] += 1
    if count[0] == 900: begin()
    return advance(self, tick, now)
m.Pace.advance = wrapped
"""


HOARDED = """
import collect.pace as m
kept = [[] for _ in range(500_000)]
advance = m.Pace.advance
def wrapped(self, tick, now):
    kept.extend([] for _ in range(1500))
    return advance(self, tick, now)
m.Pace.advance = wrapped
"""


def test_what_piles_up_is_not_collected_while_it_moves(disturbed, record_property):
    """L12: no collection of garbage runs in the loop, however much there is."""
    measured = record(record_property, "L12", "no stop", "750 000 objects a second that stay")
    session = disturbed(patch=HOARDED, options=(), after=2.5)
    session.session.send_signal(signal.SIGINT)
    assert session.wait() == 4, session.errors
    measured("no stop")


@held_up("L12")
@pytest.mark.parametrize("what", HOLDS if VARIANTS else list(HOLDS)[:1])
def test_a_loop_whose_own_process_held_it_up(what, disturbed, promise, tmp_path):
    """L12: for 13 ms, less than what the guard takes for a hang."""
    kept, noted = promise("L12", f"{what} holds the loop up for 13 ms, 8 allowed", 0.010), tmp_path / "event"
    session = disturbed(patch=HELD.format(noted=str(noted), hold=HOLDS[what]), options=())
    assert session.wait() == 3, session.errors
    assert "STOP L12 control loop slept" in session.errors
    event = float(noted.read_text())
    assert session.oracle.stiff_after_damping(event) == 0
    kept(session.oracle.damping_delay(event), event)


def test_every_check_is_walked():
    """A check of the table without a fault here would be a claim."""
    tested = {code for code, *_ in AT_THE_ROBOT + INSIDE} | {"L12", "L18"}
    elsewhere = {"S2", "S4", "S5", "S6", "S7"}  # test_deaths.py
    assert {check.code for check in IN_MOTION} == tested | elsewhere
