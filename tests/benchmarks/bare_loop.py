"""A 500 Hz loop as a user of `unitree_sdk2py` writes it, without checks and without a log: `bare_loop.py DOMAIN`.

All of it is the SDK's: channels with their default QoS, message classes filled field by field, CRC. Two things are
changed because without them nobody hears it: the XML that opens the domain (the SDK's finds no peer on loopback, and
writes a trace file), and `byte` for `uint8` in the types, as the robot's Cyclone 0.10 announces them (same cost).
Like our loop it is paced by the states, so that both can be late against the same thing.
"""

from __future__ import annotations

import math
import sys

from cyclonedds.idl import types

types.uint8, uint8 = types.byte, types.uint8  # while the SDK declares its messages

from unitree_sdk2py.core import channel  # noqa: E402
from unitree_sdk2py.idl.default import unitree_go_msg_dds__LowCmd_  # noqa: E402
from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowCmd_, LowState_  # noqa: E402
from unitree_sdk2py.utils.crc import CRC  # noqa: E402

types.uint8 = uint8
channel.ChannelConfigHasInterface = """<CycloneDDS><Domain Id="any">
<General><Interfaces><NetworkInterface name="lo" multicast="false"/></Interfaces>
<AllowMulticast>false</AllowMulticast></General>
<Discovery><ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>60</MaxAutoParticipantIndex>
<Peers><Peer Address="127.0.0.1"/></Peers></Discovery></Domain></CycloneDDS>"""

channel.ChannelFactoryInitialize(int(sys.argv[1]), "lo")
publisher = channel.ChannelPublisher("rt/lowcmd", LowCmd_)
publisher.Init()
subscriber = channel.ChannelSubscriber("rt/lowstate", LowState_)
subscriber.Init()

crc = CRC()
command = unitree_go_msg_dds__LowCmd_()
command.head[0], command.head[1], command.level_flag = 0xFE, 0xEF, 0xFF
for motor in command.motor_cmd:
    motor.mode, motor.q, motor.dq, motor.kp, motor.kd, motor.tau = 1, 2.146e9, 16000.0, 0.0, 0.0, 0.0

while (state := subscriber.Read(5.0)) is None:
    pass
start = [motor.q for motor in state.motor_state[:12]]
tick = 0
while subscriber.Read(1.0) is not None:  # the newest: the SDK's reader keeps one
    t = 0.002 * tick
    tick += 1
    swing = 0.1 * math.sin(2.0 * math.pi * (0.5 + 0.15 * t) * t)
    for i in range(12):
        command.motor_cmd[i].q = start[i] + swing
        command.motor_cmd[i].dq = 0.0
        command.motor_cmd[i].kp = 25.0
        command.motor_cmd[i].kd = 0.5
        command.motor_cmd[i].tau = 0.0
    command.crc = crc.Crc(command)
    publisher.Write(command)
