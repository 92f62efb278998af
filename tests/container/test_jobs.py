"""Jobs in containers of the runner image: what only a container shows."""

import re
from pathlib import Path

from gencove_explorer.analysis import Analysis, JobDefinition
from localcloud.images import docker
from localcloud.run import RunningCloud
from support.waiting import eventually

SMALL = JobDefinition(cpu=1, memory_mb=200)


def test_an_array_with_values_and_files(container_home: Path):
    def work(ac):
        import os

        ac.output.value("double", ac.input * 2)
        ac.output.value("uid", os.getuid())
        ac.output.value("scratch", os.getcwd())
        ac.output.file("note").as_local().write_text(f"job {ac.job_index}")

    an = Analysis(function=work, input=["foo", "bar", "baz"], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=120)
    assert an.status() == {"status": "SUCCEEDED", "jobs": {"SUCCEEDED": 3}}
    assert an.values("double") == ["foofoo", "barbar", "bazbaz"]
    assert set(an.values("uid")) == {1000}
    assert an.values("scratch")[0].startswith("/explorer/explorer-1000/scratch/")
    assert an.get_output(1).file("note").as_local().read_text() == "job 1"


def test_a_job_sees_the_standard_library_the_runner_and_its_packages(container_home: Path):
    def work(ac):
        import importlib.util
        import sys

        import pendulum

        names = ["IPython", "pip", "boto3", "gencove_explorer", "moto", "numpy"]
        ac.output.value("found", [name for name in names if importlib.util.find_spec(name)])
        ac.output.value("pendulum", pendulum.__version__)
        ac.output.value("version", list(sys.version_info[:2]))

    an = Analysis(function=work, pip_packages=["pendulum"], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=120)
    assert an.status() == {"status": "SUCCEEDED"}
    assert an.get_output().value("found") == []


def test_a_job_beyond_its_memory_ends_with_batchs_own_reason(container_home: Path):
    def greedy(ac):
        print("begun", flush=True)
        taken = []
        while True:
            taken.append(bytearray(20 << 20))

    an = Analysis(function=greedy, job_definition=JobDefinition(cpu=1, memory_mb=100))
    an.run()
    an.wait_done(timeout=120)
    reason = "OutOfMemoryError: Container killed due to memory usage"
    assert an.status()["status"] == "FAILED"
    assert re.fullmatch(rf"{reason}(: \d+ MiB used, 100 MiB asked for \(memory_mb\))?", an.status()["reason"])
    assert an.retry_failed(job_definition=JobDefinition(cpu=1, memory_mb=150)) == 1
    an.wait_done(timeout=120)
    assert an.status()["reason"].startswith(reason)


def test_a_job_beyond_its_memory_gets_more_up_to_its_limit(container_home: Path):
    def hungry(ac):
        taken = bytearray(ac.input << 20)
        taken[::4096] = b"x" * len(taken[::4096])
        ac.output.value("had", ac.job_definition.memory_mb)

    definition = JobDefinition(cpu=1, memory_mb=100, memory_mb_max=400)
    an = Analysis(function=hungry, input=[10, 250, 900], job_definition=definition)
    an.run()
    an.wait_done(timeout=180)
    assert an.values("had", missing=None) == [100, 400, None]
    assert an.status(2)["reason"].startswith("OutOfMemoryError: ")
    assert {record.job_definition.memory_mb for record in an._submitted().rounds} == {100, 200, 400}


def test_an_image_that_cannot_be_pulled_is_told_of(container_home: Path, container_cloud: RunningCloud):
    image = f"{container_cloud.variables['EXPLORER_BATCH__IMAGE']}@sha256:{'1' * 64}"
    an = Analysis(function=lambda ac: None, job_definition=JobDefinition(image=image))
    an.run()
    an.wait_done(timeout=120)
    assert an.status()["reason"].startswith("CannotPullContainerError: ")


def test_nothing_stays_on_the_host(container_home: Path, container_cloud: RunningCloud):
    def work(ac):
        open("left", "w").write("behind")

    an = Analysis(function=work, input=[1, 2, 3], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=120)
    # The outcome is there before its container has ended.
    eventually(lambda: docker("ps", "--all", "--quiet", "--filter", "label=explorer.cloud") == "")
