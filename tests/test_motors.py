"""The hidden motors do what their YAML says: delay, bandwidth, envelope, PD law, friction, silence, sensors."""

import dataclasses

import numpy as np
import pytest
import yaml

from collect.body import Body
from collect.errors import UserError
from collect.joints import BY_KIND, HANG, KINDS, N_JOINTS
from collect.messages import POS_STOP, SERVO, VEL_STOP, LowCmd
from collect.virtual.motors import DAMPING, SHIPPED, SILENT_AFTER, Motors, Sensors, load

CONFIG = load(None)
TRUTH = {field.name: np.array(getattr(CONFIG, field.name)) for field in dataclasses.fields(CONFIG)}
STEP = 0.0005
FINE = 1e-5
"""A step short enough to see each motor's own delay [s]."""
SETTLED = 0.03
"""All delays and many time constants of the current loop [s]."""
LAG = 0.5 / np.pi / TRUTH["bandwidth"]
"""Time constants of the current loop [s]."""
REST = np.zeros(N_JOINTS)


def motors(step: float = STEP, silence: str = "hold_target") -> Motors:
    """The shipped motors, not yet commanded."""
    return Motors(CONFIG, step, silence)


def command(q=0.0, *, dq=0.0, tau=0.0, kp=0.0, kd=0.0, mode=SERVO) -> np.ndarray:
    """The twelve motor slots of a LowCmd."""
    slots = np.zeros(N_JOINTS, LowCmd.LAYOUT["motor_cmd"].base)
    for name, value in {"q": q, "dq": dq, "tau": tau, "kp": kp, "kd": kd, "mode": mode}.items():
        slots[name] = value
    return slots


def stepped(driven: Motors, start: float, stop: float, *, q=REST, dq=REST, step: float = STEP) -> np.ndarray:
    """Torques from `start` to `stop` [s] of joints that stay at q and dq, shape (steps, 12)."""
    count = round((stop - start) / step)
    return np.array([driven.step(start + i * step, q, dq).copy() for i in range(count)])


def obeyed(slots: np.ndarray, *, q=REST, dq=REST) -> np.ndarray:
    """The torque that a command leads to at q and dq."""
    driven = motors()
    driven.receive(0.0, slots)
    return stepped(driven, 0.0, SETTLED, q=q, dq=dq)[-1]


def onset(step: float, phase: float) -> np.ndarray:
    """When each motor begins to obey a command received at `phase` [s]: the start of its first step of torque."""
    driven = motors(step)
    driven.receive(phase, command(tau=1.0))
    torque = stepped(driven, 0.0, 0.008, step=step)
    return np.argmax(torque > 0.0, axis=0) * step


class TestDelay:
    def test_each_joint_obeys_after_its_own(self):
        """Begin to turn exactly the joint's delay after the command came, none a multiple of the 2 ms of a state."""
        assert onset(FINE, 0.0) == pytest.approx(TRUTH["delay"], abs=FINE)
        assert (np.abs(TRUTH["delay"] / 0.002 - np.round(TRUTH["delay"] / 0.002)) > 0.05).all()

    def test_the_robots_step_adds_nothing_on_average(self):
        """Obey within half a step of 0.5 ms, early as often as late, whenever within a step the command came."""
        phases = np.linspace(0.0, STEP, 50, endpoint=False)
        late = np.array([onset(STEP, phase) - phase for phase in phases]) - TRUTH["delay"]
        assert np.abs(late).max() <= 0.5 * STEP + 1e-9
        assert late.mean(axis=0) == pytest.approx(REST, abs=0.03 * STEP)

    def test_the_old_command_holds_until_then(self):
        """Keep to the old target and gains as long as the new ones are on their way."""
        driven = motors()
        driven.receive(0.0, command(tau=1.0))
        stepped(driven, 0.0, SETTLED)
        driven.receive(SETTLED, command(0.1, kp=20.0))
        torque = stepped(driven, SETTLED, SETTLED + 0.004)
        assert torque == pytest.approx(np.tile(TRUTH["torque_scale"], (len(torque), 1)), rel=1e-3)

    def test_commands_faster_than_usual_keep_their_delay(self):
        """Lose nothing at 2000 commands a second: each of them in force after its delay."""
        driven = motors()
        for i in range(200):
            driven.receive(i * STEP, command(float(i)))
        now = 199 * STEP
        assert driven.target(now) == pytest.approx(np.floor((now - TRUTH["delay"]) / STEP))

    def test_a_burst_does_not_jump_the_queue(self):
        """Never obey the newest command before its delay, however many come at once."""
        driven = motors()
        for count in range(1, 200):
            driven.receive(0.0, command(float(count)))
            assert (driven.target(0.001) < count).all(), count
        assert (driven.target(0.01) == count).all()


class TestBandwidth:
    def test_the_current_loop_is_a_first_order_lag(self):
        """Reach 63 % one time constant, 1/2πB, after obeying."""
        driven = motors(FINE)
        driven.receive(0.0, command(tau=1.0))
        share = stepped(driven, 0.0, 0.015, step=FINE) / TRUTH["torque_scale"]
        rise = np.argmax(share > 1.0 - np.exp(-1.0), axis=0) * FINE - TRUTH["delay"]
        assert rise == pytest.approx(LAG, abs=2.0 * FINE)

    def test_it_does_not_depend_on_the_step(self):
        """Follow the same curve at the robot's step as at a fine one."""
        since = 0.012 - TRUTH["delay"]
        for step in (STEP, FINE):
            driven = motors(step)
            driven.receive(0.0, command(tau=1.0))
            stepped(driven, 0.0, 0.012, step=step)
            lag = -np.log(1.0 - driven.torque / TRUTH["torque_scale"]) * LAG
            assert lag == pytest.approx(since, abs=0.5 * step + FINE)

    def test_the_robots_step_adds_nothing_on_average(self):
        """Push as late as delay and lag together say, whenever within a step of 0.5 ms the command came."""
        missing = []
        for phase in np.linspace(0.0, STEP, 50, endpoint=False):
            driven = motors()
            driven.receive(phase, command(tau=1.0))
            pushed = stepped(driven, 0.0, SETTLED).sum(axis=0) * STEP / TRUTH["torque_scale"]
            missing.append(SETTLED - phase - pushed)
        assert np.mean(missing, axis=0) == pytest.approx(TRUTH["delay"] + LAG, abs=0.03 * STEP)

    def test_damping_lags_by_it_and_no_more(self):
        """Brake a joint that goes ever faster by its speed one time constant ago."""
        driven = motors()
        driven.receive(0.0, command(kd=1.0))
        torque = np.array([driven.step(i * STEP, REST, np.full(N_JOINTS, i * STEP)).copy() for i in range(200)])
        middle = (np.arange(200) + 0.5) * STEP
        late = middle[:, None] + torque / TRUTH["torque_scale"]
        assert late[100:] == pytest.approx(np.tile(LAG, (100, 1)), abs=0.05 * STEP)


class TestEnvelope:
    CORNER, NO_LOAD, PEAK = TRUTH["corner_speed"], TRUTH["no_load_speed"], TRUTH["peak_torque"]

    @pytest.mark.parametrize("way", [1.0, -1.0])
    @pytest.mark.parametrize(
        ("speed", "share"),
        [
            pytest.param(REST, 1.0, id="rest"),
            pytest.param(0.99 * CORNER, 1.0, id="corner"),
            pytest.param(0.5 * (CORNER + NO_LOAD), 0.5, id="half way"),
            pytest.param(NO_LOAD, 0.0, id="no load"),
            pytest.param(1.2 * NO_LOAD, 0.0, id="overrun"),
            pytest.param(-0.5 * NO_LOAD, 1.0, id="braking"),
            pytest.param(-1.2 * NO_LOAD, 1.0, id="braking an overrun"),
        ],
    )
    def test_torque_falls_with_speed(self, way, speed, share):
        """Give the peak up to the corner speed, nothing from no-load speed on, and the peak whenever braking."""
        assert obeyed(command(tau=way * 200.0), dq=way * speed) == pytest.approx(way * share * self.PEAK, abs=1e-3)


class TestLaw:
    def test_the_motor_closes_the_loop(self):
        """Make kp·(q_target − q) + kd·(dq_target − dq) + tau_ff of the measured position, by the motor's own scale."""
        q, dq = np.linspace(-0.1, 0.1, N_JOINTS), np.linspace(1.0, -1.0, N_JOINTS)
        measured = q + TRUTH["encoder_offset"]
        expected = 20.0 * (0.05 - measured) + 0.5 * (0.3 - dq) + 0.2
        torque = obeyed(command(0.05, dq=0.3, tau=0.2, kp=20.0, kd=0.5), q=q, dq=dq)
        assert torque == pytest.approx(TRUTH["torque_scale"] * expected, abs=1e-3)

    def test_a_motor_out_of_servo_mode_is_off(self):
        """Make no torque in mode 0, each motor by its own mode."""
        servo = np.arange(N_JOINTS) % 2
        assert ((obeyed(command(tau=5.0, mode=servo)) > 1.0) == servo).all()

    def test_stop_values_ask_for_nothing(self):
        """Make no torque of the SDK's stop values, whose gains are 0."""
        assert not obeyed(command(POS_STOP, dq=VEL_STOP)).any()


class TestFriction:
    def test_the_curve_is_stribecks(self):
        """Fall from breakaway at rest to the dry friction of a turning joint, both ways."""
        unloaded = motors()
        coulomb, breakaway, speed = TRUTH["coulomb"], TRUTH["breakaway"], TRUTH["stribeck_speed"]
        assert unloaded.friction(REST) == pytest.approx(coulomb * breakaway)
        assert unloaded.friction(speed) == pytest.approx(coulomb * (1.0 + (breakaway - 1.0) / np.e))
        assert unloaded.friction(np.full(N_JOINTS, 5.0)) == pytest.approx(coulomb)
        assert unloaded.friction(-speed) == pytest.approx(unloaded.friction(speed))
        assert (breakaway > 1.1).all()

    @pytest.mark.parametrize("torque", [10.0, -10.0])
    def test_it_grows_with_the_load(self, torque):
        """Add the joint's share of the torque that the motor makes, whichever way it pulls."""
        loaded = motors()
        loaded.receive(0.0, command(tau=torque))
        stepped(loaded, 0.0, SETTLED)
        extra = loaded.friction(REST) - motors().friction(REST)
        assert extra == pytest.approx(TRUTH["load_friction"] * np.abs(loaded.torque))
        assert (extra > 0.2).all()

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(("share", "least", "most"), [(0.9, 0.0, 0.0005), (1.1, 0.01, 1.0)])
    def test_a_leg_breaks_away(self, kind, share, least, most):
        """Stay where it is just below the breakaway torque, and move off just above it."""
        body = Body(timestep=STEP, armature=CONFIG.armature, viscous=CONFIG.viscous, dry=CONFIG.coulomb)
        body.reset(HANG)
        unloaded, push = motors(), body.bias
        push[BY_KIND[kind]] += share * (TRUTH["coulomb"] * TRUTH["breakaway"])[BY_KIND[kind]]
        for _ in range(1000):
            body.dry[:] = unloaded.friction(body.dq)
            body.step(push)
        moved = np.abs(body.q - HANG)[BY_KIND[kind]]
        assert (moved >= least).all()
        assert (moved <= most).all()


class TestSilence:
    TARGET = 0.2
    MOVED, TURNING = np.full(N_JOINTS, 0.1), np.full(N_JOINTS, 0.5)

    def silent(self, silence: str, after: float) -> np.ndarray:
        """Torque of joints that moved on as the commands stopped, `after` [s] later."""
        driven = motors(silence=silence)
        for i in range(25):
            driven.receive(0.002 * i, command(self.TARGET, kp=10.0))
            stepped(driven, 0.002 * i, 0.002 * (i + 1))
        return stepped(driven, 0.05, 0.05 + after, q=self.MOVED, dq=self.TURNING)[-1]

    def pull(self, q) -> np.ndarray:
        """The torque of the last target at q."""
        return TRUTH["torque_scale"] * 10.0 * (self.TARGET - q - TRUTH["encoder_offset"])

    @pytest.mark.parametrize("silence", ["hold_target", "hold_torque", "damp"])
    def test_a_short_pause_is_no_silence(self, silence):
        """Keep to the last target for 20 ms, whatever comes after."""
        assert SILENT_AFTER == 0.02
        assert self.silent(silence, 0.015) == pytest.approx(self.pull(self.MOVED), abs=0.01)

    def test_hold_target_pulls_on(self):
        """Keep pulling to the last target from wherever the joint is."""
        assert self.silent("hold_target", 1.0) == pytest.approx(self.pull(self.MOVED), abs=1e-3)

    def test_hold_torque_pushes_on(self):
        """Keep the torque of that moment, wherever the joint goes."""
        short, long = (self.silent("hold_torque", after) for after in (0.03, 1.0))
        assert (long == short).all()
        assert long == pytest.approx(self.pull(self.MOVED), abs=0.01)

    def test_damp_brakes(self):
        """Resist the motion and forget the target."""
        braking = -TRUTH["torque_scale"] * DAMPING * self.TURNING
        assert self.silent("damp", 1.0) == pytest.approx(braking, abs=1e-3)

    @pytest.mark.parametrize("silence", ["hold_target", "hold_torque", "damp"])
    def test_nobodys_motors_damp(self, silence):
        """Damp before the first command and after the motion program was released, whatever the silence rule."""
        driven = motors(silence=silence)
        braking = -TRUTH["torque_scale"] * DAMPING * self.TURNING
        assert stepped(driven, 0.0, SETTLED, dq=self.TURNING)[-1] == pytest.approx(braking, abs=1e-3)
        driven.receive(0.1, command(self.TARGET, kp=10.0))
        stepped(driven, 0.1, 0.11)
        driven.relax(0.11, REST)
        assert stepped(driven, 0.11, 0.3, dq=self.TURNING)[-1] == pytest.approx(braking, abs=1e-3)


class TestSensors:
    STEPS = ((3.02e-5, 3.02e-5, 1.574e-5), (0.003875, 0.003875, 0.00202), (0.02474, 0.02474, 0.04742))
    """Of q, dq and tau_est in logs of three Go2s: hip, thigh, calf."""
    Q, DQ, TORQUE = np.linspace(-1.0, 1.0, N_JOINTS), np.linspace(-3.0, 3.0, N_JOINTS), np.linspace(-9.0, 9.0, N_JOINTS)

    def readings(self) -> np.ndarray:
        """Many readings of one moment, shape (readings, 3, 12)."""
        sensors = Sensors(CONFIG, seed=1)
        return np.array([sensors.read(self.Q, self.DQ, self.TORQUE) for _ in range(2000)])

    def test_they_count_in_the_robots_steps(self):
        """Report whole multiples of the steps of a real LowState, of which noise makes only the last few live."""
        for values, steps in zip(self.readings().transpose(1, 0, 2), self.STEPS, strict=True):
            counts = values / np.tile(steps, 4)
            assert np.abs(counts - np.round(counts)).max() < 1e-6
            assert all((np.diff(np.unique(np.round(joint))) == 1).any() for joint in counts.T)
            assert ((counts.std(axis=0) > 0.3) & (counts.std(axis=0) < 3.0)).all()

    def test_they_are_right_on_average(self):
        """Report true velocity and rotor torque, without any friction, and position with the encoder's own offset."""
        q, dq, tau_est = self.readings().mean(axis=0)
        assert q == pytest.approx(self.Q + TRUTH["encoder_offset"], abs=3e-6)
        assert dq == pytest.approx(self.DQ, abs=1e-3)
        assert tau_est == pytest.approx(self.TORQUE, abs=0.006)


class TestParameters:
    def test_no_two_joints_are_alike(self):
        """Differ in most parameters, even between the same joints of two legs."""
        table = np.array(dataclasses.astuple(CONFIG)).T
        for joint in range(N_JOINTS):
            for other in range(joint):
                assert (table[joint] != table[other]).sum() >= 10, (joint, other)

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"delay": None}, "delay is missing"),
            ({"dealy": [0.005] * 12}, "unknown key dealy .did you mean delay?"),
            ({"armature": [0.02] * 11}, "armature needs 12 values, got 11"),
            ({"armature": 0.02}, "armature must be a list"),
            ({"viscous": [0.2] * 11 + [-0.2]}, "viscous must be positive"),
            ({"coulomb": [0.2] * 11 + [float("nan")]}, r"coulomb\[11\] must be a finite number"),
            ({"bandwidth": ["fast"] * 12}, r"bandwidth\[0\] must be a number"),
            ({"delay": [0.03] * 12}, "delay must be at most 0.025 s"),
            ({"no_load_speed": [5.0] * 12}, "no_load_speed must be above corner_speed"),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_a_bad_file_is_refused_by_its_key(self, change, complaint, tmp_path):
        """Say which key is wrong, and how."""
        values = {**yaml.safe_load(SHIPPED.read_text()), **change}
        bad = tmp_path / "motors.yaml"
        bad.write_text(yaml.safe_dump({key: value for key, value in values.items() if value is not None}))
        with pytest.raises(UserError, match=complaint):
            load(bad)
