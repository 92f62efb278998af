"""What AWS is asked, counted in the cloud's own log of requests."""

from collections import Counter
from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.job_manager import JobManager
from localcloud.run import RunningCloud

WRITES = ("PutObject", "PostObject", "DeleteObject", "CreateMultipartUpload", "CompleteMultipartUpload")


def large(ac):
    ac.output.value("size", len(ac.input))


def kinds(cloud: RunningCloud, after: int, key: str) -> Counter[str]:
    return Counter(each["action"] for each in cloud.requests(after) if each["key"] == key)


@pytest.mark.parametrize("size", [1, 500])
def test_a_submission_of_ten_thousand_costs_what_one_of_two_does(
    cloud_home: Path, cloud: RunningCloud, size: int
):
    an = Analysis(function=large, input=["x" * size] * 10_000, job_definition=JobDefinition(cpu=1000))
    before = len(cloud.requests())
    an.run()
    asked = kinds(cloud, before, "submitter")
    assert sum(asked[kind] for kind in WRITES) <= 5
    assert asked["SubmitJob"] == 1
    looked = sum(asked.values()) - 1 - sum(asked[kind] for kind in WRITES)
    assert looked <= 2 + asked["RegisterJobDefinition"], asked
    an.terminate_all()
    an.wait_done(timeout=60)


def test_a_poll_is_one_request_to_batch_for_any_size(cloud_home: Path, cloud: RunningCloud):
    an = Analysis(function=large, input=["x"] * 10_000, job_definition=JobDefinition(cpu=1000))
    an.run()
    before = len(cloud.requests())
    an.status()
    asked = kinds(cloud, before, "submitter")
    assert (asked["DescribeJobs"], asked["ListJobs"]) == (1, 0)
    found = JobManager().get_analysis(an.id)
    before = len(cloud.requests())
    found.status()
    assert kinds(cloud, before, "submitter")["ListJobs"] == 1  # by name, once
    before = len(cloud.requests())
    found.status()
    assert kinds(cloud, before, "submitter")["ListJobs"] == 0
    an.terminate_all()
    an.wait_done(timeout=60)


def test_waiting_grows_patient(cloud_home: Path, cloud: RunningCloud):
    from gencove_explorer.errors import WaitTimeout

    an = Analysis(function=large, input="x", job_definition=JobDefinition(cpu=1000))
    an.run()
    before = len(cloud.requests())
    with pytest.raises(WaitTimeout):
        an.wait_done(timeout=5)
    assert kinds(cloud, before, "submitter")["DescribeJobs"] <= 20
    an.terminate_all()
    an.wait_done(timeout=60)


@pytest.mark.parametrize("size", [1, 1_000_000])
def test_a_job_makes_two_reads_and_two_writes(cloud_home: Path, cloud: RunningCloud, size: int):
    an = Analysis(function=large, input=["x" * size] * 4)
    before = len(cloud.requests())
    an.run()
    an.wait_done(timeout=60)
    assert an.values("size") == [size] * 4
    asked = kinds(cloud, before, "job")
    assert asked.pop("PutObject") == 8
    assert asked.pop("GetObject") == (4 if size == 1 else 8)
    assert asked == Counter()


def test_a_job_touches_nothing_but_the_store(
    cloud_home: Path, cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch
):
    def work(ac):
        import pendulum

        ac.output.file("note").as_local().write_text("x")
        ac.output.value("version", pendulum.__version__)

    an = Analysis(function=work, input=[1, 2], pip_packages=["pendulum"])
    before = len(cloud.requests())
    an.run()
    an.wait_done(timeout=120)
    assert an.status()["status"] == "SUCCEEDED"
    import os

    prefix = os.environ["EXPLORER_STORE"].removeprefix("s3:/")
    for each in cloud.requests(before):
        if each["key"] == "job":
            assert each["service"] == "s3"
            assert each["path"].startswith(f"{prefix}/") or f"prefix={prefix.split('/')[-1]}" in each["query"]
