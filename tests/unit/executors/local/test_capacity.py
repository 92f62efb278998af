"""Who may run how many jobs at once: what always holds, whatever is asked for."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from gencove_explorer.executors.local.capacity import SLICE_SECONDS, Resources, RoundDemand, Turns, allocate

CAPACITY = Resources(8, 16_000)


def demand(
    analysis="a", cpus=1, memory_mb=100, running=0, ready=0, width=0, bound=None, adopted=0, limit=None
):
    return RoundDemand(
        analysis,
        Resources(cpus, memory_mb),
        running,
        ready,
        width,
        max(running, width if bound is None else bound),
        adopted,
        limit,
    )


def widths_of(*demands, capacity=CAPACITY, had=None):
    return allocate(capacity, demands, had or {})


demands = st.lists(
    st.builds(
        demand,
        analysis=st.sampled_from("abcd"),
        cpus=st.integers(1, 8),
        memory_mb=st.integers(4, 16_000),
        ready=st.integers(0, 50),
    ),
    max_size=6,
)
hads = st.dictionaries(st.sampled_from("abcd"), st.floats(0, 100))


def used(demands, counts):
    return sum((each.need * count for each, count in zip(demands, counts, strict=True)), Resources(0, 0))


@given(demands, hads)
def test_nothing_is_handed_out_beyond_the_capacity(asked, had):
    total = used(asked, allocate(CAPACITY, asked, had))
    assert total.cpus <= CAPACITY.cpus
    assert total.memory_mb <= CAPACITY.memory_mb


limited = st.lists(
    st.builds(
        demand,
        analysis=st.sampled_from("ab"),
        ready=st.integers(0, 9),
        running=st.integers(0, 2),
        width=st.integers(0, 3),
        bound=st.integers(0, 4),
        adopted=st.integers(0, 2),
        limit=st.sampled_from([None, 1, 3, 5]),
    ),
    max_size=4,
)


@given(limited, hads)
def test_a_limit_holds_for_all_rounds_together_and_never_grows_what_exceeds_it(asked, had):
    widths = allocate(CAPACITY, asked, had)
    for analysis in "ab":
        own = [(each, width) for each, width in zip(asked, widths, strict=True) if each.analysis == analysis]
        limits = [each.limit for each, _ in own if each.limit is not None]
        if limits:
            now = sum(min(each.bound, each.wanted) + each.adopted for each, _ in own)
            then = sum(max(width, min(each.bound, each.wanted)) + each.adopted for each, width in own)
            assert then <= max(now, min(limits))


def test_a_limit_leaves_the_rest_to_others():
    assert widths_of(demand(ready=9, limit=2), demand("b", ready=9)) == [2, 6]
    assert widths_of(demand(ready=1, limit=3), demand(ready=9, limit=3)) == [1, 2]
    assert widths_of(demand(ready=9, adopted=2, limit=2)) == [0]


@given(demands, hads)
def test_no_round_gets_more_than_it_has_jobs(asked, had):
    for each, width in zip(asked, allocate(CAPACITY, asked, had), strict=True):
        assert 0 <= width <= each.running + each.ready


@given(demands, hads)
def test_an_analysis_alone_gets_all_that_fits_the_oldest_round_first(asked, had):
    alone = [dataclasses.replace(each, analysis="a") for each in asked]
    widths = allocate(CAPACITY, alone, had)
    first = next((i for i, each in enumerate(alone) if each.ready), None)
    if first is not None:
        assert widths[first] == min(alone[first].ready, CAPACITY.fits(alone[first].need))
    held_up = False
    for each, width in zip(alone, widths, strict=True):
        assert not (held_up and width)
        held_up = held_up or width < each.ready


@given(demands, hads)
def test_nothing_stays_free_that_the_next_in_a_line_could_use(asked, had):
    widths = allocate(CAPACITY, asked, had)
    total = used(asked, widths)
    for analysis in {each.analysis for each in asked}:
        line = [(each, width) for each, width in zip(asked, widths, strict=True) if each.analysis == analysis]
        waiting = next((each for each, width in line if width < each.ready), None)
        if waiting is not None:
            assert (CAPACITY - total).fits(waiting.need) == 0


@given(st.integers(1, 8), st.integers(1, 64), st.integers(1, 5))
def test_equal_analyses_get_equal_parts(cpus, slots, analyses):
    capacity = Resources(cpus * slots, 16_000)
    asked = [demand(analysis=str(number), cpus=cpus, memory_mb=1, ready=100) for number in range(analyses)]
    widths = allocate(capacity, asked, {})
    assert sum(widths) == slots
    assert max(widths) - min(widths) <= 1


@given(demands, st.integers(1, 8), st.integers(4, 16_000), st.integers(1, 5))
def test_whoever_had_least_comes_first(asked, cpus, memory_mb, ready):
    newcomer = demand(analysis="new", cpus=cpus, memory_mb=memory_mb, ready=ready)
    widths = allocate(CAPACITY, [*asked, newcomer], dict.fromkeys("abcd", 1.1 * SLICE_SECONDS))
    assert widths[-1] == min(ready, CAPACITY.fits(newcomer.need))


@st.composite
def states(draw):
    """Rounds of which jobs run: what was allotted before, to others that were there then."""
    asked = draw(demands)
    before = allocate(CAPACITY, asked, draw(hads))
    rounds = []
    for each, width in zip(asked, before, strict=True):
        running = draw(st.integers(0, width))
        rounds.append(
            dataclasses.replace(
                each, running=running, ready=each.ready - running, width=width, bound=max(width, running)
            )
        )
    return rounds


@given(states(), demands, hads)
def test_a_width_grows_only_into_what_is_free_in_truth(running, more, had):
    asked = [*running, *more]
    widths = allocate(CAPACITY, asked, had)
    at_most = [max(width, min(each.bound, each.wanted)) for each, width in zip(asked, widths, strict=True)]
    total = used(asked, at_most)
    assert total.cpus <= CAPACITY.cpus
    assert total.memory_mb <= CAPACITY.memory_mb


def test_a_small_analysis_does_not_wait_for_a_whole_array():
    array = demand("array", running=8, ready=1_000, width=8)
    small = demand("small", ready=1)
    assert widths_of(array, small) == [7, 0]  # as soon as one has ended, it is not followed by the next
    array = demand("array", running=7, ready=1_000, width=7)
    assert widths_of(array, small) == [7, 1]


def test_a_large_job_is_not_starved_by_small_ones():
    had = {"small": 2 * SLICE_SECONDS}
    large = demand("large", cpus=8, ready=1)
    assert widths_of(demand("small", running=4, ready=100, width=4), large, had=had) == [0, 0]
    assert widths_of(demand("small", running=1, ready=103, width=0), large, had=had) == [0, 0]
    assert widths_of(demand("small", running=0, ready=104, width=0), large, had=had) == [0, 1]


def test_a_width_that_is_being_lowered_counts_until_it_is():
    earlier = demand("a", ready=8)
    later = demand("b", running=2, ready=10, width=8)
    had = {"b": 100.0}
    assert widths_of(earlier, later, had=had) == [0, 0]  # first told to shrink; what it gives up goes on then
    later = demand("b", running=2, ready=10, width=0, bound=2)
    assert widths_of(earlier, later, had=had) == [6, 0]


def test_what_two_could_grow_into_is_given_once():
    lowered = demand("a", running=4, ready=8, width=0, bound=4)
    others = demand("b", ready=8), demand("c", ready=8)
    assert widths_of(*others, lowered, had={"a": 100.0}) == [4, 0, 0]


def test_adopted_jobs_take_their_part():
    seven = demand(cpus=7, adopted=1)
    assert widths_of(seven, demand(ready=5)) == [0, 1]
    assert widths_of(seven, demand(cpus=2, adopted=1), demand(ready=5)) == [0, 0, 0]  # there was more before
    assert widths_of(demand("a", adopted=4, ready=8), demand("b", ready=8)) == [0, 4]


def test_memory_counts_like_cpus():
    assert widths_of(demand(memory_mb=5_000, ready=9)) == [3]
    assert widths_of(demand("a", memory_mb=4_000, ready=9), demand("b", memory_mb=1_000, ready=9)) == [3, 4]


def simulate(seconds, *analyses, capacity):
    """Let analyses run for a while, jobs of one second each; returns how many of each have run."""
    turns, done = Turns(), dict.fromkeys((each.analysis for each in analyses), 0)
    running = dict.fromkeys(done, 0)
    for now in range(seconds):
        asked = [
            dataclasses.replace(each, running=running[each.analysis], bound=running[each.analysis])
            for each in analyses
        ]
        turns.note(capacity, asked, float(now))
        ended = [dataclasses.replace(each, running=0, bound=0) for each in asked]
        running = {
            each.analysis: width
            for each, width in zip(ended, allocate(capacity, ended, turns.had), strict=True)
        }
        for analysis, count in running.items():
            done[analysis] += count
    return done


@given(st.integers(1, 7), st.integers(1, 3))
def test_fewer_slots_than_analyses_go_round(analyses, slots):
    asked = [demand(str(number), memory_mb=1, ready=1_000) for number in range(analyses)]
    done = simulate(20 * analyses, *asked, capacity=Resources(slots, 1_000))
    assert max(done.values()) - min(done.values()) <= 3


def test_large_and_small_jobs_take_turns_at_the_same_machine():
    done = simulate(
        100, demand("large", cpus=8, ready=1_000), demand("small", ready=1_000), capacity=CAPACITY
    )
    assert 45 <= done["large"] <= 55
    assert 45 * 8 <= done["small"] <= 55 * 8


def test_who_comes_later_shares_from_then_on():
    turns, array, late = Turns(), demand("array", running=8, ready=100), demand("late", ready=100)
    for now in range(100):
        turns.note(CAPACITY, [array], float(now))
    turns.note(CAPACITY, [array, late], 99.5)
    assert turns.had == {"array": 0.0, "late": 0.0}
    turns.note(CAPACITY, [array, late], 100.0)
    assert turns.had == {"array": 1.0, "late": 0.0}
    turns.note(CAPACITY, [array], 100.5)
    assert turns.had == {"array": 0.0}
