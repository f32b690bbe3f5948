"""The DDS participant: which interface and domain, taking states, writing commands, seeing other writers."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsParticipant, BuiltinTopicDcpsPublication
from cyclonedds.core import DDSException, GuardCondition, InstanceState, ReadCondition, SampleState, ViewState, WaitSet
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.internal import InvalidSample
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy, Qos
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration

from collect.errors import UserError

LOWCMD = "rt/lowcmd"
LOWSTATE = "rt/lowstate"
LOOPBACK = "lo"
MAX_DOMAIN = 232
"""The last domain whose ports exist (RTPS 2.3, 9.6.1.1); DDS would take 2³² for 0."""

# Cyclone 0.10 turns multicast off on the loopback interface, so participants there find each other
# only by address; naming 127.0.0.1 as a peer on our side is enough for an unmodified 0.10 process.
_LOOPBACK_XML = """<General><Interfaces><NetworkInterface name="lo" multicast="false"/></Interfaces>
<AllowMulticast>false</AllowMulticast></General>
<Discovery><ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>60</MaxAutoParticipantIndex>
<Peers><Peer Address="127.0.0.1"/></Peers></Discovery>"""
_NETWORK_XML = """<General><Interfaces><NetworkInterface name="{name}"/></Interfaces></General>"""

STATE_QOS = Qos(Policy.Reliability.BestEffort, Policy.History.KeepLast(64))
"""Best effort matches every writer (asking for more may silently match none); 64 states are 128 ms."""
COMMAND_QOS = Qos(Policy.Reliability.Reliable(duration(milliseconds=1)), Policy.History.KeepLast(1))
"""The SDK writer's: only the newest command counts, and a slow reader may not hold the loop."""
OTHERS_COMMANDS_QOS = Qos(Policy.Reliability.BestEffort, Policy.History.KeepLast(64), Policy.IgnoreLocal.Participant)
"""Commands of everybody but this participant."""
_DOMAINS = range(20, 200)
_NEXT_DOMAINS = cycle(_DOMAINS)


@dataclass(frozen=True)
class Place:
    """Where a robot is."""

    interface: str
    domain: int

    @classmethod
    def of(cls, interface: str, domain: int | None) -> Place:
        """With a domain for who names none: 0, the robot's, on a network; 1, where simulators live, on loopback."""
        return cls(interface, domain if domain is not None else 1 if interface == LOOPBACK else 0)

    @property
    def virtual(self) -> bool:
        """Whether no robot can be there: a Go2's programs speak in domain 0, on its own computer on loopback too."""
        return self.interface == LOOPBACK and self.domain != 0

    def __str__(self) -> str:
        return f"interface {self.interface}, domain {self.domain}"


@contextmanager
def free_domain() -> Iterator[int]:
    """A DDS domain that nobody on this machine uses, reserved meanwhile; another one every time.

    RTPS gives the first participant of a domain the discovery port 7410 + 250 · domain. The reservation is a name that
    the kernel drops with the process (unix(7), abstract), so that two who ask at once get two domains.

    Raises:
        UserError: when every domain is taken.
    """
    for domain in islice(_NEXT_DOMAINS, len(_DOMAINS)):
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reservation,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
        ):
            try:
                reservation.bind(f"\0go2-dds-domain-{domain}")
                probe.bind(("127.0.0.1", 7410 + 250 * domain))
            except OSError:
                continue
            probe.close()
            yield domain
            return
    raise UserError("no DDS domain is free", where="ports 7410 + 250 · domain", fix="stop other DDS programs")


def check_interface(interface: str) -> None:
    """Refuse an interface that is not there.

    Raises:
        UserError: naming the interfaces that are present.
    """
    present = [name for _, name in socket.if_nameindex()]
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,15}", interface) or interface not in present:
        raise UserError(
            f"network interface {interface!r} does not exist; present: {', '.join(present)}",
            where="--interface",
            fix="name the one wired to the robot (see `ip -br address`: 192.168.123.x), or lo for the virtual Go2",
        )


def check_place(interface: str, domain: int) -> None:
    """Refuse where no participant can be.

    Raises:
        UserError: when there is no such domain or interface.
    """
    if not 0 <= domain <= MAX_DOMAIN:
        raise UserError(
            f"there is no DDS domain {domain}",
            where=f"--interface {interface} --domain {domain}",
            fix=f"use one from 0 to {MAX_DOMAIN}",
        )
    check_interface(interface)


@dataclass(frozen=True)
class Writer:
    """Somebody who may write a topic: its participant and own key, as DDS announces them."""

    participant: str
    key: str


class Link:
    """One DDS participant on one interface. Nothing here starts a thread or writes a trace file."""

    def __init__(self, interface: str, domain: int) -> None:
        check_place(interface, domain)
        general = _LOOPBACK_XML if interface == LOOPBACK else _NETWORK_XML.format(name=interface)
        config = f'<CycloneDDS><Domain Id="any">{general}</Domain></CycloneDDS>'
        try:
            opened = Domain(domain, config)
            self.participant = DomainParticipant(domain)
            self.participant.domain = opened  # a domain that is collected takes all its entities with it
        except DDSException as error:
            raise UserError(
                f"DDS did not start: {error.msg}",
                where=f"interface {interface}, domain {domain}",
                fix="check that the interface is up and has an address (`ip -br address`)",
            ) from error
        self.friends: set[str] = set()
        """Participants of ours in other processes, as `guid` names them."""
        self._publications = BuiltinDataReader(self.participant, BuiltinTopicDcpsPublication)
        unseen = ViewState.Any | InstanceState.Alive | SampleState.NotRead
        self._unseen = ReadCondition(self._publications, unseen)

    @property
    def guid(self) -> str:
        """The participant, as others see it."""
        return str(self.participant.guid)

    def reader(self, topic: str, message: Any, qos: Qos | None = None) -> DataReader:
        """A reader of `topic`; `qos` defaults to `STATE_QOS`."""
        return DataReader(self.participant, Topic(self.participant, topic, message), qos or STATE_QOS)

    def writer(self, topic: str, message: Any, qos: Qos | None = None) -> DataWriter:
        """A writer of `topic`; `qos` defaults to `COMMAND_QOS`."""
        return DataWriter(self.participant, Topic(self.participant, topic, message), qos or COMMAND_QOS)

    def other_writers(self, topic: str) -> set[Writer]:
        """Writers of `topic` that belong to neither us nor our friends, whether or not they have written yet."""
        # N is always the same: Cyclone 0.10, asked for fewer than the time before, writes beyond the end of its array.
        return self._others(self._publications.read(N=1000), topic)

    def new_writers(self, topic: str) -> set[Writer]:
        """Those of them that have come since somebody looked: a robot's network may hold hundreds of others."""
        return self._others(self._publications.read(N=1000, condition=self._unseen), topic)

    def _others(self, endpoints: Iterable[Any], topic: str) -> set[Writer]:
        ours = self.friends | {self.guid}
        return {
            Writer(str(endpoint.participant_key), str(endpoint.key))
            for endpoint in endpoints
            if getattr(endpoint, "topic_name", None) == topic and str(endpoint.participant_key) not in ours
        }

    def sender(self, handle: int) -> str:
        """The participant whose writer has this `sample_info.publication_handle`; empty once it has gone."""
        for endpoint in self._publications.read(N=1000):
            if endpoint.sample_info.instance_handle == handle:
                return str(getattr(endpoint, "participant_key", ""))
        return ""

    def who(self, participant: str) -> str:
        """A participant's process in words, as far as its DDS announces it (Cyclone does), else its id."""
        for one in BuiltinDataReader(self.participant, BuiltinTopicDcpsParticipant).read(N=1000):
            if str(getattr(one, "key", "")) == participant:
                names = ("__ProcessName", "__Pid", "__Hostname", "__NetworkAddresses")
                told = [getattr(one.qos[Policy.Property(name, "")], "value", "unknown") for name in names]
                program, pid, host, address = ("".join(filter(str.isprintable, value))[:80] for value in told)
                return f"{program} (pid {pid} on {host}, {address})"
        return f"participant {participant or 'that has gone'}"

    def writers_changed(self) -> bool:
        """Whether a writer of anything has come since `other_writers` was asked; cheap enough for the loop."""
        return bool(self._unseen.triggered)


class Inbox:
    """A reader that can be waited on: take whatever has come, oldest first."""

    def __init__(self, link: Link, topic: str, message: Any, qos: Qos | None = None) -> None:
        self._link = link  # a participant that is collected takes its readers with it
        self.reader = link.reader(topic, message, qos)
        self._any = ReadCondition(self.reader, ViewState.Any | InstanceState.Any | SampleState.Any)
        self._waitset = WaitSet(link.participant)
        self._bell = GuardCondition(link.participant)
        self._waitset.attach(self._any)
        self._waitset.attach(self._bell)

    def take(self, timeout: float = 0.0) -> list[Any]:
        """Messages received, oldest first; waits up to `timeout` [s] for the first one, or for `ring`."""
        if timeout > 0.0 and not self._any.triggered:
            self._waitset.wait(duration(seconds=timeout))
        taken = [sample for sample in self.reader.take(N=64) if not isinstance(sample, InvalidSample)]
        if not taken and timeout > 0.0:
            self._bell.set(False)
        return taken

    def ring(self) -> None:
        """End the wait of another thread's `take`."""
        self._bell.set(True)
