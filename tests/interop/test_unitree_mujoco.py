"""A session against unitree_mujoco's Python bridge: incomplete, and told so with `--peer simulator`.

What runs here is a stand-in for it with a joint for each motor, on the SDK's own channels and Cyclone DDS 0.10, as the
bridge does (unitree_mujoco, simulate_python/unitree_sdk2py_bridge.py): states come from a thread at the simulation's
step, beside the physics and not in step with it; torque is computed when a command arrives and held until the next;
tick, CRC, temperatures, motor modes, power and roll, pitch, yaw are never set; there is no motion service; and
rt/sportmodestate is published beside rt/lowstate.
"""

import subprocess

import pytest
from conftest import JITTER, ROOT, verb
from inside import ready
from second_environment import PYTHON, require

from collect import recording

pytestmark = pytest.mark.dds

STEP = 0.005
"""Of its physics, and between two states (config.py there) [s]."""
INERTIA, DAMPING = 0.2, 2.0
"""Of a joint [kg m²], [Nm·s/rad]: what a session commands is stable on it although Python, which takes a millisecond to
read a command, acts upon it late; on a slow machine by the ten commands that the SDK's channel lets wait."""
BRIDGE = """
import os, sys, time
from unitree_sdk2py.core import channel
from unitree_sdk2py.idl import default
from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowCmd_, LowState_, SportModeState_, WirelessController_
from unitree_sdk2py.utils.thread import RecurrentThread

try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))  # what else runs on this machine is not its fault
except PermissionError:
    pass
domain, step, inertia, damping = int(sys.argv[1]), *map(float, sys.argv[2:])
head, rest = channel.ChannelConfigHasInterface.split("<Tracing>")  # it would write /tmp/cdds.LOG
channel.ChannelConfigHasInterface = head + rest.split("</Tracing>")[1]
channel.ChannelFactoryInitialize(domain, "lo")
q, dq, torque = [0.0, 1.2, -2.0] * 4, [0.0] * 12, [0.0] * 12

def command(message):
    for i, motor in enumerate(message.motor_cmd[:12]):
        torque[i] = motor.tau + motor.kp * (motor.q - q[i]) + motor.kd * (motor.dq - dq[i])

def publish():
    for i, motor in enumerate(state.motor_state[:12]):
        motor.q, motor.dq, motor.tau_est = q[i], dq[i], torque[i]
    state.imu_state.quaternion, state.imu_state.accelerometer = [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 9.81]
    states.Write(state)
    sport.Write(high)

def publisher(topic, message):
    made = channel.ChannelPublisher(topic, message)
    made.Init()
    return made

state, high = default.unitree_go_msg_dds__LowState_(), default.unitree_go_msg_dds__SportModeState_()
states, sport = publisher("rt/lowstate", LowState_), publisher("rt/sportmodestate", SportModeState_)
remote = publisher("rt/wirelesscontroller", WirelessController_)  # silent without a joystick
commands = channel.ChannelSubscriber("rt/lowcmd", LowCmd_)
commands.Init(command, 10)
RecurrentThread(interval=step, target=publish, name="sim_lowstate").Start()
print("ready", flush=True)
while True:
    began = time.perf_counter()
    for i in range(12):
        dq[i] += step * (torque[i] - damping * dq[i]) / inertia
        q[i] += step * dq[i]
    time.sleep(max(step - (time.perf_counter() - began), 0.0))
"""


@pytest.fixture
def bridge(domain):
    """The simulator, running."""
    require()
    numbers = [str(number) for number in (domain, STEP, INERTIA, DAMPING)]
    process = subprocess.Popen([PYTHON, "-c", BRIDGE, *numbers], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    yield ready(process)
    process.terminate()
    process.communicate(timeout=10)


def run(plan, domain: int, out, *options: object) -> subprocess.CompletedProcess[str]:
    """A session with it."""
    where = ["--interface", "lo", "--domain", domain, "--out", out, "--session", "s"]
    return verb("collect", "run", plan, *where, *options, *JITTER)


def test_it_is_refused_as_a_robot(bridge, short_plan, domain, tmp_path):
    """It has no motion service; how to say what it is stands in the refusal."""
    done = run(short_plan, domain, tmp_path)
    assert done.returncode == 2
    assert "the motion service did not answer" in done.stderr
    assert "--peer simulator" in done.stderr
    assert not list(tmp_path.iterdir())


def test_it_is_recorded_when_told_so(bridge, short_plan, domain, tmp_path):
    """At its own rate; what it lacks is said and is absent from the recording, not invented."""
    done = run(short_plan, domain, tmp_path, "--peer", "simulator")
    assert done.returncode == 0, done.stderr
    said = next(line for line in done.stderr.splitlines() if line.startswith("this simulator does not deliver: "))
    lacks = set(said.partition(": ")[2].split(", "))
    assert lacks >= {"battery", "crc", "mode", "rate", "service", "temperature", "tick"}
    session = recording.read(tmp_path / "s.h5")
    assert session.rate == pytest.approx(1.0 / STEP, abs=5.0)
    assert session.tick is session.temperature is session.mode is None
    assert {"tick", "temperature", "mode", "voltage", "current", "soc"} == set(session.missing)
    moving = session.segment == 0
    assert moving.sum() == pytest.approx(2.0 / STEP, rel=0.05)
    assert session.q[moving].std(axis=0).min() > 0.02  # every joint was moved
    assert bridge.poll() is None
