"""Messages: the robot's CRC, the SDK's bytes, and types that cannot crash a Cyclone DDS 0.10 process."""

import numpy as np
import pytest
from unitree_sdk2py.idl.default import unitree_go_msg_dds__LowState_
from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowCmd_, LowState_

from collect.messages import (
    POS_STOP,
    VEL_STOP,
    CommandFrame,
    LowCmd,
    LowState,
    Request,
    Response,
    crc32,
    request,
    response,
)

TK_INT8, TK_UINT8 = 0x0C, 0x0D  # XTypes 1.3, 7.2.4.1; unknown to Cyclone DDS 0.10


def announced_kinds(message) -> set[int]:
    """Kinds of every type identifier that DDS announces for a message class."""
    message.__idl__.populate()
    message.__idl__.fill_type_data()
    kinds: set[int] = set()

    def walk(node, depth=0):
        if depth > 16:
            return
        if (kind := getattr(node, "discriminator", None)) is not None:
            kinds.add(kind)
            walk(node.value, depth + 1)
        elif isinstance(node, (list, tuple)):
            for item in node:
                walk(item, depth + 1)
        elif hasattr(node, "__dataclass_fields__"):
            for name in node.__dataclass_fields__:
                walk(getattr(node, name), depth + 1)

    walk(message.__idl__.get_type_mapping())
    return kinds


@pytest.mark.parametrize("message", [LowCmd, LowState, Request, Response], ids=lambda m: m.__name__)
def test_nothing_announced_can_crash_an_old_robot(message):
    """No type object of ours holds uint8 or int8; the SDK's own do, so the test can see them."""
    assert not announced_kinds(message) & {TK_INT8, TK_UINT8}
    assert TK_UINT8 in announced_kinds(LowCmd_)


def test_type_names_are_the_robots():
    """DDS matches readers and writers by type name."""
    assert LowCmd.__idl_typename__ == "unitree_go.msg.dds_.LowCmd_"
    assert LowState.__idl_typename__ == "unitree_go.msg.dds_.LowState_"


def test_crc_equals_the_published_vectors():
    """All motors at their stop values, and twelve joints at 0.1·i rad with kp 25, kd 0.5."""
    frame = CommandFrame()
    motors = frame.message.record["motor_cmd"]
    motors["q"], motors["dq"] = POS_STOP, VEL_STOP
    assert int(frame.seal().record["crc"]) == 0x06E577CD
    motors["dq"][:12] = 0.0
    frame.q[:], frame.kp[:], frame.kd[:] = 0.1 * np.arange(12), 25.0, 0.5
    assert int(frame.seal().record["crc"]) == 0x06C2E4C5


def test_a_command_is_what_the_sdk_would_send():
    """The SDK decodes our bytes to the values we set, and encodes them to the same bytes."""
    frame = CommandFrame()
    frame.q[:], frame.kp[:], frame.kd[:] = 0.1 * np.arange(12), 25.0, 0.5
    ours = frame.seal().serialize()
    theirs = LowCmd_.deserialize(ours)
    assert list(theirs.head) == [0xFE, 0xEF]
    assert theirs.level_flag == 0xFF
    assert [m.q for m in theirs.motor_cmd[:12]] == pytest.approx(0.1 * np.arange(12))
    assert {(m.mode, m.dq, m.tau, m.kp, m.kd) for m in theirs.motor_cmd[:12]} == {(1, 0.0, 0.0, 25.0, 0.5)}
    assert {(m.mode, m.q, m.dq, m.kp, m.kd) for m in theirs.motor_cmd[12:]} == {
        (1, float(np.float32(POS_STOP)), VEL_STOP, 0.0, 0.0)
    }
    assert theirs.serialize() == ours


def test_a_state_of_the_sdk_is_read_field_by_field():
    """Every field the recording uses comes out where the SDK put it."""
    state = unitree_go_msg_dds__LowState_()
    for i, motor in enumerate(state.motor_state):
        motor.mode, motor.q, motor.dq, motor.tau_est = 1, 0.5 + i, -i, 2.0 * i
        motor.temperature, motor.lost = 30 + i, 7 * i
    state.tick, state.power_v, state.power_a, state.bms_state.soc = 123456, 28.5, 1.5, 55
    state.imu_state.rpy, state.imu_state.gyroscope = [0.1, 0.2, 0.3], [1.0, 2.0, 3.0]
    state.imu_state.accelerometer, state.wireless_remote, state.crc = [4.0, 5.0, 6.0], list(range(40)), 99
    raw = state.serialize()
    record = LowState.deserialize(raw).record
    motors = record["motor_state"]
    assert motors["q"].tolist() == [0.5 + i for i in range(20)]
    assert motors["tau_est"].tolist() == [2.0 * i for i in range(20)]
    assert motors["temperature"].tolist() == [30 + i for i in range(20)]
    assert motors["lost"].tolist() == [7 * i for i in range(20)]
    assert (int(record["tick"]), float(record["power_v"]), int(record["bms_state"]["soc"])) == (123456, 28.5, 55)
    assert record["imu_state"]["accelerometer"].tolist() == [4.0, 5.0, 6.0]
    assert record["wireless_remote"].tolist() == list(range(40))
    assert LowState.deserialize(raw).serialize() == raw == LowState_.deserialize(raw).serialize()


def test_crc_sees_every_byte_but_its_own():
    """A flipped bit anywhere in the struct changes the CRC."""
    record = np.zeros((), LowState.LAYOUT)
    clean = crc32(record)
    raw = record.reshape(1).view(np.uint8)
    for byte in range(0, record.nbytes - 4, 37):
        raw[byte] ^= 0x10
        assert crc32(record) != clean, byte
        raw[byte] ^= 0x10
    raw[-1] ^= 0xFF
    assert crc32(record) == clean


def test_foreign_bytes_are_refused():
    """Short or big-endian samples are an error, never wrong numbers."""
    raw = CommandFrame().seal().serialize()
    with pytest.raises(ValueError, match="are not a LowCmd_"):
        LowCmd.deserialize(raw[:100])
    with pytest.raises(ValueError, match="are not a LowCmd_"):
        LowCmd.deserialize(b"\x00\x00" + raw[2:])


def test_an_answer_carries_the_identity_of_its_question():
    """Clients match answers by it."""
    asked = Request.deserialize(request(42, 1001, "{}").serialize())
    answer = Response.deserialize(response(asked, 0, '{"name": ""}').serialize())
    assert (answer.header.identity.id, answer.header.identity.api_id) == (42, 1001)
    assert (answer.header.status.code, answer.data) == (0, '{"name": ""}')
