"""Work functions of a notebook, in a real kernel."""

SETUP = """
from gencove_explorer.analysis import Analysis, JobDefinition
small = JobDefinition(cpu=1, memory_mb=300)
scale = 3

def helper(x):
    return x * scale

def work(ac):
    print("in", ac.input)
    ac.output.value("v", helper(ac.input))

an = Analysis(function=work, input=[1, 2], job_definition=small)
"""


def test_what_a_notebook_defines_travels(cells):
    listed = "from gencove_explorer.job_manager import JobManager\nJobManager().list_jobs()"
    *shown, table = cells(
        SETUP, "an.run_local()", "an.run(); an.wait_done()", 'an.values("v")', "an.logs(1)", listed
    )
    assert len(table.splitlines()) == 3  # a heading and two analyses, once
    assert shown == ["", "[0] in 1\n[1] in 2\n", "", "[3, 6]", "in 2\n"]


def test_an_error_shows_the_users_lines_and_none_of_ours(cells):
    bad = "Analysis(function=lambda ac: 1 / 0, job_definition=small).run_local()"
    _, failed, refused = cells(SETUP, bad, "Analysis(function=work, input=[]).run()")
    assert "ZeroDivisionError: division by zero" in failed
    assert bad in failed
    assert "Analysis(function=work, input=[]).run()" in refused
    assert "SubmissionError: input=[] is an array of no jobs" in refused
    for shown in (failed, refused):
        assert "gencove_explorer/" not in shown
        assert "explorer_runner/" not in shown


def test_display_and_exit_mean_in_a_job_what_they_mean_in_the_notebook(cells):
    shows = """
def shows(ac):
    def inner(value):
        display(value, "text")
    display({"a": 1})
    inner([1, 2])
    if ac.input:
        exit(3)
shown = Analysis(function=shows, input=[False, True], job_definition=small)
shown.run(); shown.wait_done()
"""
    own = """
def display(x): print("own", x)
def uses_own(ac): display(1)
Analysis(function=uses_own, job_definition=small).run_local()
"""
    *_, log, status, mine = cells(SETUP, shows, "shown.logs(0)", "shown.status(1)['reason']", own)
    assert log == "{'a': 1}\n[1, 2]\ntext\n"
    assert status == "'the work function called sys.exit(3)'"
    assert mine == "own 1\n"


def test_a_cached_helper_of_a_cell_travels(cells):
    cached = """
import functools
@functools.lru_cache
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
def uses(ac): ac.output.value("fib", fib(ac.input))
again = Analysis(function=uses, input=[10, 20], job_definition=small)
again.run(); again.wait_done()
"""
    assert cells(SETUP, cached, "again.values('fib')")[-1] == "[55, 6765]"
