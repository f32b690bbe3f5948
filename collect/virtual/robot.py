"""`python -m collect robot`: the virtual Go2 on DDS, at 500 states a second of its own clock."""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cyclonedds.qos import Policy, Qos
from cyclonedds.util import duration

from collect.body import Body, Mount
from collect.errors import UserError
from collect.joints import N_JOINTS
from collect.link import LOOPBACK, LOWCMD, LOWSTATE, Inbox, Link
from collect.messages import (
    SERVO,
    CommandFrame,
    LowCmd,
    LowState,
    Request,
    Response,
    crc32,
    response,
)
from collect.realtime import CONTROL, realtime
from collect.switcher import CHECK_MODE, RELEASE_MODE, SERVICE, SERVICE_QOS
from collect.virtual.faults import Faults
from collect.virtual.motors import Motors, Sensors, Silence, load
from collect.virtual.truth import Truth
from collect.virtual.wire import Wire

PERIOD = 0.002
"""Between two states [s]."""
SUBSTEPS = 4
"""Physics and motor steps per state: 2 kHz."""
SPORT_POSTURE = np.tile([0.0, 0.9, -1.8], 4)
"""Where the motion program holds the legs: the home posture of the Go2 models [rad]."""
SPORT_KP, SPORT_KD = 30.0, 1.0
AMBIENT, WARMING, COOLING = 35.0, 0.02, 1.0 / 300.0
"""Motor temperature: ambient [°C], rise per second and Nm² [°C], return to ambient [1/s]. Invented."""
BEHIND = 0.004
"""Further behind than this the robot gives up lost time instead of catching up: a real one never sends a burst [s]."""
SELECT_MODE = 1002
INTERNAL, NOT_IMPLEMENTED, BAD_PARAMETER = 3202, 3203, 3204
"""Error codes of unitree_sdk2py/rpc/internal.py."""
_STATE_QOS = Qos(Policy.Reliability.Reliable(duration(milliseconds=1)), Policy.History.KeepLast(1))


@dataclass(frozen=True)
class RobotOptions:
    """How the virtual Go2 is set up."""

    interface: str = LOOPBACK
    domain: int = 1
    motors: Path | None = None
    mount: Mount = "fixed"
    on_silence: Silence = "hold_target"
    truth: Path | None = None
    wire: Path | None = None
    faults: bool = False


def run(options: RobotOptions) -> None:
    """Be a Go2 until SIGINT, SIGTERM or SIGHUP.

    Raises:
        UserError: when asked to join the real robots' domain on a network, or for a bad motor file.
    """
    if options.domain == 0 and options.interface != LOOPBACK:
        raise UserError(
            "a virtual Go2 in domain 0 on a network would move every real robot there",
            where=f"--interface {options.interface} --domain 0",
            fix="use another --domain, or --interface lo",
        )
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, _frame: stopping.append(caught))
    with realtime(CONTROL):
        robot = VirtualGo2(options)
        sys.stdout.write(f"virtual Go2 ready on {options.interface}, domain {options.domain}\n")
        sys.stdout.flush()
        due = time.monotonic()
        while not stopping:
            robot.tick()
            due += PERIOD
            now = time.monotonic()
            if now - due > BEHIND:
                due = now  # this process was held up; its clock and its states stay in step
            time.sleep(max(due - now, 0.0))
    robot.close()


class VirtualGo2:
    """Body, motors, sensors, and what a Go2 says and hears on DDS."""

    def __init__(self, options: RobotOptions) -> None:
        config = load(options.motors)
        self._truth = Truth(options.truth, config) if options.truth else None
        self._wire = Wire(options.wire) if options.wire else None
        link = Link(options.interface, options.domain)
        self._config = config
        self._step = PERIOD / SUBSTEPS
        self._body = Body(
            timestep=self._step,
            mount=options.mount,
            armature=config.armature,
            viscous=config.viscous,
            dry=config.coulomb,
        )
        self._body.reset(SPORT_POSTURE)
        self._motors = Motors(config, self._step, options.on_silence)
        self._sensors = Sensors(config, seed=0)
        self._commands = Inbox(link, LOWCMD, LowCmd)
        self._states = link.writer(LOWSTATE, LowState, _STATE_QOS)
        self._requests = Inbox(link, f"{SERVICE}/request", Request, SERVICE_QOS)
        self._answers = link.writer(f"{SERVICE}/response", Response, SERVICE_QOS)
        self._sport = link.writer(LOWCMD, LowCmd)
        self._sport_frame = CommandFrame()
        self._sport_frame.q[:], self._sport_frame.kp[:], self._sport_frame.kd[:] = SPORT_POSTURE, SPORT_KP, SPORT_KD
        self._mode = "normal"
        self._message = LowState(np.zeros((), LowState.LAYOUT))
        self._state = self._message.record
        self._state["head"], self._state["level_flag"] = (0xFE, 0xEF), 0xFF
        self._state["bms_state"]["soc"] = 80
        self._state["foot_force"] = 10  # hung: nothing but the sensors' offset
        self._faults = Faults(self._state, self._select)
        self._listening = options.faults
        if options.faults:
            self._faults.listen()
        self._held: list[LowState] = []
        self._temperature = np.full(N_JOINTS, AMBIENT)
        self._time = 0.0
        self._ticks = 0
        self._heard = 0
        self._came = np.nan
        self._servo = np.ones(N_JOINTS, bool)
        self._newest = np.full(N_JOINTS, np.nan, np.float32)

    def tick(self) -> None:
        """The two milliseconds just past: hear the commands that came in them, move, report."""
        now = time.monotonic()
        if self._listening:
            self._faults.hear(now)
        self._serve(now)
        if self._mode:
            self._sport.write(self._sport_frame.seal())
        self._hear(now)
        for substep in range(SUBSTEPS):
            body = self._body
            torque = self._motors.step(self._time + substep * self._step, body.q, body.dq)
            body.dry[:] = self._motors.friction(body.dq)
            self._faults.hold(body.dry, now)
            body.step(torque)
        self._time += PERIOD
        self._ticks += 1
        self._report(now)

    def _hear(self, now: float) -> None:
        """Take the commands of the period that ends now, each at the moment it was sent."""
        wall = time.time_ns()
        for message in self._commands.take():
            record = message.record
            if self._faults.on("deaf", now):
                continue
            valid = crc32(record) == int(record["crc"])
            if self._wire is not None:
                self._wire.note(message, valid, now)
            if not valid:
                continue  # as the robot does
            age = (wall - message.sample_info.source_timestamp) * 1e-9
            at = self._time + PERIOD - float(np.clip(age, 0.0, PERIOD))
            motors = record["motor_cmd"][:N_JOINTS]
            self._servo = motors["mode"] == SERVO
            self._motors.receive(at, motors)
            self._came = at
            self._newest[:] = motors["q"]
            self._heard += 1

    def _serve(self, now: float) -> None:
        """The motion-switcher service."""
        for asked in self._requests.take():
            if self._faults.on("mute", now):
                continue
            code, data = self._answer(asked.header.identity.api_id, asked.parameter)
            self._answers.write(response(asked, code, self._faults.mumbled if self._faults.on("mumble", now) else data))

    def _answer(self, api: int, parameter: str) -> tuple[int, str]:
        """Status code and data for one call."""
        if api == CHECK_MODE:
            return 0, json.dumps({"form": "0", "name": self._mode})
        if api == RELEASE_MODE:
            if self._faults.refusals > 0:
                self._faults.refusals -= 1
                return INTERNAL, ""
            if self._mode:
                self._mode = ""
                self._motors.relax(self._time, self._body.q)
            return 0, ""
        if api == SELECT_MODE:
            try:
                self._select(str(json.loads(parameter)["name"]))
            except (ValueError, TypeError, KeyError):
                return BAD_PARAMETER, ""
            return 0, ""
        return NOT_IMPLEMENTED, ""

    def _select(self, name: str) -> None:
        self._mode = name

    def _report(self, now: float) -> None:
        """Publish the state at the end of this period."""
        body, torque = self._body, self._motors.torque
        q, dq, tau_est = self._sensors.read(body.q_now, body.dq, torque)
        state, motors = self._state, self._state["motor_state"][:N_JOINTS]
        heat = WARMING * torque**2 - COOLING * (self._temperature - AMBIENT)
        self._temperature += heat * PERIOD
        motors["mode"] = self._servo
        motors["q"], motors["dq"], motors["tau_est"] = q, dq, tau_est
        motors["temperature"] = np.minimum(self._temperature, 255.0)
        imu = state["imu_state"]
        imu["quaternion"], imu["rpy"] = body.quaternion, body.rpy
        imu["gyroscope"], imu["accelerometer"], imu["temperature"] = body.gyro, body.accel, 60
        power = 30.0 + float(np.abs(torque * body.dq).sum())  # the computers take some 30 W
        state["power_v"] = 29.6 - 0.02 * power / 29.6
        state["power_a"] = power / 29.6
        state["bms_state"]["current"] = -int(1e3 * power / 29.6)
        self._faults.step_clock(round(PERIOD * 1e3), now)
        state["tick"] = (self._ticks * 2 + self._faults.clock) % 2**32
        self._faults.alter(now)
        state["crc"] = crc32(state) ^ self._faults.corrupted(now)
        self._send(now)
        if self._truth is not None:
            self._note(self._truth.next_row())

    def _send(self, now: float) -> None:
        for _ in range(self._faults.copies(now)):
            if self._faults.on("burst", now):
                self._held.append(LowState(self._state.copy()))
                continue
            for late in self._held:
                self._states.write(late)
            self._held.clear()
            self._states.write(self._message)

    def _note(self, row: Any) -> None:
        body = self._body
        row["tick"] = self._state["tick"]
        row["q"], row["dq"] = body.q_now, body.dq
        row["tau_motor"], row["tau_resistance"] = self._motors.torque, body.resistance
        row["target_received"], row["target_obeyed"] = self._newest, self._motors.target(self._time)
        row["commands"], row["command_age"] = self._heard, self._time - self._came

    def close(self) -> None:
        """Write what really happened, if that was asked for."""
        if self._truth is not None:
            self._truth.write()
