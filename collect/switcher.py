"""The robot's motion-switcher service: which motion program runs, and releasing it.

API 1.0.0.1 of unitree_sdk2py/comm/motion_switcher. Selecting a mode is left to the operator: it makes a
hanging robot stand up.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from cyclonedds.qos import Policy, Qos
from cyclonedds.util import duration

from collect.errors import UserError
from collect.link import Inbox, Link
from collect.messages import Request, Response, request

SERVICE = "rt/api/motion_switcher"
CHECK_MODE, RELEASE_MODE = 1001, 1003
CALL_TIMEOUT = 2.0
"""How long one call may take, discovery included [s]."""
ASK_AGAIN = 0.1
"""Until a question is asked again: what is asked before DDS has found the service is lost [s]."""
RELEASES, PATIENCE = 3, 1.1
"""Release is asked for this often, this long apart, as in Unitree's examples: with all else a preflight takes at most
15 s [s]."""

SERVICE_QOS = Qos(Policy.Reliability.Reliable(duration(seconds=1)), Policy.History.KeepLast(10))


@dataclass(frozen=True)
class Release:
    """What became of the running motion program."""

    released: str
    """Its name, empty when none ran."""
    active: str
    """Name of the one that still runs, empty when none does."""
    tries: int
    """How often release was asked for."""
    code: int
    """Status of the last try, 0 when it was granted."""


class MotionSwitcher:
    """A client of the service."""

    def __init__(self, link: Link, where: str) -> None:
        self._where = where
        self._requests = link.writer(f"{SERVICE}/request", Request, SERVICE_QOS)
        self._answers = Inbox(link, f"{SERVICE}/response", Response, SERVICE_QOS)

    def active_mode(self) -> str:
        """Name of the running motion program, empty when there is none.

        Raises:
            UserError: when the service does not answer, or answers with an error or with nonsense.
        """
        code, data = self._call(CHECK_MODE)
        if code != 0:
            raise self._trouble(f"answered with error {code}")
        try:
            return str(json.loads(data)["name"])
        except (ValueError, TypeError, KeyError):
            raise self._trouble(f"answered {data[:40]!r} instead of a mode") from None

    def release(self, patience: float = PATIENCE) -> Release:
        """Release the running motion program, so that it stops commanding the motors; `RELEASES` tries.

        Args:
            patience: how long a program may take to end before release is asked for again [s].

        Raises:
            UserError: when the service does not answer, or answers with nonsense.
        """
        released = active = self.active_mode()
        tries = code = 0
        while active and tries < RELEASES:
            code, _ = self._call(RELEASE_MODE)
            tries += 1
            deadline = time.monotonic() + patience
            while (active := self.active_mode()) and time.monotonic() < deadline:
                time.sleep(0.1)
        return Release(released, active, tries, code)

    def answers(self, within: float) -> bool:
        """Whether there is such a service at all: it answers within so long [s]."""
        try:
            self._call(CHECK_MODE, within)
        except UserError:
            return False
        return True

    def _call(self, api: int, timeout: float = CALL_TIMEOUT) -> tuple[int, str]:
        """One call: status code and data of its answer.

        A question is asked again until it is answered: the service may hear it before it has discovered who asks, and
        answer to nobody. A release is asked for once; by then an answer has come.
        """
        deadline = time.monotonic() + timeout
        identity = time.monotonic_ns()
        message = request(identity, api, "{}")
        again = 0.0
        while (now := time.monotonic()) < deadline:
            if now >= again:
                self._requests.write(message)
                again = now + ASK_AGAIN if api == CHECK_MODE else deadline
            for answer in self._answers.take(0.02):
                if answer.header.identity.id == identity:
                    return answer.header.status.code, str(answer.data)
        raise self._trouble(f"did not answer within {timeout:.0f} s")

    def _trouble(self, what: str) -> UserError:
        return UserError(
            f"the motion service {what}",
            where=self._where,
            fix="reboot the robot; a simulator without this service needs --peer simulator",
        )
