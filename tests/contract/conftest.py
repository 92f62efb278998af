"""The contract's tests run on every executor: ``home`` is a home folder of each kind."""

import os
import time
from pathlib import Path

import pytest

GIVEN = dict(os.environ)
KINDS = ["aws"] if "EXPLORER_TEST_AWS" in os.environ else ["local", "cloud"]
"""On AWS only where somebody asks for it (make test-aws): it takes long, and costs."""
CALM = {
    "test_since_leaves_out_what_is_older": "it looks at the last second, and a look may take longer",
    "test_a_job_that_runs_as_others_are_closed_goes_on": "a machine that is taken away ends what runs",
    "test_retry_failed_goes_on_too_with_another_function_as_well": "it counts attempts",
    "test_what_was_not_saved_is_when_the_job_is_told_to_end": "a machine that is lost saves nothing",
    "test_a_job_that_handles_the_signal_is_saved_as_it_left_all": "a machine that is lost saves nothing",
    "test_retries_are_attempts_of_one_job": "it counts attempts, those that came to nothing as well",
}
"""Tests that cannot hold in bad weather, by name, with the reason: all others run in it too."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test once on each executor; those that are marked ``in_containers`` in real containers too."""
    if "home" in metafunc.fixturenames:
        kinds: list[object] = list(KINDS)
        if metafunc.definition.get_closest_marker("in_containers") and KINDS != ["aws"]:
            kinds.append(pytest.param("container", marks=pytest.mark.container))
        if KINDS != ["aws"] and metafunc.function.__name__ not in CALM:
            kinds.append("weather")
        metafunc.parametrize("home", kinds, indirect=True)


@pytest.fixture
def home(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder that submits to this machine, the local cloud, or the account that is configured."""
    if request.param in ("cloud", "container", "weather"):
        return request.getfixturevalue(f"{request.param}_home")
    home = request.getfixturevalue("environment")("home")
    if request.param == "aws":
        for name, value in GIVEN.items():
            if name.startswith(("AWS_", "EXPLORER_BATCH__")):
                monkeypatch.setenv(name, value)
        monkeypatch.setenv("EXPLORER_STORE", f"{GIVEN['EXPLORER_STORE']}/tests/{time.time_ns()}")
    return home


@pytest.fixture
def signals(home: Path) -> str:
    """The URI of a store through which a test tells something to a job, on whatever machine that runs."""
    store = os.environ.get("EXPLORER_STORE", "")
    return f"{store}/signals" if store.startswith("s3://") else str(home.parent / "signals")
