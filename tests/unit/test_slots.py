"""Who may run how many jobs at once: what always holds, whatever is asked for."""

from hypothesis import given
from hypothesis import strategies as st

from gencove_explorer.local.slots import Demand, Size, allot

CAPACITY = Size(8, 16_000)


def demand(cpus=1, memory_mb=100, running=0, ready=0, width=0, bound=None):
    return Demand(
        Size(cpus, memory_mb), running, ready, width, max(running, width if bound is None else bound)
    )


demands = st.lists(
    st.builds(
        demand,
        cpus=st.integers(1, 8),
        memory_mb=st.integers(4, 16_000),
        ready=st.integers(0, 50),
    ),
    max_size=6,
)


@given(demands)
def test_nothing_is_handed_out_beyond_the_capacity(asked):
    widths = allot(CAPACITY, Size(0, 0), asked)
    used = Size(0, 0)
    for each, width in zip(asked, widths, strict=True):
        used += each.need * width
    assert used.cpus <= CAPACITY.cpus
    assert used.memory_mb <= CAPACITY.memory_mb


@given(demands)
def test_no_round_gets_more_than_it_has_jobs(asked):
    for each, width in zip(asked, allot(CAPACITY, Size(0, 0), asked), strict=True):
        assert 0 <= width <= each.running + each.ready


@given(demands)
def test_the_first_in_line_gets_all_that_fits(asked):
    widths = allot(CAPACITY, Size(0, 0), asked)
    first = next((i for i, each in enumerate(asked) if each.ready), None)
    if first is not None:
        assert widths[first] == min(asked[first].ready, CAPACITY.fits(asked[first].need))


def test_a_large_job_first_in_line_is_not_starved_by_small_ones():
    small = demand(cpus=1, running=4, ready=100, width=4)
    large = demand(cpus=8, ready=1)
    assert allot(CAPACITY, Size(0, 0), [large, small]) == [0, 4]
    # As the small ones end none follows, until the large one fits.
    small = demand(cpus=1, running=1, ready=103, width=1)
    assert allot(CAPACITY, Size(0, 0), [large, small]) == [0, 1]
    small = demand(cpus=1, running=0, ready=104, width=0)
    assert allot(CAPACITY, Size(0, 0), [large, small]) == [1, 0]


def test_a_width_that_is_being_lowered_counts_until_it_is():
    earlier = demand(cpus=1, ready=8)
    later = demand(cpus=1, running=2, ready=10, width=8)
    widths = allot(CAPACITY, Size(0, 0), [earlier, later])
    assert widths == [0, 2]  # told to shrink first, and what it gives up is handed on when it has
    later = demand(cpus=1, running=2, ready=10, width=2, bound=2)
    assert allot(CAPACITY, Size(0, 0), [earlier, later]) == [6, 2]


def test_adopted_jobs_take_their_part():
    assert allot(CAPACITY, Size(7, 0), [demand(cpus=1, ready=5)]) == [1]
    assert allot(CAPACITY, Size(9, 0), [demand(cpus=1, ready=5)]) == [0]  # the capacity was lowered meanwhile


def test_memory_counts_like_cpus():
    assert allot(CAPACITY, Size(0, 0), [demand(memory_mb=5_000, ready=9)]) == [3]
