"""LowCmd and LowState as NumPy records, their CRC, and the DDS types that announce them.

A Go2 runs Cyclone DDS 0.10.2. A newer cyclonedds announces `uint8` as a type kind which 0.10 does not
know, and the robot's process dies of it on discovery. Every message class is therefore rebuilt here
from the SDK's definition with `byte` in place of `uint8`, which both versions announce alike; the bytes
on the wire are the same.
"""

from __future__ import annotations

import importlib
import typing
import zlib
from functools import cache
from typing import Any

import cyclonedds.idl as idl
import cyclonedds.idl.annotations as annotate
import cyclonedds.idl.types as types
import numpy as np
from numpy.typing import NDArray
from unitree_sdk2py.idl.unitree_api.msg.dds_ import Request_ as SdkRequest
from unitree_sdk2py.idl.unitree_api.msg.dds_ import Response_ as SdkResponse
from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowCmd_ as SdkLowCmd
from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowState_ as SdkLowState

from collect.joints import N_JOINTS

SERVO = 1
"""Motor mode of the closed loop inside the motor (unitree_legged_const.py)."""
POS_STOP = 2.146e9
"""`q` that means no position target (unitree_legged_const.py, line 19)."""
VEL_STOP = 16000.0
"""`dq` that means no velocity target (unitree_legged_const.py, line 20); only ever with kd = 0."""
N_SLOTS = 20
"""Motor slots of a message, of which a Go2 uses the first twelve."""

_BYTE = getattr(types, "byte", types.uint8)  # builds of 0.10.5 without `byte` announce uint8 as TK_BYTE already
_NUMPY = {types.uint16: "<u2", types.int16: "<i2", types.uint32: "<u4", types.int32: "<i4", types.float32: "<f4"}


def _resolve(kind: Any) -> Any:
    """The class behind a forward reference by its full name."""
    name = kind.__forward_arg__ if isinstance(kind, typing.ForwardRef) else kind
    if not isinstance(name, str):
        return kind
    module, _, cls = name.rpartition(".")
    return getattr(importlib.import_module(module), cls)


def _without_uint8(kind: Any) -> Any:
    """A field's type with `byte` for `uint8`, all the way down.

    Raises:
        TypeError: for `int8`, which has no such twin.
    """
    kind = _resolve(kind)
    if kind == types.uint8:
        return _BYTE
    if kind == types.int8:
        raise TypeError("int8 cannot be announced to a Cyclone DDS 0.10 peer")
    if isinstance(kind, type) and issubclass(kind, idl.IdlStruct):
        return announced(kind)
    shape = next(iter(getattr(kind, "__metadata__", ())), None)
    if isinstance(shape, types.array):
        return types.array[_without_uint8(shape.subtype), shape.length]
    if isinstance(shape, types.sequence):
        return types.sequence[_without_uint8(shape.subtype)]
    return kind


@cache
def announced(original: Any) -> type[idl.IdlStruct]:
    """The SDK's message class rebuilt so that nothing it announces can crash a 0.10 peer."""
    fields = {name: _without_uint8(kind) for name, kind in original.__annotations__.items()}
    rebuilt = idl.make_idl_struct(original.__name__, original.__idl_typename__, fields)
    return annotate.autoid("sequential")(annotate.final(rebuilt))


def _layout(message: Any) -> np.dtype[Any]:
    """The C struct of a message as a NumPy dtype."""
    members: list[Any] = []
    for name, kind in message.__annotations__.items():
        shape = next(iter(getattr(kind, "__metadata__", ())), None)
        element, length = (shape.subtype, (shape.length,)) if isinstance(shape, types.array) else (kind, ())
        if isinstance(element, type):
            members.append((name, _layout(element), length))
        else:
            members.append((name, "u1" if element == _BYTE else _NUMPY[element], length))
    return np.dtype(members, align=True)


def _wire_bytes(layout: np.dtype[Any], start: int = 0, cursor: int = 0) -> tuple[list[int], list[int], int]:
    """Where each byte of the C struct stands in CDR.

    CDR aligns every number to its own size but, unlike C, neither aligns nor pads a struct as a whole.

    Returns:
        Byte offsets in the struct, their offsets in CDR, and where CDR goes on.
    """
    if layout.subdtype is not None:
        element, shape = layout.subdtype
        parts = [(element, start + i * element.itemsize) for i in range(shape[0])]
    elif layout.names is not None:
        assert layout.fields is not None  # a struct has fields; for the type checker
        parts = [(layout.fields[name][0], start + layout.fields[name][1]) for name in layout.names]
    else:
        size = layout.itemsize
        cursor += -cursor % size
        return [*range(start, start + size)], [*range(cursor, cursor + size)], cursor + size
    struct, wire = [], []
    for part, offset in parts:
        inner_struct, inner_wire, cursor = _wire_bytes(part, offset, cursor)
        struct += inner_struct
        wire += inner_wire
    return struct, wire, cursor


class _Message:
    """What LowCmd and LowState add to the announced type: a NumPy record to and from CDR in microseconds."""

    LAYOUT: np.dtype[Any]
    _STRUCT: NDArray[np.intp]
    _WIRE: NDArray[np.intp]
    _SIZE: int

    def __init__(self, record: NDArray[Any]) -> None:
        self.record = record

    def serialize(self, buffer: Any = None, endianness: Any = None, use_version_2: bool | None = None) -> bytes:
        """CDR of the record, little endian, with its encapsulation header."""
        out = np.zeros(self._SIZE, np.uint8)
        out[1] = 7 if use_version_2 else 1  # plain CDR 2 or 1; both align alike here: nothing has 8 bytes
        out[self._WIRE] = self.record.reshape(1).view(np.uint8)[self._STRUCT]
        return out.tobytes()

    @classmethod
    def deserialize(cls, data: bytes, has_header: bool = True, use_version_2: bool | None = None) -> Any:
        """A message from CDR.

        Raises:
            ValueError: when the bytes are not this message in little endian.
        """
        raw = np.frombuffer(data, np.uint8)
        if raw.size < cls._SIZE or raw[1] not in (1, 7):
            raise ValueError(f"{raw.size} bytes are not a {cls.__name__}")
        record = np.zeros((), cls.LAYOUT)
        record.reshape(1).view(np.uint8)[cls._STRUCT] = raw[cls._WIRE]
        return cls(record)

    @classmethod
    def deserialize_key(cls, data: bytes, has_header: bool = True, use_version_2: bool | None = None) -> Any:
        """An empty message: a sample without data says only that its writer has gone."""
        return cls(np.zeros((), cls.LAYOUT))


def _message(original: Any) -> Any:
    """The announced type of `original` with the fast path of `_Message` before its own."""
    base = announced(original)
    layout = _layout(base)
    struct, wire, end = _wire_bytes(layout)
    # Wire offsets count from after the four bytes of encapsulation header.
    members = {"LAYOUT": layout, "_STRUCT": np.array(struct), "_WIRE": np.array(wire) + 4, "_SIZE": end + 4 + -end % 4}
    methods = ("__init__", "serialize", "deserialize", "deserialize_key")
    for name, member in (members | {name: vars(_Message)[name] for name in methods}).items():
        setattr(base, name, member)
    return base


LowCmd = _message(SdkLowCmd)
"""`rt/lowcmd`: holds `record`, a NumPy record of dtype `LowCmd.LAYOUT`."""
LowState = _message(SdkLowState)
"""`rt/lowstate`: holds `record`, a NumPy record of dtype `LowState.LAYOUT`."""
Request = announced(SdkRequest)
"""A call of one of the robot's services."""
Response = announced(SdkResponse)
"""Its answer."""


def request(identity: int, api: int, parameter: str) -> Any:
    """A call of a service: `identity` is echoed in the answer, `parameter` is JSON."""
    header = Request.__annotations__["header"]
    parts = header.__annotations__
    return Request(
        header=header(
            identity=parts["identity"](id=identity, api_id=api),
            lease=parts["lease"](id=0),
            policy=parts["policy"](priority=0, noreply=False),
        ),
        parameter=parameter,
        binary=[],
    )


def response(asked: Any, code: int, data: str) -> Any:
    """The answer to `asked`, a Request: code 0 is success, `data` is JSON."""
    header = Response.__annotations__["header"]
    status = header.__annotations__["status"](code=code)
    return Response(header=header(identity=asked.header.identity, status=status), data=data, binary=[])


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def crc32(record: NDArray[Any]) -> int:
    """CRC of a LowCmd or LowState record: all of the C struct but its last word, which is the CRC.

    Padding counts and is zero in records of ours; a NumPy copy of a record does not keep it.

    Polynomial 0x04C11DB7, init 0xFFFFFFFF, most significant bit first over little-endian 32-bit words, no
    reflection, no final xor (unitree_sdk2py/utils/crc.py). zlib's CRC is the reflected one: swapping the
    bytes of each word and the bits of each byte, and the bits of the result, gives the robot's.
    """
    words = record.reshape(1).view("<u4")[:-1]
    reflected = zlib.crc32(words.byteswap().tobytes().translate(_REVERSED)) ^ 0xFFFFFFFF
    return int.from_bytes(reflected.to_bytes(4, "little").translate(_REVERSED), "big")


class CommandFrame:
    """One LowCmd, allocated once and refilled every tick; `q`, `kp`, `kd` are views of its twelve motors."""

    __slots__ = ("_record", "kd", "kp", "message", "q")  # a misspelt field would be sent as nothing

    def __init__(self) -> None:
        self.message = LowCmd(np.zeros((), LowCmd.LAYOUT))
        self._record = self.message.record
        self._record["head"], self._record["level_flag"] = (0xFE, 0xEF), 0xFF
        motors = self._record["motor_cmd"]
        # The unused slots as in the SDK's examples: servo mode, no targets, no gains.
        motors["mode"], motors["q"], motors["dq"] = SERVO, POS_STOP, VEL_STOP
        joints = motors[:N_JOINTS]
        joints["q"], joints["dq"] = 0.0, 0.0
        self.q: NDArray[np.float32] = joints["q"]
        """Position targets, shape (12,) [rad]."""
        self.kp: NDArray[np.float32] = joints["kp"]
        """Position gains, shape (12,) [Nm/rad]."""
        self.kd: NDArray[np.float32] = joints["kd"]
        """Velocity gains, shape (12,) [Nm·s/rad]. Velocity targets and feed-forward torques stay 0."""

    def seal(self) -> Any:
        """Write the CRC; returns the message, ready to be sent."""
        self._record["crc"] = crc32(self._record)
        return self.message
