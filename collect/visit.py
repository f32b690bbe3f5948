"""One visit to a robot for its acceptance: what the measurements need, and the results so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from collect import acceptance
from collect.acceptance import Acceptance, Identity, Measurement
from collect.dialogue import Operator
from collect.errors import UserError
from collect.heartbeat import Heartbeat
from collect.link import LOWSTATE, Inbox, Link, Place
from collect.measure import Results
from collect.messages import LowState
from collect.recording import now
from collect.stand import Stand


@dataclass(frozen=True)
class Options:
    """Where the robot is and where its results go."""

    place: Place
    out: Path
    again: bool = False
    only: tuple[str, ...] = ()


class Visit:
    """Who asks, who moves, and what has been found."""

    def __init__(
        self, options: Options, link: Link, page: Heartbeat, others: Inbox, planned_death: Callable[[], object]
    ) -> None:
        """Find the robot.

        Args:
            options: of the visit.
            link: the participant.
            page: shared with the guard.
            others: of rt/lowcmd, without what this process sends.
            planned_death: tells the guard that this process is about to kill itself.

        Raises:
            UserError: when no robot is heard, or the results of before are another robot's.
        """
        self.options, self.link, self.planned_death = options, link, planned_death
        self.operator = Operator()
        self.states = Inbox(link, LOWSTATE, LowState)
        self.stand = Stand(link, page, others)
        self.found = self._begin()

    def _begin(self) -> Acceptance:
        """The results so far of this robot and firmware; what is measured again is kept under another name."""
        states = self.states.take(3.0)
        if not states:
            raise UserError(
                "no rt/lowstate within 3 s", where=str(self.options.place), fix="is the robot on, the cable in?"
            )
        robot, path = Identity.of(states[-1].record), self.options.out
        self.operator.tell(f"robot: {robot}" + ("" if robot.told else " (it does not tell who it is)"))
        if not path.exists():
            return Acceptance(robot)
        before = acceptance.load(path)
        if before.robot.sn != robot.sn:
            raise UserError(f"measured on another robot: {before.robot}", where=str(path), fix="choose another --out")
        renewed = before.robot.version != robot.version
        if renewed and not self.options.again:
            raise UserError(
                f"measured before the firmware changed: {before.robot}", where=str(path), fix="measure it --again"
            )
        if self.options.again:
            kept = path.with_name(f"{path.stem}-{now().replace(':', '')}{path.suffix}")
            kept.write_bytes(path.read_bytes())
            self.operator.tell(f"the results of before are kept in {kept}")
        return Acceptance(robot) if renewed else before

    def keep(self, code: str, results: Results, stops: tuple[NDArray[Any], NDArray[Any]] | None = None) -> None:
        """Add results and write the file."""
        low, high = (tuple(float(v) for v in end) for end in stops) if stops else ((), ())
        dated = [Measurement(code, name, value, unit, now()) for name, value, unit in results]
        self.found = self.found.with_results(dated, low, high)
        acceptance.save(self.found, self.options.out)
        for one in dated:
            self.operator.tell(f"  {one.code}  {one.name}: {one.value} {one.unit}".rstrip())
