"""Whatever dies, hangs or is interrupted, the robot receives damping, and then nothing stiff."""

from __future__ import annotations

import contextlib
import os
import pty
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import place
import pytest
from conftest import JITTER, ROOT, children, verb
from disturbed import KILLS, LARGEST_STEP, SLACK, disturbed, domain, go2, plan, promise, standstill
from held_up import held_up
from oracle import is_stiff
from promises import FULL, record, times

from collect import damping, recording
from collect.computer import alone
from collect.joints import LOWER, UPPER
from collect.journal import MEMORY
from collect.link import LOWCMD, Link
from collect.messages import LowCmd
from collect.pace import PERIOD

pytestmark = [pytest.mark.dds, held_up()]
SILENCES = ["hold_target", "hold_torque", "damp"]
MOMENTS = [random.Random(k).uniform(0.2, 4.0) for k in range(KILLS)]
"""After the first stiff command: in the ramp and in the chirp [s]."""
KILLED = [(silence, moment) for silence in SILENCES for moment in MOMENTS]
HUNG = [(silence, moment) for silence in SILENCES for moment in MOMENTS[: times(1, 10)]]


def recovered(session) -> recording.Recording:
    """What `recover` makes of an interrupted session, if the guard has not done it; nothing else is left (S10)."""
    if session.journal.exists():
        done = verb("collect", "recover", session.journal)
        assert done.returncode == 0, done.stderr
    sealed = recording.read(session.recording)
    assert not list(MEMORY.glob(f"{sealed.attributes['journal']}*"))
    assert not session.journal.exists()
    with alone(place.INTERFACE, session.domain) as rival:
        assert rival is None
    return sealed


def missing_rows(session, event: float) -> int:
    """Stiff commands that the robot heard before a death and no recovered row tells of; the last two have none yet."""
    frames = session.oracle.frames()
    stiff = int((is_stiff(frames) & (frames["heard"] < event)).sum())
    return max(stiff - 2 - int(np.count_nonzero(recovered(session).kp[:, 0])), 0)


@pytest.mark.parametrize(("silence", "moment"), KILLED)
def test_s5_control_is_killed(silence, moment, disturbed, promise, record_property, tmp_path):
    """The guard damps, the legs do not reach their end stops, and the journal is whole."""
    kept = promise("S5", f"SIGKILL of control, {silence}", 0.010)
    rows = record(record_property, "D1", "10 rows", f"SIGKILL of control, {silence}")
    truth = tmp_path / "truth.h5"
    session = disturbed("--on-silence", silence, "--truth", str(truth), after=moment)
    control = session.control
    event = time.monotonic()
    os.kill(control, signal.SIGKILL)
    assert session.wait() == 6, session.errors
    assert "STOP" not in session.errors, session.errors  # or it was damping already
    assert "GUARD: control process was killed by SIGKILL. Damping sent. The robot is still." in session.errors
    assert session.oracle.stiff_after_damping(event) == 0
    assert session.oracle.damping_frames(event) >= 400
    assert session.oracle.ends_in_damping()
    assert recovered(session).attributes["state"] == "recovered"
    missing = missing_rows(session, event)
    assert missing <= 10
    rows(f"{missing} rows")
    session.robot.end()
    with h5py.File(truth) as file:
        q = file["rows"]["q"]
    assert (q > LOWER - 0.09).all()
    assert (q < UPPER + 0.09).all()
    kept(session.oracle.damping_delay(event), event)


CRASHES = {
    "killed by SIGABRT": "os.abort()",
    "killed by SIGSEGV": "__import__('ctypes').string_at(0)",
    "ended with code 0": "os._exit(0)",
}


@pytest.mark.cable
@pytest.mark.parametrize("crash", CRASHES if FULL else list(CRASHES)[:1])
def test_s5_control_crashes(crash, disturbed, promise, tmp_path):
    """Also an end with code 0 is no end while the robot is in its hands."""
    kept = promise("S5", f"control crashes: {crash}", 0.010)
    noted = tmp_path / "event"
    patch = f"""
import os, resource, time, collect.pace as m
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
advance, count = m.Pace.advance, [0]
def crash(self, tick, now):
    count[0] += 1
    if count[0] == 900:
        open({str(noted)!r}, "w").write(repr(time.monotonic()))
        {CRASHES[crash]}
    return advance(self, tick, now)
m.Pace.advance = crash
"""
    session = disturbed(patch=patch, after=0.0)
    kept(*session.taken_over(noted, crash))


@held_up("S6")
@pytest.mark.parametrize(("silence", "moment"), HUNG)
def test_s6_control_hangs(silence, moment, disturbed, promise):
    """The guard damps and kills it, so that it cannot wake up and send a stiff frame."""
    kept = promise("S6", f"SIGSTOP of control, {silence}", 0.025)
    session = disturbed("--on-silence", silence, after=moment)
    control, event = session.control, time.monotonic()
    os.kill(control, signal.SIGSTOP)
    time.sleep(0.1)
    with contextlib.suppress(ProcessLookupError):
        os.kill(control, signal.SIGCONT)
    assert session.wait() == 6, session.errors
    assert "GUARD: control process did not beat for" in session.errors
    assert "STOP" not in session.errors, session.errors  # it was killed before it could wake up
    assert session.oracle.stiff_after_damping(event) == 0
    assert session.oracle.ends_in_damping()
    assert len(recovered(session)) > 100
    kept(session.oracle.damping_delay(event), event)


STUCK = """
import time, collect.pace as m
advance, count = m.Pace.advance, [0]
def stuck(self, tick, now):
    count[0] += 1
    if count[0] == 900:
        open({noted!r}, "w").write(repr(time.monotonic()))
        time.sleep(5.0)
    return advance(self, tick, now)
m.Pace.advance = stuck
"""


@pytest.mark.cable
@held_up("S6")
def test_s6_control_is_stuck(disturbed, promise, tmp_path):
    """Its threads go on, DDS's among them, as in a deadlock; only its loop does not."""
    kept, noted = promise("S6", "control's loop waits for ever", 0.025), tmp_path / "event"
    session = disturbed(patch=STUCK.format(noted=str(noted)), after=0.0)
    kept(*session.taken_over(noted, "GUARD: control process did not beat for"))


@pytest.mark.cable
def test_s7_the_guard_is_killed(disturbed, promise):
    """Control damps by itself; the journal is complete and is sealed by hand, for the guard would have sealed it.

    The kernel takes 2 ms and more to take a process down before it says so: the bound is that of a signal.
    """
    kept = promise("S7", "SIGKILL of the guard", 0.008)
    session = disturbed(after=1.0)
    event = time.monotonic()
    session.session.kill()
    assert session.wait() == -signal.SIGKILL, session.errors
    assert "STOP S7 guard died" in session.errors
    assert session.oracle.stiff_after_damping(event) == 0
    assert session.oracle.damping_frames(event) >= 400
    assert session.oracle.ends_in_damping()
    assert len(recovered(session)) > 300
    assert recording.read(session.recording).attributes["stop_code"] == "S7"
    kept(session.oracle.damping_delay(event), event)


def test_s5_ctrl_c_while_the_guard_damps(disturbed):
    """The moment at which an operator presses it: the guard goes on until the robot is still, says so and seals."""
    session = disturbed(after=1.0)
    event = time.monotonic()
    os.kill(session.control, signal.SIGKILL)
    time.sleep(0.3)
    session.session.send_signal(signal.SIGINT)
    assert session.wait() == 6, session.errors
    assert "Traceback" not in session.errors
    assert "Damping sent. The robot is still." in session.errors
    assert session.oracle.damping_frames(event) >= 400
    assert session.oracle.ends_in_damping()
    assert recording.read(session.recording).attributes["state"] == "recovered"


def test_s7_the_guard_hangs(disturbed, promise):
    """Control damps by itself; a guard that wakes up again seals what was recorded."""
    kept = promise("S7", "SIGSTOP of the guard", 0.108)
    session = disturbed(after=1.0)
    event = time.monotonic()
    session.session.send_signal(signal.SIGSTOP)
    time.sleep(3.0)
    session.session.send_signal(signal.SIGCONT)
    assert session.wait() == 3, session.errors
    assert "STOP S7 guard hangs" in session.errors
    assert session.oracle.stiff_after_damping(event) == 0
    assert recording.read(session.recording).attributes["stop_code"] == "S7"
    kept(session.oracle.damping_delay(event), event)


def commanded_again(domain: int) -> float:
    """Somebody commands as a session does: damping, then 0.3 s of stiffness; when that began, by our clock [s]."""
    link, frame = Link(place.INTERFACE, domain), damping.frame(np.zeros(12))
    writer = link.writer(LOWCMD, LowCmd)
    while len(writer.get_matched_subscriptions()) < 2:  # the robot and its guard
        time.sleep(0.01)
    for _ in range(10):
        writer.write(frame.seal())
        time.sleep(PERIOD)
    time.sleep(0.02)  # what damps from here on is not this
    frame.kp[:], began = 5.0, time.monotonic()
    while time.monotonic() < began + 0.3:
        writer.write(frame.seal())
        time.sleep(PERIOD)
    return began


@pytest.mark.cable
@pytest.mark.parametrize("silence", SILENCES if FULL else SILENCES[1:2])
def test_s8_everything_on_the_pc_dies_and_the_on_board_guard_damps(
    silence, domain, disturbed, promise, record_property
):
    """As when the PC loses power: only the guard on the robot's own computer is left, and it is latched."""
    kept = promise("S8", f"PC dies, on-board guard, {silence}", 0.055)
    latched = promise("S8", f"stiff commands after that, {silence}", 0.055)
    rows = record(record_property, "D1", "10 rows", f"control and guard killed at once, {silence}")
    left = record(record_property, "S10", "no process, memory or claim left", f"control and guard killed, {silence}")
    guard = subprocess.Popen(place.at_the_robot("guard", domain), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert "on-board guard ready" in guard.stderr.readline()
        session = disturbed("--on-silence", silence, after=1.5)
        control, event = session.control, time.monotonic()
        os.kill(control, signal.SIGSTOP)  # or it would damp for want of its own guard
        session.session.kill()
        os.kill(control, signal.SIGKILL)
        session.wait()
        assert "STOP" not in session.errors, session.errors  # or it was damping already
        assert select.select([guard.stderr], [], [], 15.0)[0], "the guard has not said what became of the robot"
        assert session.oracle.stiff_after_damping(event) == 0
        assert session.oracle.ends_in_damping()
        kept(session.oracle.damping_delay(event), event)
        missing = missing_rows(session, event)
        assert missing <= 10
        rows(f"{missing} rows")
        left("none")
        again = commanded_again(domain)
        latched(session.oracle.damping_delay(again), again)
    finally:
        guard.send_signal(signal.SIGTERM)
        _, said = guard.communicate(timeout=10)
    assert "GUARD: no command for" in said
    assert "The robot is still." in said
    assert "GUARD: stiff commands again. Damping sent." in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT], ids=lambda n: n.name)
def test_s2_s4_a_signal_damps(number, disturbed, promise):
    """At once; the recording is sealed and says why it is short."""
    code = "S2" if number == signal.SIGINT else "S4"
    kept = promise(code, number.name, 0.008)
    session = disturbed(after=0.8)
    event = time.monotonic()
    session.session.send_signal(number)
    assert session.wait() == 4, session.errors
    assert f"STOP {code} " in session.errors
    assert session.oracle.stiff_after_damping(event) == 0
    assert session.oracle.damping_frames(event) >= 400
    assert recording.read(session.recording).attributes["stop_code"] == code
    kept(session.oracle.damping_delay(event), event)


BEFORE, IN, AFTER = (0.3, 2.5), (3.0, 13.0), (14.0, 17.0)
"""From the start of a session: the interpreter and preflight; motion; damping and sealing [s]."""


@pytest.mark.parametrize("moment", [random.Random(k).uniform(*(BEFORE, IN, AFTER)[k % 3]) for k in range(times(3, 51))])
def test_s2_ctrl_c_at_any_moment(moment, disturbed, record_property):
    """Before, in and after motion: the exit code is 4 or, if all was done, 0; whatever moved was damped last."""
    measured = record(record_property, "S2", "damping last, sealed", "SIGINT before, in or after motion")
    session = disturbed(moving=False)
    time.sleep(moment)
    event = time.monotonic()
    session.session.send_signal(signal.SIGINT)
    assert session.wait() in (0, 4, -signal.SIGINT, 130), session.errors
    assert "Traceback" not in session.errors
    frames = session.oracle.frames()
    if is_stiff(frames).any():
        assert session.oracle.ends_in_damping()
        assert recording.read(session.recording).attributes["state"] in ("stopped", "complete")
        assert not (is_stiff(frames) & (frames["heard"] > event + 0.05)).any()
    assert not session.journal.exists()
    measured("damping last, sealed")


IGNORED = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
import collect.session as m
confirm = m.confirm_hanging
def slow(place):
    open({noted!r}, "w").close()
    time.sleep(3.0)
    return confirm(place)
m.confirm_hanging = slow
"""


def test_s2_ctrl_c_counts_where_a_shell_has_it_ignored(disturbed, record_property, tmp_path):
    """As one does that begins a session in the background: also before the guard is there nothing moves any more."""
    measured = record(record_property, "S2", "nothing is sent", "SIGINT before the guard, ignored by a shell")
    noted = tmp_path / "noted"
    session = disturbed(patch=IGNORED.format(noted=str(noted)), moving=False)
    while not noted.exists():
        assert session.session.poll() is None, session.wait()
        time.sleep(0.01)
    session.session.send_signal(signal.SIGINT)
    assert session.wait() == 130, session.errors
    assert len(session.oracle.frames()) == 0
    measured("nothing is sent")


RESUMED = """
import time, collect.control as m
damp = m.Control.damp
def wrapped(self):
    still = damp(self)
    for row in range(1000, 1250):
        self._command(row)
        time.sleep(0.002)
    return still
m.Control.damp = wrapped
"""


def test_s2_after_damping_control_cannot_command(disturbed, record_property):
    """Latched: also where a mistake would have it go on with its program."""
    measured = record(record_property, "S2", "nothing stiff", "half a second of its program commanded after damping")
    session = disturbed(patch=RESUMED, after=0.8)
    event = time.monotonic()
    session.session.send_signal(signal.SIGINT)
    assert session.wait() == 4, session.errors
    assert session.oracle.stiff_after_damping(event) == 0
    assert session.oracle.ends_in_damping()
    measured("nothing stiff")


MUTE = """
import collect.guard as m
watch = m.Guard.watch
class Mute:
    def write(self, message): pass
def wrapped(self):
    self._writer = Mute()
    return watch(self)
m.Guard.watch = wrapped
"""


def test_a_session_whose_guard_is_mute_never_moves(disturbed, record_property):
    """P14, of a whole session: refused, and nothing stiff has reached the robot."""
    measured = record(record_property, "P14", "nothing stiff", "a session whose guard can send nothing")
    session = disturbed(patch=MUTE, moving=False)
    assert session.wait() == 2, session.errors
    assert "P14 " in session.errors
    assert not is_stiff(session.oracle.frames()).any()
    measured("nothing stiff")


def test_a_second_session_is_refused_and_the_first_goes_on(plan, disturbed, record_property, tmp_path):
    """P6, of whole sessions on one computer."""
    measured = record(record_property, "P6", "refused", "a second session beside one that moves")
    session = disturbed(after=0.3)
    second = verb("collect", *place.session(plan, session.domain, tmp_path / "again"), *JITTER)
    assert second.returncode == 2
    assert "error: P6 " in second.stderr
    assert session.session.poll() is None
    session.session.send_signal(signal.SIGINT)
    assert session.wait() == 4, session.errors
    measured("refused")


def test_s3_an_impatient_operator_cuts_the_wait_but_not_the_damping(disturbed, record_property):
    """Five times Ctrl-C in 25 ms: at least 100 ms of damping, and the data is kept."""
    measured = record(record_property, "S3", "100 ms of damping", "five Ctrl-C within 25 ms")
    session = disturbed(after=0.8)
    event = time.monotonic()
    for _ in range(5):
        session.session.send_signal(signal.SIGINT)
        time.sleep(0.005)
    assert session.wait() == 6, session.errors
    assert "NOT confirmed still" in session.errors
    assert session.oracle.stiff_after_damping(event) == 0
    damped = session.oracle.damped_for(event)
    assert 0.1 <= damped < 0.8
    measured(f"{damped * 1e3:.1f} ms")
    assert recording.read(session.recording).attributes["stop_code"] == "S2"


def test_s4_the_terminal_is_closed(plan, domain, go2, tmp_path):
    """An ssh connection that is lost: SIGHUP to the session, whose control process is out of the terminal's reach."""
    go2()
    command = [sys.executable, "-m", "collect", *place.session(plan, domain, tmp_path), *JITTER]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execv(sys.executable, command)
    os.write(terminal, place.OPERATOR.encode())
    deadline = time.monotonic() + 30.0
    ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while not (tmp_path / "s.journal").exists() and time.monotonic() < deadline and not os.waitid(os.P_PID, pid, ended):
        time.sleep(0.1)
    assert (tmp_path / "s.journal").exists(), os.read(terminal, 4096)
    time.sleep(1.5)
    (control,) = children(pid)
    assert os.getsid(control) != os.getsid(pid)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 4
    assert recording.read(tmp_path / "s.h5").attributes["stop_code"] == "S4"


def test_s9_stopped_is_said_only_of_a_robot_that_was_seen_still(disturbed, record_property):
    """States end with the stop: nobody knows what the legs do."""
    measured = record(record_property, "S9", "NOT confirmed still", "states end with the stop")
    session = disturbed(after=0.8)
    session.fault("silent 20")
    assert session.wait() == 6, session.errors
    assert "Robot NOT confirmed still: cut power." in session.errors
    assert "The robot is still" not in session.errors
    assert session.oracle.ends_in_damping()
    measured("NOT confirmed still")


def test_s1_a_whole_session_ends_in_damping(domain, disturbed, record_property):
    """A second of it, and the last frame. The on-board guard bears the session: after damping silence is right."""
    measured = record(record_property, "S1", "1 s of damping, 500 frames", "a session that is complete")
    guard = subprocess.Popen(place.at_the_robot("guard", domain), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert "on-board guard ready" in guard.stderr.readline()
        session = disturbed(after=0.0)
        assert session.wait() == 0, session.errors
        time.sleep(0.3)
    finally:
        guard.send_signal(signal.SIGTERM)
        _, said = guard.communicate(timeout=10)
    frames = session.oracle.frames()
    last_stiff = frames["heard"][is_stiff(frames)][-1]
    damped, count = session.oracle.damped_for(last_stiff), session.oracle.damping_frames(last_stiff)
    assert session.oracle.max_target_step() < LARGEST_STEP
    assert damped >= 1.0
    assert count >= 500
    assert session.oracle.ends_in_damping()
    assert not session.journal.exists()
    assert "GUARD" not in said
    measured(f"{damped * 1e3:.1f} ms, {count} frames")
