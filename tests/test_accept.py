"""Acceptance: measured on the virtual Go2 over real DDS, found out whatever it does, demanded later, always damped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from held_up import held_up, was_held_up
from place import CABLE, INTERFACE, OPERATOR, ROBOT_INTERFACE, THERE
from surveys import ROBOT, measured

from collect import acceptance
from collect.acceptance import GUARD_FAILED, REQUIRED, Acceptance, Identity, Measurement, cautions, objection
from collect.config import parse
from collect.control import StopError
from collect.errors import UserError
from collect.heartbeat import Heartbeat
from collect.joints import LOWER, NAMES, UPPER
from collect.limits import DAMPING_KD, REST_TOLERANCE
from collect.link import Link
from collect.silence import reaction
from collect.stand import Stand
from collect.switcher import MotionSwitcher
from collect.virtual import wire

SKIPPED = ("STOP L2 ", "P3 clock")
"""What a robot's clock shows when the machine held the robot up."""
on_dds = held_up(also=SKIPPED)


class TestReaction:
    """What a motor did when commands stopped, from the joint alone."""

    @staticmethod
    def calf(law: str, after: float, *, dry: float = 0.7, seed: int = 0):
        """Half a second before and one after the last command: hold, a jump of .2 rad, silence; then another law."""
        step, kp, kd = 2e-4, 10.0, 0.5
        q = dq = torque = held = 0.0
        rows = []
        rng = np.random.default_rng(seed)
        for k in range(int(1.5 / step)):
            t = -0.5 + k * step
            target = 0.2 if t > -0.004 else 0.0
            obeyed = 0.2 if t > 0.001 else 0.0  # 5 ms later
            wanted = 1.03 * kp * (obeyed - q - 0.004) - kd * dq
            if t >= after:
                wanted = {"damp": -5.0 * dq, "hold_torque": held, "off": 0.0, "hold_target": wanted}[law]
            else:
                held = torque
            torque += (wanted - torque) * step * 2 * np.pi * 90.0
            push = torque - 0.3 * dq - 0.25
            friction = np.clip(push + 0.043 * dq / step, -dry, dry)
            dq += (push - friction) / 0.043 * step
            q += dq * step
            if k % 10 == 0:
                rows.append((t, q, dq + 0.004 * rng.standard_normal(), torque + 0.07 * rng.standard_normal(), target))
        return (*(np.array(column) for column in zip(*rows, strict=True)), kp, kd)

    @pytest.mark.parametrize("after", [0.02, 0.05, 0.1])
    @pytest.mark.parametrize("law", ["damp", "hold_torque", "off"])
    def test_the_law_and_its_moment_are_found(self, law, after):
        """As long as the joint still moves when it changes."""
        found = reaction(*self.calf(law, after))
        assert found.effect == law
        assert found.after == pytest.approx(after, abs=0.012)

    def test_a_joint_at_rest_shows_no_brake(self):
        """Its noise is not taken for one."""
        for seed in range(5):
            assert reaction(*self.calf("off", 0.4, dry=1.2, seed=seed)).effect == "off"

    @pytest.mark.parametrize("dry", [0.3, 0.7, 1.2])
    def test_a_motor_that_goes_on_is_told_from_all_others(self, dry):
        """Through friction, an encoder that is off and a motor that makes 3 % too much."""
        for seed in range(5):
            assert reaction(*self.calf("hold_target", 0.0, dry=dry, seed=seed)).effect == "hold_target"


class TestAcceptanceFile:
    """robot.yaml: written whole, read with suspicion, held against the robot that is there."""

    def test_it_comes_back_equal(self, tmp_path):
        """Words, numbers, truth values and ranges."""
        made = measured(damp_after=21.5, count=3, seen=True).with_results(
            [], tuple(LOWER.tolist()), tuple(UPPER.tolist())
        )
        acceptance.save(made, tmp_path / "robot.yaml")
        again = acceptance.load(tmp_path / "robot.yaml")
        assert again == made
        assert (again.value("damp_after"), again.value("count"), again.value("seen")) == (21.5, 3, True)
        assert again.value("nothing") is None
        np.testing.assert_array_equal(again.range(), (LOWER, UPPER))
        assert [path.name for path in tmp_path.iterdir()] == ["robot.yaml"]

    def test_new_results_replace_those_of_their_code(self):
        """And no others."""
        made = measured(on_silence="damp")
        again = made.with_results([Measurement("HW-1", "on_silence", "hold_target", "", "2026-01-02T00:00:00+00:00")])
        assert [one.value for one in again.measurements if one.code == "HW-1"] == ["hold_target"]
        assert again.codes == made.codes

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (("version:", "versoin:"), "did you mean version"),
            (("lower: []", "lower: [1, 2]"), "lower takes 12 values"),
            (("upper: []", f"upper: {[1] * 12}"), "measured together"),
            (("lower: []\nupper: []", f"lower: {[1] * 12}\nupper: {[1] * 12}"), "range of FR_hip is empty"),
        ],
    )
    def test_a_damaged_file_is_refused(self, change, words, tmp_path):
        """By what is wrong with it."""
        acceptance.save(measured(), tmp_path / "robot.yaml")
        text = (tmp_path / "robot.yaml").read_text()
        assert change[0] in text
        with pytest.raises(UserError, match=words):
            parse(text.replace(*change), Acceptance, where="robot.yaml")

    def test_a_complete_acceptance_of_this_robot_is_enough(self):
        """The refusals below refuse for their change."""
        assert objection(measured(), ROBOT) is None

    @pytest.mark.parametrize(
        ("found", "robot", "words"),
        [
            (measured(), Identity((7, 9), (1, 2)), "measured on another robot: .*00000008, .*this is .*00000009"),
            (measured(), Identity((7, 8), (1, 3)), "measured before the firmware changed"),
            *[(measured(without=code), ROBOT, rf"not measured: {code} \(") for code in REQUIRED],
            (Acceptance(ROBOT), ROBOT, "not measured: HW-1 .*, HW-9 "),
        ],
    )
    def test_anything_less_is_refused(self, found, robot, words):
        """By what is amiss."""
        assert re.match(words, objection(found, robot))

    def test_measured_stops_never_widen_the_range(self):
        """A hand's measurement may be wrong; what it narrows is believed."""
        wild = Acceptance(ROBOT, (), tuple([-50.0] * 12), tuple([50.0] * 11 + [-1.0]))
        low, high = wild.range()
        assert (low == LOWER - REST_TOLERANCE).all()
        assert (high[:11] == UPPER[:11] + REST_TOLERANCE).all()
        assert high[11] == -1.0

    def test_a_guard_that_failed_is_refused(self):
        """HW-2 was measured, and what it found was bad."""
        assert objection(measured(control_killed=GUARD_FAILED), ROBOT) == "HW-2: guard damped, robot NOT seen still"

    def test_a_robot_that_stops_later_than_the_checks_count_on_is_refused(self):
        """HW-8 was measured, and what it found was bad: L6 would stop legs too late."""
        assert objection(measured(stops_within_l6=True), ROBOT) is None
        assert objection(measured(stops_within_l6=False), ROBOT).startswith("HW-8: damping stopped the calf later")

    def test_the_operator_is_told_what_a_robot_does(self):
        """Every time: that it goes on by itself, that it believes anybody, that it does not say who it is."""
        assert cautions(measured(on_silence="damp")) == []
        for effect in ("hold_target", "hold_torque"):
            assert "goes on with its last command" in cautions(measured(on_silence=effect))[0]
        assert "L2 + B" in cautions(measured(remote_seen=False))[0]
        assert cautions(measured(remote_seen=True)) == []
        assert "wrong CRC" in cautions(measured(corrupt_commands="obeyed"))[0]
        assert "does not tell" in cautions(Acceptance(Identity((0, 0), (0, 0))))[0]


class Visit:
    """`collect accept` with somebody who answers."""

    def __init__(self, domain: int, out: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "collect", "accept", "--interface", INTERFACE, "--domain", str(domain)]
        self.process = subprocess.Popen(
            [*command, "--out", str(out), *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.said = ""
        self._taken = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if CABLE:
            self.say(OPERATOR.strip())  # before any other question

    def _read(self) -> None:
        assert self.process.stderr is not None
        while chunk := os.read(self.process.stderr.fileno(), 4096):
            self.said += chunk.decode()

    def hears(self, words: str, answer: str | None = None, timeout: float = 30.0) -> None:
        """Wait for words after those heard before, and answer."""
        end = time.monotonic() + timeout
        while (at := self.said.find(words, self._taken)) < 0:
            if time.monotonic() > end or (self.process.poll() is not None and not self._reader.is_alive()):
                raise AssertionError(f"{words!r} was not said: {self.said}")
            time.sleep(0.01)
        self._taken = at + len(words)
        if answer is not None:
            self.say(answer)

    def say(self, answer: str) -> None:
        """A line of the operator's."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{answer}\n".encode())
        self.process.stdin.flush()

    def agree(self, *codes: str) -> None:
        """Say yes to these, which must come in this order."""
        for code in codes:
            self.hears(f"{code}: ")
            self.hears("to skip:", "yes")

    def ends(self, timeout: float = 40.0) -> int:
        """Its exit code."""
        code = self.process.wait(timeout)
        self._reader.join(5.0)
        for pipe in (self.process.stdin, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code


def measure(domain: int, path: Path, *codes: str, **during: Callable[[Visit], None]) -> Acceptance:
    """Have these measured, in as many visits as a busy machine makes it: each goes on where the last one ended.

    `during` says what the operator does in a step, by its code without the hyphen.
    """
    said = []
    for _ in range(6):
        left = [code for code in codes if not path.exists() or code not in acceptance.load(path).codes]
        if not left:
            return acceptance.load(path)
        visit = Visit(domain, path, "--only", *left)
        try:
            for code in left:
                visit.agree(code)
                during.get(code.replace("-", ""), lambda visit: None)(visit)
        except AssertionError:
            assert spoiled(visit.said), visit.said
        code = visit.ends()
        assert code == 0 or spoiled(visit.said), visit.said
        said.append(visit.said)
    raise AssertionError(f"not measured in six visits: {said}")


def spoiled(said: str) -> bool:
    return was_held_up(said) or any(words in said for words in SKIPPED)


class Watched(Heartbeat):
    """As if a guard watched."""

    guard_age = 0.0


def fault(robot, line: str) -> None:
    """Begin a fault of the virtual Go2."""
    robot.stdin.write(line + "\n")
    robot.stdin.flush()
    assert line in robot.stdout.readline()


def damped_at_last(path: Path) -> bool:
    """The last frame on the wire is damping, and no joint but one calf was ever held, at no more than kp 10."""
    frames = wire.read(path)
    last = frames[-1]
    ours = frames[~np.isin(frames["kp"].max(axis=1), (30.0,))]  # the motion program's are at 30
    others = np.delete(ours["kp"], NAMES.index("FR_calf"), axis=1)
    assert ours["kp"].max() <= 10.0
    assert not others.any()
    return bool(not last["kp"].any() and (last["kd"] == DAMPING_KD).all() and not last["tau"].any())


@on_dds
@pytest.mark.dds
class TestMeasurements:
    """Each against a robot that does one thing or the other."""

    @pytest.mark.parametrize(("effect", "earliest", "latest"), [("hold_torque", 10.0, 35.0), ("damp", 18.0, 30.0)])
    def test_silence(self, effect, earliest, latest, domain, virtual_go2, tmp_path):
        """What the motors do when commands stop is found out, and what they do is ended by damping."""
        virtual_go2("--on-silence", effect, "--wire", str(tmp_path / "wire"))
        found = measure(domain, tmp_path / "robot.yaml", "HW-1")
        assert found.value("on_silence") == effect
        assert earliest < found.value("silence_after") < latest  # 20 ms in the virtual Go2
        pauses = np.diff(wire.read(tmp_path / "wire")["heard"])
        assert pauses.max() > (0.1 if effect == "hold_torque" else 0.9)
        assert damped_at_last(tmp_path / "wire")

    def test_all_that_software_can_measure(self, domain, virtual_go2, tmp_path):
        """In one visit; a second one adds nothing, one again keeps the old results beside the new."""
        virtual_go2("--wire", str(tmp_path / "wire"))
        found = measure(
            domain,
            tmp_path / "robot.yaml",
            "HW-9",
            "HW-7",
            "HW-1",
            "HW-4",
            "HW-5",
            "HW-8",
            "HW-2",
            HW7=lambda visit: visit.hears("Ambient temperature", "21"),
        )
        assert found.codes == {"HW-9", "HW-7", "HW-1", "HW-4", "HW-5", "HW-8", "HW-2"}
        assert found.value("motion_program") == "normal"
        assert found.value("motion_program_writers") == 1
        assert found.value("motion_program_commands") == pytest.approx(500, rel=0.1)
        assert found.value("state_rate") == pytest.approx(500, rel=0.05)
        assert found.value("tick_unit") == pytest.approx(1.0, rel=0.05)
        assert found.value("lost_rate") == 0.0
        assert found.value("temperature_offset") == pytest.approx(14.0)
        assert found.value("on_silence") == "hold_target"
        assert found.value("silence_after") is None
        assert found.value("corrupt_commands") == "ignored"
        assert found.value("mode_0") == "torque goes"
        assert found.value("mode_0_reported") == 0
        assert found.value("mode_1_recovers") is True
        dampings, speeds, travels = (
            np.array([found.value(f"stop_{k}_{what}") for k in range(1, 6)]) for what in ("kd", "speed", "travel")
        )
        assert 0.3 < speeds[0] < speeds[1] < speeds[2] < 6.0
        assert dampings.tolist() == [5.0, 5.0, 5.0, 3.0, 8.0]
        # It goes on until the command arrives, 5 ms, and then for inertia over damping: .012 s in all at kd 5.
        np.testing.assert_allclose(travels / speeds, 0.0055 + 0.035 / dampings, atol=0.004)
        assert found.value("stops_within_l6") is True
        assert found.value("control_killed") == "guard damped, robot still"
        assert damped_at_last(tmp_path / "wire")

        again = Visit(domain, tmp_path / "robot.yaml", "--only", "HW-8")
        assert again.ends() == 2
        assert "never overwritten" in again.said
        again = Visit(domain, tmp_path / "robot.yaml", "--again", "--only", "HW-9")
        again.agree("HW-9")
        assert again.ends() == 0, again.said
        assert acceptance.load(tmp_path / "robot.yaml").value("motion_program") == "none"
        (kept,) = tmp_path.glob("robot-*.yaml")
        assert acceptance.load(kept) == found

    CREDULOUS = (
        "import collect.virtual.robot as robot\n"
        "from collect.messages import LowCmd\n"
        "from collect.virtual.motors import Motors\n"
        "import sys\n"
        "crc, receive = robot.crc32, Motors.receive\n"
        "robot.crc32 = lambda one: int(one['crc']) if one.dtype == LowCmd.LAYOUT else crc(one)\n"
        "def always_on(self, time, motors):\n"
        "    motors['mode'] = 1\n"
        "    receive(self, time, motors)\n"
        "Motors.receive = always_on\n"
        "robot.run(robot.RobotOptions(domain=int(sys.argv[1]), interface=sys.argv[2]))\n"
    )

    def test_a_robot_that_believes_everything(self, domain, tmp_path):
        """Obeys commands with a wrong CRC and does not care for the motor mode."""
        command = [*THERE, sys.executable, "-c", self.CREDULOUS, str(domain), ROBOT_INTERFACE]
        robot = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert robot.stdout is not None
        try:
            assert "ready" in robot.stdout.readline()
            found = measure(domain, tmp_path / "robot.yaml", "HW-4", "HW-5")
        finally:
            robot.terminate()
            robot.wait()
            robot.stdout.close()
        assert found.value("corrupt_commands") == "obeyed"
        assert found.value("mode_0") == "ignored"

    def test_what_the_operator_does(self, domain, virtual_go2, tmp_path):
        """Pulls the cable twice, presses L2 + B, moves all joints to their stops; our own checks see it each time."""
        robot = virtual_go2("--faults", "--wire", str(tmp_path / "wire"))
        low, high = LOWER - 0.05, UPPER + 0.04

        def move_by_hand(visit: Visit) -> None:
            visit.hears("left: FR_hip, ")
            for end in (low, high):
                for name, value in zip(NAMES, end, strict=True):
                    fault(robot, f"set {name}.q {value:.4f} 0.5")
                time.sleep(0.6)
            visit.hears("12 of 12 joints done")
            visit.say("")

        def press_buttons(visit: Visit) -> None:
            visit.hears("press L2 + B")
            time.sleep(0.3)
            for line in ("set wireless_remote.2 32 0.2", "set wireless_remote.3 2 0.2"):
                fault(robot, line)
            visit.hears("What did the robot itself do?", "it lay down")
            fault(robot, "set wireless_remote.3 0 0.1")
            visit.hears("power button?", "")

        def pull_the_cable(visit: Visit) -> None:
            for answer in ("sank slowly", "held for a second"):
                visit.hears("pull the network cable")
                time.sleep(1.2)
                fault(robot, "silent 0.3")
                visit.hears("What did the legs do meanwhile?", answer)

        found = measure(
            domain,
            tmp_path / "robot.yaml",
            *("range", "HW-6", "HW-3"),
            range=move_by_hand,
            HW6=press_buttons,
            HW3=pull_the_cable,
        )
        assert found.value("remote_seen") is True
        assert found.value("remote_effect") == "it lay down"
        assert found.value("power_button") == "not tried"
        assert found.value("cable_out_damped") == "sank slowly"
        assert found.value("cable_out_at_kp_10") == "held for a second"
        np.testing.assert_allclose(found.range(), (low, high), atol=1e-3)
        assert damped_at_last(tmp_path / "wire")


@on_dds
@pytest.mark.dds
class TestCare:
    """Nothing moves without a yes; whatever happens, the robot is damped."""

    def test_without_a_yes_nothing_is_commanded(self, domain, virtual_go2, tmp_path):
        """Not even the motion service is released."""
        virtual_go2("--wire", str(tmp_path / "wire"))
        visit = Visit(domain, tmp_path / "robot.yaml", "--only", "HW-1", "HW-8")
        visit.hears("to skip:", "no")
        visit.hears("to skip:", "")
        assert visit.ends() == 0, visit.said
        assert "still to be measured: HW-1" in visit.said
        assert (wire.read(tmp_path / "wire")["kp"] == 30.0).all()  # the motion program's, to the last
        assert not (tmp_path / "robot.yaml").exists()

    def test_nobody_at_the_keyboard_is_a_refusal(self, domain, virtual_go2, tmp_path):
        """Standard input is closed."""
        virtual_go2()
        visit = Visit(domain, tmp_path / "robot.yaml")
        assert visit.process.stdin is not None
        visit.process.stdin.close()
        assert visit.ends() == 2
        assert "nobody answers" in visit.said

    def test_interrupting_a_question_is_a_plain_end(self, domain, virtual_go2, tmp_path):
        """Nothing moves, so nothing is said of damping."""
        virtual_go2()
        visit = Visit(domain, tmp_path / "robot.yaml")
        visit.hears("to skip:")
        visit.process.send_signal(signal.SIGINT)
        assert visit.ends() == 4
        assert "interrupted; what was measured is kept" in visit.said
        assert "STOP" not in visit.said

    def test_no_command_leaves_its_bounds(self, domain, virtual_go2, tmp_path):
        """A motor without damping is not commanded; a joint that runs away is damped."""
        robot = virtual_go2("--faults", "--wire", str(tmp_path / "wire"))
        link = Link(INTERFACE, domain)
        MotionSwitcher(link, "here").release()
        stand = Stand(link, Watched())
        calf, hip = NAMES.index("FR_calf"), NAMES.index("FR_hip")

        def undamped() -> None:
            with stand.armed(without=("L12",)):
                stand.frame.kd[calf] = 0.0
                stand.run(5)

        def run_away() -> None:
            with stand.armed(without=("L8", "L12")):
                stand.frame.kp[hip], stand.frame.q[hip] = 10.0, 0.0
                stand.run(20)
                fault(robot, "set FR_hip.q 0.8 0.3")
                stand.run(100)

        with pytest.raises(StopError, match="L14 refused own command"):
            undamped()
        with pytest.raises(StopError, match="rad from where it should be"):
            run_away()
        assert stand.still
        frames = wire.read(tmp_path / "wire")
        assert (frames["kd"] > 0.0).all()
        assert not frames[-1]["kp"].any()
        assert (frames[-1]["kd"] == DAMPING_KD).all()

    def test_whatever_fails_is_told_as_a_stop(self, domain, virtual_go2, monkeypatch):
        """With the code that a session would give it; the robot is damped first."""
        robot = virtual_go2("--faults")
        link = Link(INTERFACE, domain)
        MotionSwitcher(link, "here").release()
        stand = Stand(link, Watched())

        def stops(words: str, command: Callable[[int], object], rows: int = 5) -> None:
            with pytest.raises(StopError, match=words), stand.armed(without=("L12",)):
                stand.run(rows, command)
            assert stand.still

        def refuse(message: object) -> None:
            raise RuntimeError("closed")

        stops("L13 ZeroDivisionError: ", lambda row: row / 0)
        stops(r"S4 \(SIGTERM\)", lambda row: os.kill(os.getpid(), signal.SIGTERM))
        stops("L2 6 gaps in 1 s", lambda row: row == 10 and fault(robot, "thin 2 0.3"), 200)
        send, sent = stand._writer.write, iter(range(3))
        failing = SimpleNamespace(
            write=lambda message: send(message) if next(sent, None) is not None else refuse(message)
        )
        monkeypatch.setattr(stand, "_writer", failing)
        with pytest.raises(StopError, match="L15 DDS write failed: closed"), stand.armed(without=("L12",)):
            stand.run(5)

    def test_interrupting_damps(self, domain, virtual_go2, tmp_path):
        """Ctrl-C while a calf is held at kp 10: damping to the end, and the operator is told that it is still."""
        virtual_go2("--wire", str(tmp_path / "wire"))
        visit = Visit(domain, tmp_path / "robot.yaml", "--only", "HW-8")
        visit.agree("HW-8")
        end = time.monotonic() + 10.0
        while not (wire.read(tmp_path / "wire")["kp"][-1:] == 10.0).any():
            assert time.monotonic() < end, visit.said
            time.sleep(0.01)
        visit.process.send_signal(signal.SIGINT)
        assert visit.ends() == 4, visit.said
        assert "STOP S2" in visit.said
        assert "The robot is still." in visit.said
        assert damped_at_last(tmp_path / "wire")

    def test_a_robot_that_misbehaves_is_damped(self, domain, virtual_go2, tmp_path):
        """A check of the session's own table stops a measurement; what was measured before it is kept."""
        robot = virtual_go2("--faults", "--wire", str(tmp_path / "wire"))
        visit = Visit(domain, tmp_path / "robot.yaml", "--only", "HW-9", "HW-4")
        visit.agree("HW-9", "HW-4")
        visit.hears("released")
        time.sleep(0.5)
        fault(robot, "set FL_thigh.temperature 90 5")
        assert visit.ends() == 3, visit.said
        assert "STOP L9 FL_thigh 90 °C" in visit.said
        assert damped_at_last(tmp_path / "wire")
        assert acceptance.load(tmp_path / "robot.yaml").codes == {"HW-9"}

    def test_another_robots_results_are_left_alone(self, domain, virtual_go2, tmp_path):
        """Nor are those of another firmware, unless measured again."""
        robot = virtual_go2("--faults")
        for field, value in zip(("sn.0", "sn.1", "version.0", "version.1"), (7, 8, 1, 3), strict=True):
            fault(robot, f"set {field} {value} 60")
        path = tmp_path / "robot.yaml"
        acceptance.save(Acceptance(Identity((7, 9), (1, 3))), path)
        visit = Visit(domain, path, "--again", "--only", "HW-9")
        assert visit.ends() == 2
        assert "measured on another robot" in visit.said
        acceptance.save(Acceptance(ROBOT), path)
        visit = Visit(domain, path, "--only", "HW-9")
        assert visit.ends() == 2
        assert "before the firmware changed" in visit.said
        visit = Visit(domain, path, "--again", "--only", "HW-9")
        visit.agree("HW-9")
        assert visit.ends() == 0, visit.said
        assert acceptance.load(path).robot == Identity((7, 8), (1, 3))

    def test_an_unknown_measurement_is_named(self, domain, tmp_path):
        """With those there are."""
        visit = Visit(domain, tmp_path / "robot.yaml", "--only", "HW-12")
        assert visit.ends() == 2
        assert "no such measurement: HW-12" in visit.said
