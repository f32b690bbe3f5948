"""Every check of the preflight, by its fault: refused with its code and exit code 2, and nothing stiff on the wire."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import refusing
from conftest import ROOT
from go2 import Go2
from place import INTERFACE
from surveys import measured

from collect import handshake, neighbours, preflight, robot_verdicts, salvage, switcher
from collect.acceptance import Identity
from collect.host_verdicts import BEING_WRITTEN
from collect.joints import NAMES
from collect.limits import MAX_LATE
from collect.link import Place, free_domain
from collect.realtime import CONTROL, realtime
from collect.safety import CHECKS
from collect.virtual import wire

pytestmark = pytest.mark.dds

SPORT_KP = 30.0
"""Of the virtual Go2's own motion program."""
COMMANDER = """
import sys, time
from collect.link import LOWCMD, Link
from collect.messages import CommandFrame, LowCmd
link = Link(sys.argv[1], int(sys.argv[2]))
writer, frame = link.writer(LOWCMD, LowCmd), CommandFrame()
print("silent", flush=True)
sys.stdin.readline()
while True:
    writer.write(frame.seal())
    time.sleep(0.002)
"""
PLACE = Place("lo", 7)
COVERED: set[str] = set()


def covers(*names):
    """Note which checks a test injects the fault of."""
    COVERED.update(names)
    return lambda test: test


class Robot(Go2):
    """A virtual Go2 whose faults end with each test, and its log of commands."""

    def commands(self, since: float) -> np.ndarray:
        """Commands that it received since then, but those of its own motion program."""
        frames = wire.read(self.wire)
        return frames[(frames["heard"] >= since) & ~(frames["kp"] == SPORT_KP).all(axis=1)]

    def until_damped(self, child: refusing.Child) -> None:
        """Wait for the child's first damping frame."""
        while not (self.commands(child.began)["kd"] == 5.0).all(axis=1).any():
            assert child.process.is_alive(), child.text
            time.sleep(0.005)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with free_domain() as domain:
        robot = Robot(tmp_path_factory.mktemp("robot"), domain)
        yield robot
        robot.end()


@pytest.fixture
def go2(running):
    """Well before and after each test."""
    yield running
    running.fault("well")


@pytest.fixture
def refused(record_property):
    """Holds a child to what a refusal is: exit code 2, one message with its code, no traceback."""

    def judge(child: refusing.Child, name: str, words: str) -> None:
        code, text = child.wait(), child.text
        message = text.partition("error: ")[2]
        assert code == 2, text
        assert re.match(f"{name.split()[0]} .*{words}", message), text
        assert "\n  where: " in message
        assert "\n  fix:   " in message
        assert "Traceback" not in text
        check = next(check for check in CHECKS if check.name == name)
        record_property("promise", check.code)
        record_property("what", check.subject)
        record_property("bound", check.trigger)
        record_property("measured", message.splitlines()[0])

    return judge


@pytest.fixture
def nothing_stiff(go2):
    """No frame with a gain or a torque reached the robot during the test."""
    began = time.monotonic()
    yield
    frames = go2.commands(began)
    assert not frames["kp"].any()
    assert not frames["tau"].any()
    assert np.isfinite(frames["q"]).all()


FAULTS = [
    ("P2 contact", ["silent 60"], "no rt/lowstate within 3 s"),
    ("P5 motion service", ["mute 60"], "did not answer within 2 s"),
    ("P5 motion service", ["mumble null 60"], "answered 'null' instead of a mode"),
    ("P5 motion service", ["select ai", "refuse 99"], r"'ai' still active after 3 releases \(last code 3202\)"),
    ("P3 rate", ["thin 2 60"], r"state rate 2[45]\d Hz \(450 to 550\)"),
    ("P3 CRC", ["corrupt 0.05 60"], r"of \d+ states fail their CRC \(1%\)"),
    ("P3 clock", ["tick_freeze 60"], "clock steps by 0 ms"),
    ("P7 numbers", ["set RL_calf.q nan 60"], "RL_calf q is not a number"),
    ("P7 numbers", ["set FR_hip.dq 1e9 60"], r"FR_hip dq of 1e\+09 rad/s cannot be"),
    ("P7 numbers", ["set imu_state.quaternion.0 nan 60"], "quaternion"),
    ("P7 zeros", [f"set {name}.q 0 60" for name in NAMES], "exactly 0 rad"),
    ("P7 freeze", ["freeze 60"], "frozen for 0.[78]"),
    ("P7 joints", ["set motor_state.12.q 0.1 60", "set motor_state.15.q 0.1 60"], "14 joints"),
    ("P8 posture", ["set FR_calf.q -2.95 60"], r"FR_calf at -2.95 rad \(-2.87 to -0.69\)"),
    ("P8 speed", ["set FL_thigh.dq -0.8 60"], "FL_thigh moves at -0.80 rad/s"),
    ("P9 temperature", ["set RR_hip.temperature 71 60"], r"RR_hip at 71 °C \(1 to 60\)"),
    ("P9 temperature", ["set FL_calf.temperature 0 60"], "FL_calf at 0 °C"),
    ("P9 battery", ["set power_v 26.5 60"], "80 % and 26.5 V"),
    ("P9 battery", ["set bms_state.soc 20 60"], "20 % and 29"),
    ("P9 motor bus", ["ramp RL_hip.lost 50 60"], r"RL_hip loses \d\d packets/s"),
    ("P10 tilt", ["set imu_state.rpy.1 -0.5 60"], "tilted by 0.50 rad"),
    ("P10 feet", ["set foot_force.2 120 60"], "sensor at 120"),
    ("P9 motor mode", ["set FR_thigh.mode 0 60"], "FR_thigh is in motor mode 0 after 0.5 s of damping"),
]
COVERED.update(name for name, _, _ in FAULTS)


@pytest.mark.parametrize(
    ("name", "lines", "words"), FAULTS, ids=[f"{name}-{lines[0]}".replace(" ", "-") for name, lines, _ in FAULTS]
)
@pytest.mark.usefixtures("nothing_stiff")
def test_a_sick_robot_is_refused(name, lines, words, go2, refused, tmp_path):
    """By the check that is for it, with what was measured."""
    go2.fault(*lines)
    refused(refusing.start(tmp_path, refusing.robot, go2.domain), name, words)


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("P3 rate", "silent 0.03", "worst gap [23]. ms"),
        ("P3 rate", "burst 0.03", "worst gap [23]. ms"),
        ("P3 clock", "tick 340", "clock jumps by 3[34]. ms"),
        ("P3 clock", "tick -340", "clock steps by -33. ms"),
    ],
)
@pytest.mark.usefixtures("nothing_stiff")
def test_a_fault_of_a_moment_is_seen(name, line, words, go2, refused, tmp_path):
    """One in each look is enough, whenever it comes."""
    child = refusing.start(tmp_path, refusing.robot, go2.domain)
    while child.process.is_alive():
        go2.fault(line)
        time.sleep(0.5)  # or the rate would be too low as well
    refused(child, name, words)


@pytest.mark.usefixtures("nothing_stiff")
def test_one_hiccup_is_forgiven(go2, tmp_path):
    """A second look decides."""
    child = refusing.start(tmp_path, refusing.robot, go2.domain)
    go2.until_damped(child)
    go2.fault("silent 0.02")
    assert child.wait() == 0, child.text
    assert len(go2.commands(child.began)) > 500  # two looks while damped


@pytest.mark.usefixtures("nothing_stiff")
def test_a_healthy_robot_is_found_ready(go2, tmp_path, record_property):
    """Also with calves resting at −2.81 rad; in the time that is promised."""
    go2.fault("select normal", *(f"set {leg}_calf.q -2.81 60" for leg in ("FR", "FL", "RR", "RL")), "refuse 2")
    child = refusing.start(tmp_path, refusing.robot, go2.domain, False, True)
    assert child.wait() == 0, child.text
    found = child.found
    assert found["released"] == "normal"
    assert found["rate"] == 500.0
    assert found["missing"] == []
    assert found["silent_writers"] == 0
    assert found["q"][2] == pytest.approx(-2.81)
    frames = go2.commands(child.began)
    assert len(frames) > 400
    assert (frames["kd"] == 5.0).all()
    assert found["seconds"] < 15.0
    record_property("promise", "P")
    record_property("what", "the whole preflight, the motion service released at the third try")
    record_property("bound", "15 s")
    record_property("measured", f"{found['seconds']:.1f} s")


def test_no_way_through_the_preflight_takes_longer_than_promised():
    """Guard and robot heard at the last moment, its service slow, its program released at the last try, two looks each,
    and the guard's damping seen at the last moment."""
    service = switcher.CALL_TIMEOUT + switcher.RELEASES * (switcher.PATIENCE + 0.1)
    looks = 2 * (preflight.LISTEN + preflight.DAMPED)
    guard = 2 * (handshake.GUARD_ANSWERS + 0.05)
    assert robot_verdicts.FIRST_STATE + service + looks + guard < 15.0
    assert preflight.LISTEN > robot_verdicts.FREEZE
    assert preflight.DAMPED > robot_verdicts.SETTLED


@pytest.mark.usefixtures("nothing_stiff")
def test_a_simulator_may_be_incomplete(go2, tmp_path):
    """What it lacks is told; what it has is checked."""
    go2.fault("tick_freeze 60", "corrupt 1 60", "thin 2 60", "freeze 60", "set power_v 0 60", "mute 60")
    go2.fault(*(f"set {name}.temperature 0 60" for name in NAMES))
    child = refusing.start(tmp_path, refusing.robot, go2.domain, True)
    assert child.wait() == 0, child.text
    assert child.found["missing"] == ["battery", "crc", "noise", "rate", "service", "temperature", "tick"]
    assert 150.0 < child.found["rate"] < 300.0
    go2.fault("well", "set FR_calf.q -2.95 60", "mute 60")
    child = refusing.start(tmp_path, refusing.robot, go2.domain, True)
    assert child.wait() == 2
    assert "P8 FR_calf" in child.text


@covers("P5 simulator")
@pytest.mark.usefixtures("nothing_stiff")
def test_a_robot_that_is_called_a_simulator_is_refused(go2, refused, tmp_path):
    """`--peer simulator` asks nobody whether it hangs and leaves checks out: not what a robot is moved with."""
    refused(refusing.start(tmp_path, refusing.robot, go2.domain, True), "P5 simulator", "a motion service answers")


@covers("P17 acceptance")
@pytest.mark.parametrize(
    ("version", "accepted", "words"),
    [
        (3, {}, "measured before the firmware changed: .* firmware 00000001-00000002; now it is .*00000001-00000003"),
        (2, {"without": "HW-1"}, "not measured: HW-1 "),
        (2, {"stops_within_l6": False}, "HW-8: damping stopped the calf later"),
    ],
)
def test_a_robot_that_was_not_measured_is_refused(version, accepted, words, go2, refused, tmp_path):
    """As soon as it has said who it is: its motion service goes on, and it hears nothing from us."""
    go2.fault("select normal", "set version.0 1 60", f"set version.1 {version} 60")
    known = measured(robot=Identity((0, 0), (1, 2)), **accepted)
    child = refusing.start(tmp_path, refusing.robot, go2.domain, False, False, known)
    refused(child, "P17 acceptance", words)
    assert not len(go2.commands(child.began))


@covers("P14 guard")
@pytest.mark.parametrize(
    ("there", "words"), [("", "the guard did not start"), ("mute", "not seen on"), ("somebody", "not seen on")]
)
def test_without_its_guard_control_refuses(there, words, go2, refused, tmp_path):
    """It never started, or nothing of what it sends arrives, also while somebody else damps the robot."""
    refused(refusing.start(tmp_path, refusing.unguarded, go2.domain, there), "P14 guard", words)


class TestSecondCommander:
    """Anybody else's command refuses, a writer that is silent is told."""

    @pytest.fixture
    def commander(self, go2):
        other = subprocess.Popen(
            [sys.executable, "-c", COMMANDER, INTERFACE, str(go2.domain)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert other.stdout.readline() == "silent\n"
        yield other
        other.kill()
        other.communicate()

    @pytest.mark.cable
    @covers("P4 second commander")
    @pytest.mark.usefixtures("nothing_stiff")
    def test_it_is_refused_by_name(self, go2, commander, refused, tmp_path):
        commander.stdin.write("go\n")
        commander.stdin.flush()
        child = refusing.start(tmp_path, refusing.robot, go2.domain)
        refused(child, "P4 second commander", rf"rt/lowcmd, \d+ messages/s: python\S* \(pid {commander.pid} on ")
        assert not go2.commands(child.began)["kd"].any()  # not even damping

    @pytest.mark.usefixtures("nothing_stiff")
    def test_it_is_refused_when_it_begins_while_the_robot_is_damped(self, go2, commander, refused, tmp_path):
        child = refusing.start(tmp_path, refusing.robot, go2.domain)
        go2.until_damped(child)
        commander.stdin.write("go\n")
        commander.stdin.flush()
        refused(child, "P4 second commander", rf"messages/s: python\S* \(pid {commander.pid} on ")

    @pytest.mark.usefixtures("nothing_stiff", "commander")
    def test_a_silent_one_is_told(self, go2, tmp_path):
        child = refusing.start(tmp_path, refusing.robot, go2.domain)
        assert child.wait() == 0, child.text
        assert child.found["silent_writers"] == 1


@covers("P15 loop")
@pytest.mark.usefixtures("nothing_stiff")
def test_a_loop_that_is_held_up_is_refused(go2, refused, tmp_path):
    """Stopped for some milliseconds again and again while the robot is damped."""
    child = refusing.start(tmp_path, refusing.robot, go2.domain, False, False, None, MAX_LATE)
    go2.until_damped(child)
    with contextlib.suppress(ProcessLookupError):  # until it ends
        while child.process.is_alive():
            os.kill(child.process.pid, signal.SIGSTOP)
            time.sleep(0.0025)
            os.kill(child.process.pid, signal.SIGCONT)
            time.sleep(0.015)
    refused(child, "P15 loop", r"loop self-test: worst \d+\.\d ms late \(8\), \d+\.\d% of ticks over 1 ms \(2%\)")


BUSY = """
import os, sys, time
os.sched_setaffinity(0, [int(sys.argv[1])])
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(30))
while True:
    while time.monotonic() % 0.024 < 0.003: pass  # all cores at once, or the loop would go to another
    time.sleep(0.024 - time.monotonic() % 0.024)
"""


@covers("P15 loop")
@pytest.mark.usefixtures("nothing_stiff")
def test_a_loop_on_a_busy_computer_is_refused(go2, refused, tmp_path):
    """Something that goes before it takes every core for 3 ms again and again."""
    with realtime(CONTROL) as allowed:
        if not allowed:
            pytest.skip("no right to real-time scheduling")
    hogs = [subprocess.Popen([sys.executable, "-c", BUSY, str(core)]) for core in sorted(os.sched_getaffinity(0))]
    try:
        child = refusing.start(tmp_path, refusing.robot, go2.domain, False, False, None, MAX_LATE)
        refused(child, "P15 loop", r"loop self-test: worst \d+\.\d ms late \(8\), \d+\.\d% of ticks over 1 ms \(2%\)")
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


class TestSingleInstance:
    @covers("P6 single instance")
    @pytest.mark.usefixtures("nothing_stiff")
    def test_of_two_at_once_one_proceeds(self, go2, refused, tmp_path):
        """The other sends nothing."""
        children = [refusing.start(tmp_path, refusing.alone, go2.domain, tmp_path) for _ in range(2)]
        codes = [child.wait() for child in children]
        assert sorted(codes) == [0, 2], [child.text for child in children]
        first, second = sorted(children, key=lambda child: child.wait())
        refused(second, "P6 single instance", rf"another collector is running \(pid {first.process.pid}\)")
        assert len(set(go2.commands(first.began)["writer"])) == 1

    def test_the_claim_ends_with_the_last_process_that_shares_it(self, domain, tmp_path):
        """A child goes on commanding when its parent was killed; nothing is left to be cleaned up."""
        holder = refusing.start(tmp_path, refusing.hold, domain, tmp_path, 1.0)
        assert holder.wait() == 0
        where = Place(INTERFACE, domain)
        with pytest.raises(preflight.UserError, match="P6 another"), preflight.claim(where, tmp_path):
            pass
        deadline = time.monotonic() + 10.0
        while True:
            try:
                with preflight.claim(where, tmp_path):
                    break
            except preflight.UserError:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def test_two_robots_may_be_moved_at_once(self, tmp_path):
        with contextlib.ExitStack() as all_of_them:
            for place in (Place("lo", 7), Place("lo", 8), Place("eth0", 7)):
                all_of_them.enter_context(preflight.claim(place, tmp_path))


class TestCollectorElsewhere:
    """One that claims nothing on this computer, but writes its journal to the same folder."""

    @pytest.fixture
    def elsewhere(self, tmp_path):
        """Starts one, and returns once its journal is there."""
        started = []

        def start(path: Path, place: Place, identity: Identity) -> refusing.Child:
            path.parent.mkdir(exist_ok=True)
            child = refusing.start(tmp_path, refusing.writing, path, place, identity)
            started.append((child, path))
            while not any(log.place for log in neighbours.logs(path.parent) if log.path == str(path)):
                assert child.process.is_alive(), child.text
                time.sleep(0.01)
            return child

        yield start
        for child, path in started:
            child.process.kill()
            child.process.join()
            salvage.read(path).ring.unlink(missing_ok=True)

    @covers("P6 journal")
    @pytest.mark.parametrize("told", [True, False], ids=["by its number", "by its place"])
    def test_it_is_refused_until_it_has_been_silent_for_five_seconds(self, told, elsewhere, refused, tmp_path):
        """With the file and its age; once it was killed and its journal is old, only `recover` is left to be done."""
        path, place = tmp_path / "recordings" / "theirs.journal", Place("eth0", 0)
        number = (7, 8) if told else (0, 0)
        known = measured(robot=Identity(number, (1, 2)))
        writer = elsewhere(path, Place("wlan0", 0) if told else place, Identity(number, (1, 2)))
        time.sleep(1.0)  # it writes on
        words = rf"another collector wrote {re.escape(str(path))} 0\.\d s ago, of interface \w+, domain 0"
        refused(refusing.start(tmp_path, refusing.claimed, place, path.parent, known), "P6 journal", words)
        writer.process.kill()
        refused(refusing.start(tmp_path, refusing.claimed, place, path.parent, known), "P6 journal", "another coll")
        time.sleep(BEING_WRITTEN)
        late = refusing.start(tmp_path, refusing.claimed, place, path.parent, known)
        assert late.wait() == 0, late.text
        assert sorted(file.name for file in path.parent.iterdir()) == [path.name]

    def test_that_of_another_robot_is_not(self, elsewhere, tmp_path):
        """Two may be recorded to one folder: real ones at places of one name, virtual ones in two domains."""
        ours, theirs = Identity((7, 8), (1, 2)), Identity((7, 9), (1, 2))
        elsewhere(tmp_path / "recordings" / "real.journal", Place("eth0", 0), theirs)
        elsewhere(tmp_path / "recordings" / "virtual.journal", Place("lo", 20), Identity((0, 0), (0, 0)))
        with preflight.claim(Place("eth0", 0), tmp_path / "recordings", measured(robot=ours)):
            pass
        with preflight.claim(Place("lo", 2), tmp_path / "recordings"):
            pass

    @pytest.mark.parametrize("content", [b"", b"not one of ours"])
    def test_a_journal_that_does_not_say_whose_it_is_may_be_ours(self, content, tmp_path):
        """One that is just being made, or another version's."""
        (tmp_path / "new.journal").write_bytes(content)
        with pytest.raises(preflight.UserError, match=r"P6 .* which does not say"), preflight.claim(PLACE, tmp_path):
            pass

    def test_what_is_no_file_is_no_journal(self, tmp_path):
        """A pipe of that name would be waited for, a link leads to another folder's."""
        os.mkfifo(tmp_path / "pipe.journal")
        (tmp_path / "link.journal").symlink_to("/dev/null")
        (tmp_path / "folder.journal").mkdir()
        with preflight.claim(PLACE, tmp_path):
            pass

    def test_a_clock_that_differs_is_not_asked(self, elsewhere, monkeypatch, tmp_path):
        """What is dated by a network's disk is held against its time, not this computer's."""
        elsewhere(tmp_path / "theirs.journal", PLACE, Identity((0, 0), (0, 0)))
        monkeypatch.setattr(time, "time", lambda: 0.0)
        with pytest.raises(preflight.UserError, match="P6 another collector"), preflight.claim(PLACE, tmp_path):
            pass


@covers("P10 operator")
@pytest.mark.parametrize("typed", ["yes\n", "hanging\n", "", None], ids=["yes", "lower case", "end", "closed"])
def test_the_operator_must_say_that_it_hangs(typed, refused, tmp_path):
    child = refusing.start(tmp_path, refusing.operator, Place("eth0", 0), typed=typed)
    refused(child, "P10 operator", "nobody confirmed that the robot hangs")


def test_who_says_so_may_go_on(tmp_path):
    """And where no robot can be there is nobody to ask."""
    assert refusing.start(tmp_path, refusing.operator, Place("eth0", 0), typed="HANGING\n").wait() == 0
    assert refusing.start(tmp_path, refusing.operator, Place("lo", 1), typed=None).wait() == 0


@pytest.mark.parametrize("place", [Place("lo", 0), Place("eth0", 1)], ids=str)
def test_a_place_where_a_robot_can_be_is_no_virtual_one(place, refused, tmp_path):
    """Its own programs are heard on its own computer's loopback, in domain 0; a network may lead anywhere."""
    refused(refusing.start(tmp_path, refusing.operator, place, typed=None), "P10 operator", "nobody confirmed")


class TestComputer:
    @covers("P1 interface")
    @pytest.mark.parametrize("name", ["enp9s0", "<lo/>", "", "../lo", "l" * 16, "lo\n"])
    def test_an_interface_that_is_none(self, name, refused, tmp_path):
        """Within a second, with those that are."""
        began = time.monotonic()
        child = refusing.start(tmp_path, refusing.this_computer, name, tmp_path / "s.h5")
        refused(child, "P1 interface", f"interface {re.escape(repr(name))} does not exist; present: lo 127.0.0.1")
        assert time.monotonic() - began < 5.0  # the process's own start included

    def test_interfaces_as_they_come(self, tmp_path):
        """Down, without an address, in another network, and then with the right address beside the wrong one."""
        script = f"""
import subprocess, time
from pathlib import Path
from collect.computer import interfaces
from collect.preflight import UserError, check_computer
def look(name):
    try:
        check_computer(name, Path({str(tmp_path)!r}, "s.h5"), 1000, simulator=False)
        print("ready")
    except UserError as error:
        print(error.what)
def ip(words):
    subprocess.run(["ip", *words.split()], check=True)
def plug_in(words, name):
    ip(words)
    deadline = time.monotonic() + 10.0  # the kernel takes its time
    while time.monotonic() < deadline and not any(one.name == name and one.up for one in interfaces()):
        time.sleep(0.02)
ip("link add robot type veth peer name other")
ip("link set lo up")
look("robot")
ip("link set robot up")
look("robot")
plug_in("link set other up", "robot")
look("robot")
ip("address add 10.0.0.1/24 dev robot")
look("robot")
ip("address add 192.168.123.99/24 dev robot")
look("robot")
ip("link set robot down")
ip("link set robot name <r>")
plug_in("link set <r> up", "<r>")
look("<r>")
"""
        unshare = shutil.which("unshare") or pytest.skip("unshare is not installed: no network namespace")
        shutil.which("ip") or pytest.skip("ip is not installed: no interfaces to try")
        if subprocess.run([unshare, "--map-root-user", "--net", "true"], check=False).returncode != 0:
            pytest.skip("no right to a network namespace")
        done = subprocess.run(
            [unshare, "--map-root-user", "--net", sys.executable, "-c", script],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        down, unplugged, bare, elsewhere, right, odd = done.stdout.splitlines()
        assert down.startswith("P1 interface 'robot' is down; present: lo 127.0.0.1, ")
        assert unplugged.startswith("P1 interface 'robot' is down")
        assert bare.startswith("P1 interface 'robot' has no address in 192.168.123.0/24")
        assert elsewhere.startswith("P1 interface 'robot' has no address in 192.168.123.0/24")
        assert "robot 10.0.0.1" in elsewhere
        assert right == "ready"
        assert odd.startswith("P1 interface '<r>' does not exist")

    @covers("P13 target")
    @pytest.mark.parametrize("taken", ["s.h5", "s.journal"])
    def test_a_name_that_is_taken(self, taken, refused, tmp_path):
        """Never overwritten."""
        (tmp_path / taken).write_bytes(b"precious")
        child = refusing.start(tmp_path, refusing.this_computer, "lo", tmp_path / "s.h5")
        refused(child, "P13 target", f"cannot record to .*: {taken} exists and is never overwritten")
        assert (tmp_path / taken).read_bytes() == b"precious"

    @pytest.fixture
    def small(self, tmp_path):
        """A disk of two megabytes."""
        folder = tmp_path / "small"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
        if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
            pytest.skip("no right to mount a small disk")
        yield folder
        subprocess.run(["umount", str(folder)], check=True)

    def test_a_disk_that_cannot_be_written(self, small, refused, tmp_path):
        """Mounted read-only; a folder that is none yet is not made."""
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        child = refusing.start(tmp_path, refusing.this_computer, "lo", small / "new" / "s.h5")
        refused(child, "P13 target", "cannot record to .*: Read-only file system")

    @covers("P13 room")
    def test_a_disk_that_is_too_small(self, small, refused, tmp_path):
        """Three times the session and 200 MB; nothing is left on it."""
        child = refusing.start(tmp_path, refusing.this_computer, "lo", small / "new" / "s.h5", 25_000)
        refused(child, "P13 room", r"0.00 GB free, 0.24 GB needed")
        assert not list(small.iterdir())

    def test_a_disk_that_is_full(self, small, refused, tmp_path):
        """Not even the probe fits."""
        (small / "full").write_bytes(bytes(2 * 2**20))
        child = refusing.start(tmp_path, refusing.this_computer, "lo", small / "s.h5")
        refused(child, "P13 target", "cannot record to .*: No space left on device")

    @covers("P13 sync")
    def test_a_disk_that_is_too_slow(self, refused, tmp_path):
        child = refusing.start(tmp_path, refusing.this_computer, "lo", tmp_path / "s.h5", 1000, None, True, 0.06)
        refused(child, "P13 sync", r"the disk takes \d+ ms to sync \(50\)")

    @covers("P16 aborting versions")
    def test_versions_that_abort(self, refused, tmp_path):
        versions = {"cyclonedds": "0.10.2", "python": "3.12.4"}
        child = refusing.start(tmp_path, refusing.this_computer, "lo", tmp_path / "s.h5", 1000, versions)
        refused(child, "P16 aborting versions", "cyclonedds 0.10.2 with python 3.12.4 is known to abort")

    @covers("P16 tested versions", "P16 Python", "P16 date")
    def test_what_is_worth_a_note(self, tmp_path):
        """Versions that nobody tried, a clock that nobody sets; both are told and do not refuse."""
        versions = {"h5py": "9.0.0", "python": "3.12.4"}
        child = refusing.start(tmp_path, refusing.this_computer, "lo", tmp_path / "s.h5", 1000, versions, False)
        assert child.wait() == 0, child.text
        odd, python, date = child.found
        assert odd.startswith("note P16: not the versions that were tested: h5py 9.0.0 (tested: 3.16.0); ")
        assert python == "note P16: python 3.12.4 (tested: 3.11); look here first if anything is odd"
        assert date.startswith("note P16: this computer's clock is not synchronised; ")

    def test_this_one_is_ready(self, tmp_path):
        """As the tests run on it; it leaves nothing behind."""
        child = refusing.start(tmp_path, refusing.this_computer, "lo", tmp_path / "new" / "folder" / "s.h5")
        assert child.wait() == 0, child.text
        assert child.found == []
        assert list(tmp_path.iterdir()) == [child.said]


def test_every_check_has_a_fault():
    """A check without an injected fault would be a claim."""
    before = {check.name for check in CHECKS if check.stage != "motion"}
    assert before == COVERED | {"P11 plan", "P12 config"}  # test_plan.py, test_config.py
