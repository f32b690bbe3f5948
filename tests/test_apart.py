"""Work that crashes, hangs or takes all memory does so in a process of its own."""

import faulthandler
import os

import numpy as np
import pytest

from collect import apart
from collect.errors import UserError


class OddError(UserError):
    """A refusal of its own kind."""


def refuse(kind):
    raise kind("too odd, “ä”", where="here", fix="bend it")


def test_what_it_leaves_is_on_the_disk(tmp_path):
    """It changes nothing of this process."""
    said = []
    apart.apart(lambda: (said.append(1), (tmp_path / "made").write_text("done")))
    assert (tmp_path / "made").read_text() == "done"
    assert said == []


@pytest.mark.parametrize("kind", [UserError, OddError])
def test_its_refusals_are_ours(kind):
    """With what, where and how to fix it."""
    with pytest.raises(kind) as refused:
        apart.apart(lambda: refuse(kind), OddError)
    assert type(refused.value) is kind
    assert str(refused.value) == str(kind("too odd, “ä”", where="here", fix="bend it"))


def crash() -> None:
    faulthandler.disable()  # pytest's, which would say a lot
    os.abort()


def endless() -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("work", "how"),
    [
        (crash, "signal 6"),
        (lambda: np.ones(5 << 30, "u1"), "over 4 GiB of memory"),
        (endless, "no end after 1 s"),
        (lambda: 1 / 0, "exit code 70"),
    ],
    ids=["crash", "memory", "hang", "fault"],
)
def test_what_ends_it_is_told(work, how, monkeypatch, capfd):
    """And this process goes on."""
    monkeypatch.setattr(apart, "_SECONDS", 1)
    with pytest.raises(apart.CrashedError, match=how):
        apart.apart(work)
    assert ("ZeroDivisionError" in capfd.readouterr().err) == (how == "exit code 70")
