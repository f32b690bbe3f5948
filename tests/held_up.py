"""What a machine that stands still makes a session say: of the code it tells nothing, so the test is repeated.

A virtual machine is held up for 8 ms now and then, its disk for 50; either stops or refuses a session, as it must.
"""

from __future__ import annotations

import pytest

WORDS = {
    "L1": "L1 no robot",
    "L12": "STOP L12 ",
    "S6": "did not beat",
    "P3": "P3 state rate",
    "P13": "ms to sync",
    "P15": "P15 loop",
}
"""By the code of what stops or refuses."""


def was_held_up(said: str) -> bool:
    """Whether that is why a session did not come to its end."""
    return any(words in said for words in WORDS.values())


def held_up(*judged: str, also: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    """Repeat a test that a machine at a standstill spoiled, at most four times.

    Args:
        judged: codes that the test itself is for: their absence and their lateness are failures.
        also: what else such a machine makes this test say.
    """
    words = [words for code, words in WORDS.items() if code not in judged]
    return pytest.mark.flaky(reruns=4, reruns_delay=3, only_rerun=[*words, *also])
