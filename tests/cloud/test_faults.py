"""Throttling, errors and lost connections are ridden out, and nothing is done twice."""

from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis
from gencove_explorer.errors import ExecutorError
from gencove_explorer.job_manager import JobManager
from localcloud.provision import open_client
from localcloud.run import RunningCloud


def double(ac):
    ac.output.value("double", ac.input * 2)


def jobs_named(cloud: RunningCloud, name: str) -> int:
    named = [{"name": "JOB_NAME", "values": [name]}]
    found = open_client("batch", cloud.endpoint).list_jobs(jobQueue="explorer", filters=named)
    return len(found["jobSummaryList"])


@pytest.mark.parametrize("kind", ["throttle", "error", "drop", "lose"])
def test_a_submission_is_made_once(cloud_home: Path, cloud: RunningCloud, kind: str):
    cloud.tell("faults", action="SubmitJob", kind=kind, times=1)
    an = Analysis(function=double, input=[1, 2])
    an.run()
    an.wait_done(timeout=60)
    assert an.values("double") == [2, 4]
    assert jobs_named(cloud, an.id) == 1


@pytest.mark.parametrize("kind", ["throttle", "error", "drop"])
@pytest.mark.parametrize("action", ["DescribeJobs", "DescribeJobDefinitions", "PutObject", "ListObjectsV2"])
def test_whoever_waits_is_patient(cloud_home: Path, cloud: RunningCloud, action: str, kind: str):
    cloud.tell("faults", action=action, key="submitter", kind=kind, times=3)
    an = Analysis(function=double, input=[1, 2])
    an.run()
    an.wait_done(timeout=100)
    assert an.values("double") == [2, 4]


@pytest.mark.parametrize("kind", ["throttle", "error", "drop", "lose"])
@pytest.mark.parametrize("action", ["GetObject", "PutObject"])
def test_jobs_are_patient(cloud_home: Path, cloud: RunningCloud, action: str, kind: str):
    cloud.tell("faults", action=action, key="job", kind=kind, times=3)
    an = Analysis(function=double, input=[1, 2])
    an.run()
    an.wait_done(timeout=100)
    assert an.values("double") == [2, 4]


def test_patience_has_an_end_and_nothing_is_left(
    cloud_home: Path, cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch
):
    from gencove_explorer.executors.batch import jobs

    monkeypatch.setattr(jobs, "_FIRST_PAUSE", 0.01)
    cloud.tell("faults", action="SubmitJob", kind="throttle", times=8)
    an = Analysis(function=double, input=1)
    with pytest.raises(ExecutorError, match="TooManyRequestsException"):
        an.run()
    assert JobManager().list_jobs() == []
