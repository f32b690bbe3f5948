"""No type that a process of ours announces on DDS holds a kind which Cyclone DDS 0.10 does not know, and dies of.

Judged by a third participant that asks those processes for the type objects of every topic it discovers.
"""

import signal
import subprocess
import sys
import time

import pytest
from conftest import JITTER, ROOT
from cyclonedds import _clayer
from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication, BuiltinTopicDcpsSubscription
from cyclonedds.idl._typesupport.DDS.XTypes._ddsi_xt_type_object import TypeIdentifier, TypeObject
from cyclonedds.util import duration
from second_environment import PYTHON, require

from collect.link import Link
from collect.virtual import wire

pytestmark = pytest.mark.dds

TK_BYTE, TK_INT8, TK_UINT8 = 0x02, 0x0C, 0x0D
"""XTypes 1.3, 7.2.2.4.2; 0.10 knows only the first."""
EK_MINIMAL, EK_COMPLETE = 0xF1, 0xF2
"""Identifiers that are the hash of a type object."""
SERVICE = "rt/api/motion_switcher"
TOPICS = {"rt/lowcmd", "rt/lowstate", f"{SERVICE}/request", f"{SERVICE}/response"}
UNMODIFIED = """
import sys, time
from unitree_sdk2py.idl.unitree_api.msg.dds_ import Request_, Response_
from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowCmd_, LowState_
from collect.link import Link
link = Link("lo", int(sys.argv[1]))
readers = [link.reader(*topic) for topic in zip(sys.argv[2:], (Request_, Response_, LowCmd_, LowState_))]
print("ready", flush=True)
time.sleep(60)
"""


class Spy:
    """A participant that sees what the others on a domain announce."""

    def __init__(self, domain: int) -> None:
        self._link = Link("lo", domain)
        topics = (BuiltinTopicDcpsPublication, BuiltinTopicDcpsSubscription)
        self._readers = [BuiltinDataReader(self._link.participant, topic) for topic in topics]

    def announced(self) -> set[tuple[str, str, TypeIdentifier]]:
        """Participant, topic and type of every reader and writer of the others that is there now."""
        endpoints = [endpoint for reader in self._readers for endpoint in reader.read(N=1000)]
        return {
            (str(one.participant_key), one.topic_name, one.type_id)
            for one in endpoints
            if getattr(one, "type_id", None) is not None
        }

    def kinds(self, type_id: TypeIdentifier) -> set[int]:
        """Kinds of all types that a type consists of, asked from the process that announces it."""
        raw = type_id.serialize(use_version_2=True)[4:]
        answer = _clayer.ddspy_get_typeobj(self._link.participant._ref, raw, duration(seconds=5))
        assert isinstance(answer, bytes), f"no type object: error {answer}"
        found, parts = set(), [TypeObject.deserialize(answer, has_header=False, use_version_2=True)]
        while parts:
            part = parts.pop()
            if isinstance(part, TypeIdentifier) and part.discriminator in (EK_MINIMAL, EK_COMPLETE):
                found |= self.kinds(part)
            elif isinstance(part, (list, tuple)):
                parts += part
            elif (kind := getattr(part, "discriminator", None)) is not None:
                found.add(kind)
                parts.append(part.value)
            else:
                parts += [getattr(part, name) for name in getattr(part, "__dataclass_fields__", ())]
        return found


@pytest.fixture
def started():
    """Starts processes; all are ended by it."""
    processes = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        command = [str(argument) for argument in arguments]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.parametrize("python", [sys.executable, PYTHON], ids=["11", "0.10"])
def test_a_session_announces_nothing_that_kills_a_robot(python, short_plan, domain, virtual_go2, started, tmp_path):
    """From its first look until the legs move; nor does the virtual Go2, which shares networks with robots too."""
    if python is PYTHON:
        require()
    virtual_go2("--wire", str(tmp_path / "wire"))
    spy = Spy(domain)
    session = started(
        python, "-m", "collect", "run", short_plan, "--interface", "lo", "--domain", domain, "--out", tmp_path, *JITTER
    )
    seen = set()
    while (wire.read(tmp_path / "wire")["kp"] == 25.0).all(axis=1).sum() < 100:
        assert session.poll() is None, session.communicate()[0]
        seen |= spy.announced()
        time.sleep(0.05)
    kinds = {(topic, type_id): spy.kinds(type_id) for _, topic, type_id in seen}
    session.send_signal(signal.SIGINT)
    session.communicate(timeout=20)
    assert {topic for topic, _ in kinds} == TOPICS
    assert len({participant for participant, *_ in seen}) >= 2  # the robot and all our processes
    for (topic, _), found in kinds.items():
        assert TK_BYTE in found, topic
        assert not found & {TK_INT8, TK_UINT8}, topic


def test_the_sdks_own_types_would(domain, started):
    """Each of them holds a uint8: so the test above can fail."""
    process = started(sys.executable, "-c", UNMODIFIED, domain, *sorted(TOPICS))
    assert "ready" in process.stdout.readline()
    spy, deadline = Spy(domain), time.monotonic() + 10.0
    while len(seen := spy.announced()) < len(TOPICS) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert {topic for _, topic, _ in seen} == TOPICS
    assert all(TK_UINT8 in spy.kinds(type_id) for *_, type_id in seen)
