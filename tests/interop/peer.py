"""Unitree's own C++ client (Cyclone DDS 0.10.2 inside) as a process of its own: `peer.py SECONDS Q_TARGET`.

Reads states and writes commands for some seconds, then prints what it saw. Imports nothing of ours.
"""

import json
import sys
import time

import unitree_interface

client = unitree_interface.UnitreeInterface.create_go2("lo")
seconds, q_target = float(sys.argv[1]), float(sys.argv[2])
command = client.create_zero_command()
joints = len(command.q_target)
command.q_target, command.kp, command.kd = [q_target] * joints, [1.0] * joints, [1.0] * joints
seen, end = set(), time.monotonic() + seconds  # no two states are alike to the last digit
while time.monotonic() < end:
    state = client.read_low_state()
    seen.add((*state.motor.q, *state.motor.dq))
    client.write_low_command(command)
    time.sleep(0.001)
print(json.dumps({"states": len(seen), "q": list(state.motor.q)[:12], "accel": list(state.imu.accel)}), flush=True)
