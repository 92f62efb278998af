"""Which jobs a canary has."""

from hypothesis import given
from hypothesis import strategies as st

from gencove_explorer.submission.commit import spread


def test_the_first_and_the_last_are_among_them_evenly_spread():
    assert spread(range(10_000), 5) == [0, 2500, 5000, 7499, 9999]
    assert spread([3, 7, 8, 20], 2) == [3, 20]
    assert spread(range(5), 1) == [0]


def test_none_where_they_would_be_all():
    assert spread(range(5), 5) == []
    assert spread(range(1), 1) == []
    assert spread(range(5), 0) == []


@given(st.integers(2, 2_000), st.data())
def test_as_many_as_were_asked_for_and_each_once(jobs, data):
    count = data.draw(st.integers(1, jobs - 1))
    chosen = spread(range(jobs), count)
    assert len(set(chosen)) == count
    assert chosen == sorted(chosen)
