"""A 500 Hz loop as a user of `unitree_sdk2py` writes it, paced by the robot's states: no checks, no log.

The SDK's channels, types, CRC and defaults: `bare_loop.py DOMAIN`. Only the XML with which it opens a domain is ours,
since its own finds no peer on loopback and leaves a trace file behind.
"""

from __future__ import annotations

import math
import sys

from unitree_sdk2py.core import channel
from unitree_sdk2py.idl.default import unitree_go_msg_dds__LowCmd_
from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowCmd_, LowState_
from unitree_sdk2py.utils.crc import CRC

from collect.link import _LOOPBACK_XML

PERIOD = 0.002
KP, KD = 25.0, 0.5
AMPLITUDE = 0.1

channel.ChannelConfigHasInterface = f"<CycloneDDS><Domain Id='any'>{_LOOPBACK_XML}</Domain></CycloneDDS>"
channel.ChannelFactoryInitialize(int(sys.argv[1]), "lo")
publisher = channel.ChannelPublisher("rt/lowcmd", LowCmd_)
publisher.Init()
subscriber = channel.ChannelSubscriber("rt/lowstate", LowState_)
subscriber.Init()
crc = CRC()
command = unitree_go_msg_dds__LowCmd_()
command.head[0], command.head[1] = 0xFE, 0xEF
command.level_flag = 0xFF
for motor in command.motor_cmd:
    motor.mode, motor.q, motor.dq, motor.kp, motor.kd, motor.tau = 0x01, 2.146e9, 16000.0, 0.0, 0.0, 0.0
start = None
tick = 0
while True:
    state = subscriber.Read(1.0)
    if state is None:
        continue
    start = start or [motor.q for motor in state.motor_state[:12]]
    t = tick * PERIOD
    swing = AMPLITUDE * math.sin(2.0 * math.pi * (0.5 + 0.15 * t) * t)
    for i in range(12):
        motor = command.motor_cmd[i]
        motor.q, motor.dq, motor.kp, motor.kd, motor.tau = start[i] + swing, 0.0, KP, KD, 0.0
    command.crc = crc.Crc(command)
    publisher.Write(command)
    tick += 1
