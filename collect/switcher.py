"""The robot's motion-switcher service: which motion program runs, and releasing it.

API 1.0.0.1 of unitree_sdk2py/comm/motion_switcher. Selecting a mode is left to the operator: it makes a
hanging robot stand up.
"""

from __future__ import annotations

import json
import time
from typing import Any

from cyclonedds.qos import Policy, Qos
from cyclonedds.util import duration

from collect.errors import UserError
from collect.link import Inbox, Link
from collect.messages import Request, Response, request

SERVICE = "rt/api/motion_switcher"
CHECK_MODE, RELEASE_MODE = 1001, 1003
CALL_TIMEOUT = 2.0
"""How long one call may take, discovery included [s]."""
RELEASES, PATIENCE = 3, 3.0
"""Release is asked for this often, this long apart [s]."""

SERVICE_QOS = Qos(Policy.Reliability.Reliable(duration(seconds=1)), Policy.History.KeepLast(10))


class MotionSwitcher:
    """A client of the service."""

    def __init__(self, link: Link, where: str) -> None:
        self._where = where
        self._requests = link.writer(f"{SERVICE}/request", Request, SERVICE_QOS)
        self._answers = Inbox(link, f"{SERVICE}/response", Response, SERVICE_QOS)

    def active_mode(self) -> str:
        """Name of the running motion program, empty when there is none.

        Raises:
            UserError: when the service does not answer or answers with an error.
        """
        data = json.loads(self._call(CHECK_MODE) or "{}")
        return str(data.get("name") or "")

    def release(self) -> str:
        """Release the running motion program, so that it stops commanding the motors.

        Returns:
            The name of what was released, empty when nothing ran.

        Raises:
            UserError: when it is still active after `RELEASES` tries.
        """
        released = self.active_mode()
        for _ in range(RELEASES):
            if not (name := self.active_mode()):
                return released
            self._call(RELEASE_MODE)
            deadline = time.monotonic() + PATIENCE
            while (name := self.active_mode()) and time.monotonic() < deadline:
                time.sleep(0.1)
        if not self.active_mode():
            return released
        raise UserError(
            f"motion service {name!r} is still active after {RELEASES} releases",
            where=self._where,
            fix="switch it off in Unitree's app, or reboot the robot, and try again",
        )

    def _call(self, api: int) -> str:
        """One call: its answer's data. The request is repeated until the service has been discovered."""
        deadline = time.monotonic() + CALL_TIMEOUT
        identity = time.monotonic_ns()
        message = request(identity, api, "{}")
        while time.monotonic() < deadline and not self._requests.get_matched_subscriptions():
            time.sleep(0.01)
        self._requests.write(message)
        while time.monotonic() < deadline:
            for answer in self._answers.take(0.1):
                if answer.header.identity.id == identity:
                    return self._data(answer)
        raise UserError(
            f"the motion service did not answer within {CALL_TIMEOUT:.0f} s",
            where=self._where,
            fix="check that the robot has booted; a simulator without it needs --peer simulator",
        )

    def _data(self, answer: Any) -> str:
        if answer.header.status.code != 0:
            raise UserError(
                f"the motion service answered with error {answer.header.status.code}",
                where=self._where,
                fix="reboot the robot",
            )
        return str(answer.data)
