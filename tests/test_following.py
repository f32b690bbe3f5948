"""A session's rows as another process sees them while they are logged."""

import pytest

from collect import following, journal
from collect.errors import UserError
from collect.following import Follower
from collect.journal import Journal

HEADER = {"session": "s", "rate": 500.0}


@pytest.fixture
def log(tmp_path):
    """A journal that is being written."""
    log = Journal(tmp_path / "s.journal", 1000, HEADER)
    yield log
    log.close()


def append(log, ticks):
    for tick in ticks:
        log.row["tick"] = tick
        log.append()


def test_rows_come_as_they_are_logged(log):
    """Those of before it was asked as well; none twice; the session's own header."""
    append(log, range(5))
    follower = Follower(log.path)
    assert follower.header == HEADER
    assert follower.take()["tick"].tolist() == [0, 1, 2, 3, 4]
    assert len(follower.take()) == 0
    append(log, range(5, 8))
    assert follower.take()["tick"].tolist() == [5, 6, 7]
    assert not follower.ended


def test_the_end_is_noticed_and_nothing_of_it_is_lost(tmp_path):
    """The session has closed its log before the last rows were taken."""
    log = Journal(tmp_path / "s.journal", 1000, HEADER)
    append(log, range(3))
    follower = Follower(log.path)
    log.close()
    assert follower.ended
    assert follower.take()["tick"].tolist() == [0, 1, 2]


def test_a_row_that_is_not_whole_yet_is_waited_for(log):
    """It may be read in the middle of its being written."""
    append(log, range(3))
    follower = Follower(log.path)
    number = log._rows["crc"][1]
    log._rows["crc"][1] = number ^ 1
    assert follower.take()["tick"].tolist() == [0]
    log._rows["crc"][1] = number
    assert follower.take()["tick"].tolist() == [1, 2]


def test_a_reader_that_was_overtaken_goes_on_with_what_is_there(tmp_path, monkeypatch):
    """Memory holds so many rows; what it has lost of the others is a gap, not an error."""
    monkeypatch.setattr(journal, "RING", 64)
    monkeypatch.setattr(following, "MOST", 16)
    log = Journal(tmp_path / "s.journal", 1000, HEADER)
    append(log, range(10))
    follower = Follower(log.path)
    assert len(follower.take()) == 10
    for k in range(10, 150):
        log._save()  # or memory would be full of rows that are not on the disk
        append(log, [k])
    seen = [*follower.take()["tick"], *follower.take()["tick"], *follower.take()["tick"]]
    assert seen == list(range(seen[0], 150))
    assert len(seen) >= 16
    log.close()


def test_a_session_that_has_ended_is_not_followed(tmp_path):
    """What it left is recovered, not followed."""
    log = Journal(tmp_path / "s.journal", 100, HEADER)
    append(log, range(3))
    log.close()
    with pytest.raises(UserError, match="has ended"):
        Follower(tmp_path / "s.journal")
