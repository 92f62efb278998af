"""Trying again: how long, with which pauses, and what people are told meanwhile."""

from collections.abc import Callable

import pytest

from explorer_runner.errors import Unavailable
from explorer_runner.patience import Passing, Patience


class Clock:
    """A time of its own, which sleeping moves on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        self.lines: list[str] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def patience(self, seconds: float) -> Patience:
        return Patience(seconds, sleep=self.sleep, clock=lambda: self.now, tell=self.lines.append)


def failing(times: int, **how: object) -> Callable[[], str]:
    """What fails so often before it succeeds."""
    left = [times]

    def action() -> str:
        if left[0]:
            left[0] -= 1
            raise Passing("503 Slow Down", **how)  # type: ignore[arg-type]
        return "done"

    return action


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_succeeds_is_not_waited_for(clock: Clock):
    assert clock.patience(60).retry(failing(0)) == "done"
    assert (clock.pauses, clock.lines) == ([], [])


def test_pauses_grow_and_differ_and_end_with_the_time(clock: Clock):
    with pytest.raises(Unavailable, match=r"503 Slow Down \(tried again for 300 s\)"):
        clock.patience(300).retry(failing(1000))
    assert sum(clock.pauses) == pytest.approx(300)
    most = [min(0.2 * 2**number, 20.0) for number in range(len(clock.pauses))]
    assert all(one <= limit for one, limit in zip(clock.pauses, most, strict=True))
    assert all(one >= limit / 2 for one, limit in zip(clock.pauses[:-1], most, strict=False))
    again = Clock()
    with pytest.raises(Unavailable):
        again.patience(300).retry(failing(1000))
    assert again.pauses != clock.pauses


def test_each_request_has_the_whole_time(clock: Clock):
    patience = clock.patience(30)
    for _ in range(3):
        assert patience.retry(failing(6)) == "done"
    assert sum(clock.pauses) > 15


def test_there_is_none_where_none_is_wanted(clock: Clock):
    with pytest.raises(Unavailable, match=r"^503 Slow Down$"):
        clock.patience(0).retry(failing(1))
    assert clock.pauses == []


def test_a_server_that_says_when_to_come_back_is_left_alone_until_then(clock: Clock):
    assert clock.patience(60).retry(failing(1, after=25.0)) == "done"
    assert clock.pauses == [25.0]
    with pytest.raises(Unavailable, match=r"the server wants to be asked again after 3,600 s"):
        clock.patience(60).retry(failing(1, after=3600.0))
    assert clock.pauses == [25.0]


def test_what_new_credentials_do_not_mend_is_given_up_soon(clock: Clock):
    with pytest.raises(Unavailable):
        clock.patience(3600).retry(failing(1000, brief=True))
    assert sum(clock.pauses) == pytest.approx(15)


def test_a_download_that_takes_long_is_tried_more_than_once(clock: Clock):
    tries: list[float] = []

    def action() -> str:
        clock.now += 1000  # an hour or so, and then the connection is cut
        tries.append(clock.now)
        raise Passing("cut")

    with pytest.raises(Unavailable):
        clock.patience(60).retry(action, at_least=4)
    assert len(tries) == 4


def test_people_are_told_what_is_waited_for_and_not_all_the_time(clock: Clock):
    patience = clock.patience(300)
    assert patience.retry(failing(4)) == "done"
    assert clock.lines == []  # it took but a moment
    with pytest.raises(Unavailable):
        patience.retry(failing(1000))
    assert clock.lines[0].startswith("explorer: 503 Slow Down: trying again for up to ")
    assert 5 < len(clock.lines) <= 10


def test_more_patience_may_be_had_while_something_is_waited_for(clock: Clock):
    patience = clock.patience(1)
    asked = failing(12)

    def action() -> str:
        patience.seconds = 3600
        return asked()

    assert patience.retry(action) == "done"
