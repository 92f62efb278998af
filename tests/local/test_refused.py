"""A submission that is refused leaves no inputs in the home folder, whoever refuses it and when."""

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from explorer_runner.errors import PayloadError, StoreError
from gencove_explorer.analysis import Analysis, GlobalConfig, JobDefinition
from gencove_explorer.errors import CaptureError, JobFailed, SubmissionError
from gencove_explorer.executors.local.executor import LocalExecutor
from gencove_explorer.job_manager import JobManager
from gencove_explorer.session import Session
from gencove_explorer.settings import Settings
from gencove_explorer.submission.prepare import prepare

SMALL = JobDefinition(cpu=1, memory_mb=300)


def test_a_refused_submission_leaves_no_inputs_behind(home: Path):
    large = [bytes(1 << 20), bytes(1 << 20)]
    first = Analysis(function=lambda ac: None, input=large, name="first", job_definition=SMALL)
    bad = Analysis(function=lambda ac: None, input=[], name="bad", depends_on=[first], job_definition=SMALL)
    with pytest.raises(SubmissionError):
        bad.run()
    wrong = Analysis(function=lambda ac: None, input=large, labels={"a": 1}, job_definition=SMALL)  # type: ignore[dict-item]
    with pytest.raises(SubmissionError, match="labels"):
        wrong.run()
    assert not list(home.glob("tmp/*"))


def test_what_was_found_and_is_refused_leaves_no_inputs_behind(home: Path):
    an = Analysis(function=lambda ac: None, input=[bytes(1 << 20), bytes(1 << 20)], job_definition=SMALL)
    an.run()
    found = JobManager().get_analysis(an.id)
    found.global_config = GlobalConfig(file=threading.Lock())
    with pytest.raises(CaptureError, match="global_config"):
        found.run()
    assert not list(home.glob("tmp/*"))


def test_found_inputs_that_are_damaged_are_not_left_half_read(home: Path):
    an = Analysis(function=lambda ac: None, input=[bytes(1 << 20), bytes(1 << 20)], job_definition=SMALL)
    an.run()
    path = an._submitted().store.local_path(f"analyses/{an.id}/inputs.bin")
    assert path is not None
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(PayloadError):
        JobManager().get_analysis(an.id).run()
    assert not list(home.glob("tmp/*"))


def test_what_follows_a_submission_that_failed_leaves_no_inputs_behind(home: Path):
    large = [bytes(1 << 20), bytes(1 << 20)]
    first = Analysis(function=lambda ac: None, input=large, name="first", job_definition=SMALL)
    an = Analysis(function=lambda ac: None, input=large, depends_on=[first], job_definition=SMALL)
    (home / "store").touch()  # a file, in which nothing can be created
    with pytest.raises(StoreError):
        an.run()
    assert not list(home.glob("tmp/*"))


class Refusing(LocalExecutor):
    """An executor that cannot read the buckets of a submission."""

    def check_buckets(self, buckets: Mapping[str, str]) -> None:
        raise SubmissionError("it cannot read them")


def test_what_an_executor_does_not_admit_leaves_no_inputs_behind(home: Path):
    an = Analysis(function=lambda ac: None, input=[bytes(1 << 20), bytes(1 << 20)], job_definition=SMALL)
    with pytest.raises(SubmissionError, match="cannot read"):
        prepare(*an._requests(), Session(), Refusing(Settings.load()), [])
    assert not list(home.glob("tmp/*"))


def test_a_run_local_that_fails_before_its_turn_leaves_no_inputs_behind(home: Path):
    first = Analysis(function=lambda ac: 1 / 0, name="first", job_definition=SMALL)
    large = [bytes(1 << 20), bytes(1 << 20)]
    an = Analysis(function=lambda ac: None, input=large, depends_on=[first], job_definition=SMALL)
    with pytest.raises(JobFailed, match="division by zero"):
        an.run_local()
    assert not list(home.glob("tmp/*"))
