"""A payload that is not what was submitted, or not for here: the job fails, nothing of it is unpickled."""

import os
import sys
import types
from pathlib import Path

import pytest

from explorer_runner.errors import NotFound
from explorer_runner.format import payload
from explorer_runner.format.keys import inputs_key, log_key, outcomes_prefix, payload_key


class Trace:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def submit_witness(submit, *inputs, **spec):
    """A job that leaves a value if it is called."""

    def work(ac):
        ac.output.value("ran", True)

    return submit(work, *inputs, **spec)


def damage(job, key: str, change) -> None:
    """Put something else in the place of an object."""
    raw = job.store.read(key)
    job.store.delete(key)
    job.store.create(key, change(raw))


def test_a_corrupt_payload_is_refused(submit, tmp_path: Path):
    job = submit_witness(submit, Trace(tmp_path / "unpickled"))
    damage(job, payload_key(job.spec.id, 0), lambda raw: raw.replace(b"work", b"walk"))
    done = job.run()
    outcome = job.failed(done, 1)
    assert outcome.reason.startswith("the payload in the store is not the one that was submitted")
    assert f"{job.digest[:12]}... was submitted" in done.stderr
    assert not (tmp_path / "unpickled").exists()


def test_a_swapped_payload_is_refused(submit):
    job, other = submit_witness(submit), submit_witness(submit)
    damage(job, payload_key(job.spec.id, 0), lambda raw: other.store.read(payload_key(other.spec.id, 0)))
    assert job.failed(job.run(), 1).reason.startswith(
        "the payload in the store is not the one that was submitted"
    )


def test_a_missing_payload_is_told(submit):
    job = submit_witness(submit)
    job.store.delete(payload_key(job.spec.id, 0))
    assert "payloads/0.zip in the store" in job.failed(job.run(), 1).reason


@pytest.mark.parametrize(
    "change", [lambda raw: raw[:-1] + b"!", lambda raw: raw[:-1]], ids=["changed", "cut short"]
)
def test_a_corrupt_input_is_refused_and_the_others_run(submit, change):
    job = submit_witness(submit, "a" * 100, "b" * 100, inputs_inside=False)
    damage(job, inputs_key(job.spec.id), change)
    assert job.run(0).returncode == 0
    outcome = job.failed(job.run(1), 1, index=1)
    assert outcome.reason.startswith("the input of job 1 in the store is not the one that was submitted")
    assert job.log(1) == f"{outcome.reason}\n"


def test_unpickling_leaves_the_trace_that_the_next_tests_look_for(submit_here, tmp_path: Path):
    job = submit_witness(submit_here, Trace(tmp_path / "unpickled"), global_config=Trace(tmp_path / "config"))
    assert job.run().returncode == 0
    assert (tmp_path / "unpickled").exists()
    assert (tmp_path / "config").exists()


def test_another_python_is_refused_before_anything_is_unpickled(submit, tmp_path: Path):
    traces = {"global_config": Trace(tmp_path / "unpickled")}
    job = submit_witness(submit, Trace(tmp_path / "unpickled"), python="3.9", **traces)
    outcome = job.failed(job.run(), 1)
    assert outcome.reason.startswith(
        f"the analysis was submitted from Python 3.9, this job runs Python {payload.python_minor()}"
    )
    assert job.log() == f"{outcome.reason}\n"
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("part", ["input", "global config"])
def test_a_package_that_the_job_does_not_have_is_named(submit_here, part: str):
    module = sys.modules["absent_package"] = types.ModuleType("absent_package")
    try:
        exec("class Frame: pass", vars(module))
        given = {"global_config": module.Frame()} if part != "input" else {}
        inputs = [module.Frame()] if part == "input" else []
        known = {"pickled_with": {"absent_package": "absent==1.5"}}
        jobs = [submit_witness(submit_here, *inputs, **given, **more) for more in ({}, known)]
    finally:
        del sys.modules["absent_package"]
    unknown, named = (job.failed(job.run(), 1).reason for job in jobs)
    assert f"the {part} " in named
    assert "needs the package 'absent_package', which the job does not have: submit it with " in named
    assert named.endswith('submit it with pip_packages=["absent==1.5"]')
    assert unknown.endswith("submit it with the package that brings it in pip_packages")


def test_a_corrupt_payload_of_a_retry_fails_the_job_that_it_was_for(submit_here):
    job = submit_witness(submit_here, 1, 2, round=1, jobs=10, array=True, indices=[3, 7])
    damage(job, payload_key(job.spec.id, 1), lambda raw: raw + b"!")
    job.failed(job.run(1), 1, index=7)


@pytest.mark.parametrize("position", [1, 99])
def test_a_position_outside_the_round_is_refused(submit_here, position: int):
    job = submit_witness(submit_here)
    assert "is outside round 0, which runs 1 jobs" in job.failed(job.run(position), 1, index=position).reason


def test_a_store_that_cannot_be_reached_is_no_success(submit_here):
    job = submit_witness(submit_here)
    job.store.delete_tree(f"analyses/{job.spec.id}")
    done = job.run()
    assert done.returncode == 74
    assert "in the store" in done.stderr
    assert job.store.list_names(outcomes_prefix(job.spec.id)) == []
    with pytest.raises(NotFound):
        job.store.read(log_key(job.spec.id, job.of()))
