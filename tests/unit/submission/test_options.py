"""Options of a run: what is refused, what a share means, and what dependencies take of them."""

import pytest

from gencove_explorer.errors import InvalidArgument
from gencove_explorer.submission.request import USUAL, RunOptions


@pytest.mark.parametrize(
    "given",
    [
        {"reuse": 1},
        {"canary": 0},
        {"canary": True},
        {"canary": 2.0},
        {"parallel": "2"},
        {"parallel": -1},
        {"max_failures": 0},
        {"max_failures": 1.0},
        {"max_failures": 0.0},
        {"max_failures": float("nan")},
        {"max_failures": True},
    ],
)
def test_what_is_no_option_is_refused_by_its_name(given: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(given))):
        RunOptions(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("max_failures", "jobs", "number"),
    [(None, 10, None), (3, 10, 3), (0.05, 100, 5), (0.05, 101, 6), (0.001, 10, 1), (0.5, 1, 1)],
)
def test_a_share_is_rounded_up(max_failures: float | None, jobs: int, number: int | None) -> None:
    assert RunOptions(max_failures=max_failures).failures_of(jobs) == number


def test_dependencies_are_reused_too_and_take_nothing_else() -> None:
    options = RunOptions(reuse=True, canary=2, max_failures=3, parallel=4)
    assert options.for_dependencies() == RunOptions(reuse=True)
    assert USUAL.chosen == {}
    assert options.chosen == {"reuse": True, "canary": 2, "max_failures": 3, "parallel": 4}
