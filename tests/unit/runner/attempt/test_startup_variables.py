"""Which environment variables must be there when a job's process starts."""

import pytest

from explorer_runner.attempt.startup_variables import are_missing, explain, names_read_at_start, read_at_start

READ_ONCE = """TZ LANG LC_ALL LC_NUMERIC LD_LIBRARY_PATH LD_BIND_NOW DYLD_LIBRARY_PATH PYTHONHASHSEED
PYTHONUTF8 PYTHONWARNINGS PYTHONOPTIMIZE MALLOC_ARENA_MAX GLIBC_TUNABLES OPENSSL_CONF
OBJC_DISABLE_INITIALIZE_FORK_SAFETY"""
READ_WHEN_NEEDED = "PATH HOME OMP_NUM_THREADS OPENBLAS_NUM_THREADS AWS_REGION LCX"


@pytest.mark.parametrize("name", READ_ONCE.split())
def test_what_a_process_reads_once_is_read_at_its_start(name: str):
    assert read_at_start({name: "x", "COLOUR": "blue"}) == {name: "x"}


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "AWS_REGION", "LCX"]
)
def test_what_is_read_when_it_is_needed_is_not(name: str):
    assert read_at_start({name: "x"}) == {}


@pytest.mark.parametrize("name", ["PYTHONPATH", "LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES"])
def test_code_of_the_users_that_runs_at_the_start_may_read_any(name: str):
    variables = {"A": "b", name: "x"}
    assert read_at_start(variables) == variables
    assert names_read_at_start(variables) == [name]


def test_a_process_misses_what_it_was_started_without_or_with_another_value():
    assert are_missing({"TZ": "UTC"}, {})
    assert are_missing({"TZ": "UTC"}, {"TZ": "CET"})
    assert not are_missing({"TZ": "UTC", "COLOUR": "blue"}, {"TZ": "UTC", "LANG": "C"})


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("Fatal Python error: no seed\nPython runtime state: preinitialized\n\nCurrent thread\n", "no seed"),
        ("Traceback (most recent call last):\n  File x\nImportError: no dumps\n", "ImportError: no dumps"),
        ("", "it said nothing"),
    ],
)
def test_why_python_does_not_start_is_told_by_the_line_that_says_it(said: str, line: str):
    told = explain({"PYTHONPATH": "x", "LANG": "C", "A": "b"}, said)
    assert "(LANG, PYTHONPATH): " in told
    assert line in told
