"""``python -m explorer_runner``, as containers start it: what a job gets, and what it leaves in the store."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from explorer_runner.context import AnalysisContext, GlobalConfig
from explorer_runner.definition import JobDefinition
from explorer_runner.format.keys import SUCCEEDED, outcome_key
from explorer_runner.format.payload import DependencyRef, python_minor


def submit_double(submit, *inputs, **spec):
    def work(ac):
        print("input", ac.input)
        ac.output.value("double", ac.input * 2)

    return submit(work, *inputs, **spec)


def test_a_job_that_succeeds_leaves_value_log_and_outcome(submit):
    job = submit_double(submit, 4)
    done = job.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "input 4\n", "")
    assert job.output().value("double") == 8
    assert job.log() == "input 4\n"
    assert job.left() == []


def test_the_outcome_says_what_made_it_and_what_it_took(submit):
    job = submit_double(submit, 4)
    job.run()
    outcome = job.outcome()
    assert (outcome.analysis, outcome.index, outcome.round, outcome.attempt) == (job.spec.id, 0, 0, 1)
    assert (outcome.status, outcome.exit_code, outcome.signal, outcome.reason) == (SUCCEEDED, 0, None, None)
    assert outcome.payload == job.digest
    assert outcome.python.startswith(f"{python_minor()}.")
    assert outcome.host == os.uname().nodename
    assert 0 < outcome.started <= outcome.ended
    assert outcome.setup_seconds > 0
    assert outcome.cpu_seconds > 0
    assert outcome.peak_memory_mb > 5
    assert outcome.failure is None


def test_each_job_of_an_array_has_its_own_input(submit):
    job = submit_double(submit, "a", "b", "c")
    assert [job.run(position).returncode for position in (2, 0)] == [0, 0]
    assert job.output(0).value("double") == "aa"
    assert job.output(2).value("double") == "cc"
    assert not job.store.exists(outcome_key(job.spec.id, job.of(1), SUCCEEDED))


def test_inputs_outside_the_payload_are_read_by_their_range(submit):
    job = submit_double(submit, "a" * 10_000, "b" * 10_000, inputs_inside=False)
    assert job.run(1).returncode == 0
    assert job.output(1).value("double") == "b" * 20_000


def test_a_retry_runs_the_job_at_its_position(submit):
    job = submit_double(submit, "third", "seventh", round=1, jobs=10, array=True, indices=[3, 7])
    assert job.run(1).returncode == 0
    outcome = job.outcome(7)
    assert (outcome.index, outcome.round, outcome.attempt) == (7, 1, 1)
    assert job.output(7).value("double") == "seventh" * 2


def test_files_folders_and_values_of_every_kind_are_kept(submit):
    def work(ac):
        import os

        ac.output.file("plain").as_local().write_text("1")
        tree = ac.output.file("deep/tree").as_local()
        (tree / "a b").mkdir(parents=True)
        (tree / "a b" / "é%").write_text("2")
        os.mkdir("none")
        ac.output.file("none", path_local="none")
        with open("handed.bin", "wb") as file:
            file.write(os.urandom(20 << 20))
        ac.output.file("large", path_local="handed.bin")
        ac.output.value("json", {"é": [1, None]})
        ac.output.value("pickle", (1, {2}))
        ac.output.value("big", "x" * 500_000)

    job = submit(work)
    assert job.run().returncode == 0
    out = job.output()
    assert set(out.files()) == {"plain", "deep/tree/a b/é%", "large"}
    assert out.file("plain").as_local().read_text() == "1"
    assert (out.file("deep/tree").as_local() / "a b" / "é%").read_text() == "2"
    assert list(out.file("none").as_local().iterdir()) == []
    assert out.file("large").as_local().stat().st_size == out.file("large").size == 20 << 20
    assert out.values() == {"json": {"é": [1, None]}, "pickle": (1, {2}), "big": "x" * 500_000}
    assert out.outcome.values["pickle"]["preview"] == [1, [2]]
    assert job.left() == []


def test_a_job_works_in_an_empty_folder_of_its_own(submit_here):
    def work(ac):
        import os
        import sys

        ac.output.value("folder", os.getcwd())
        ac.output.value("found", os.listdir("."))
        ac.output.value("mode", os.stat(".").st_mode & 0o777)
        ac.output.value("tmp", os.path.samefile(os.environ["TMPDIR"], "."))
        ac.output.value("input", sys.stdin.read())
        ac.output.value("main", vars(sys.modules["__main__"]).get("__file__"))

    job = submit_here(work)
    assert job.run(stdin=None).returncode == 0
    scratch = str(job.scratch())
    assert job.output().values() == {
        "folder": scratch,
        "found": [],
        "mode": 0o700,
        "tmp": True,
        "input": "",
        "main": None,
    }


def test_a_job_has_the_context_that_was_submitted(submit_here):
    def work(ac: AnalysisContext):
        import os

        ac.output.value(
            "context", [ac.id, ac.name, ac.job_index, ac.attempt, ac.input, ac.global_config.age, repr(ac)]
        )
        ac.output.value(
            "definition", [ac.job_definition.cpu, os.environ["OMP_NUM_THREADS"], os.environ["COLOUR"]]
        )

    definition = JobDefinition(cpu=3, environment={"COLOUR": "blue"})
    job = submit_here(work, "in", job_definition=definition, global_config=GlobalConfig(age=7))
    assert job.run(attempt=2).returncode == 0
    shown = f"AnalysisContext(id={job.spec.id!r}, job_index=0, attempt=2)"
    values = job.output(attempt=2).values()
    assert values["context"] == [job.spec.id, "work", 0, 2, "in", 7, shown]
    assert values["definition"] == [3, "3", "blue"]


def test_a_job_reads_the_outputs_of_what_it_depends_on(submit):
    def first(ac):
        ac.output.value("x", 20)
        ac.output.file("f").as_local().write_text("from the first")

    def second(ac):
        out = ac.dependency("first").get_output()
        ac.output.value("sum", out.value("x") + 1)
        ac.output.value("text", out.file("f").as_local().read_text())

    one = submit(first)
    assert one.run().returncode == 0
    two = submit(second, depends_on=[DependencyRef(name="first", id=one.spec.id)])
    assert two.run().returncode == 0
    assert two.output().values() == {"sum": 21, "text": "from the first"}
    assert two.left() == []


def test_standard_output_and_error_are_passed_on_apart_and_logged_together(submit_here):
    def work(ac):
        import os
        import subprocess
        import sys

        print("out")
        print("err", file=sys.stderr)
        os.write(1, b"raw \xff\n")
        subprocess.run(["echo", "from a command"], check=True)
        print("last, without an end", end="")

    job = submit_here(work)
    done = job.run(errors="backslashreplace")
    assert done.stdout == "out\nraw \\xff\nfrom a command\nlast, without an end"
    assert done.stderr == "err\n"
    log = (job.home / "store" / f"analyses/{job.spec.id}/logs/0.0-1.txt").read_bytes()
    assert sorted(log.splitlines()) == [
        b"err",
        b"from a command",
        b"last, without an end",
        b"out",
        b"raw \xff",
    ]


def test_what_would_run_at_the_end_of_a_script_runs_at_the_end_of_a_job(submit_here):
    def work(ac):
        import atexit
        import logging.handlers
        import sys

        atexit.register(print, "at exit", file=sys.stderr)
        memory = logging.handlers.MemoryHandler(100, target=logging.StreamHandler())
        logging.getLogger().addHandler(memory)
        logging.warning("buffered")

    job = submit_here(work)
    assert job.run().returncode == 0
    assert job.log() == "at exit\nbuffered\n"


@pytest.mark.parametrize("batch", [False, True])
def test_the_facts_may_come_from_the_environment(submit, batch: bool):
    job = submit_double(submit, "a", "b", "c")
    names = {
        "--store": "EXPLORER_STORE",
        "--analysis": "EXPLORER_ANALYSIS",
        "--digest": "EXPLORER_DIGEST",
        "--round": "EXPLORER_ROUND",
        "--scratch": "EXPLORER_SCRATCH",
        "--environments": "EXPLORER_ENVIRONMENTS",
    }
    if batch:
        names |= {"--index": "AWS_BATCH_JOB_ARRAY_INDEX", "--attempt": "AWS_BATCH_JOB_ATTEMPT"}
    facts = job.facts(2, 3)
    environment = {**os.environ, **{variable: facts[option] for option, variable in names.items()}}
    done = job.run(facts=False, env=environment)
    assert done.returncode == 0, done.stderr
    position, attempt, double = (2, 3, "cc") if batch else (0, 1, "aa")
    assert job.output(position, attempt).value("double") == double


def test_an_argument_wins_over_the_environment(submit_here):
    job = submit_double(submit_here, "a", "b")
    environment = {**os.environ, "AWS_BATCH_JOB_ARRAY_INDEX": "0", "EXPLORER_DIGEST": "0" * 64}
    assert job.run(1, env=environment).returncode == 0
    assert job.output(1).value("double") == "bb"


@pytest.mark.parametrize("missing", ["--store", "--analysis", "--digest"])
def test_a_missing_fact_is_asked_for_by_name_and_variable(missing: str):
    given = {"--store": "x", "--analysis": "x", "--digest": "x"}
    given.pop(missing)
    command = [sys.executable, "-m", "explorer_runner", *(each for fact in given.items() for each in fact)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"required: {missing}" in done.stderr
    shown = subprocess.run(
        [sys.executable, "-m", "explorer_runner", "--help"], capture_output=True, text=True
    )
    assert f"EXPLORER_{missing[2:].upper()}" in shown.stdout


@pytest.mark.parametrize("analysis", ["../../etc", "x", ""])
def test_what_is_no_id_is_refused_before_anything_is_touched(tmp_path: Path, analysis: str):
    facts = ["--store", str(tmp_path / "store"), "--analysis", analysis, "--digest", "0" * 64]
    command = [sys.executable, "-m", "explorer_runner", *facts, "--scratch", str(tmp_path / "scratch")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"explorer-runner: {analysis!r} is not an analysis id")
    assert os.listdir(tmp_path) == []


def test_a_scratch_folder_that_others_may_write_to_is_refused(submit_here):
    job = submit_double(submit_here, 1)
    (job.home / "scratch").mkdir()
    (job.home / "scratch").chmod(0o777)
    done = job.run()
    assert done.returncode == 2
    assert "others may write to it" in done.stderr


def test_sockets_fit_below_the_folders_of_a_batch_job(submit_here):
    def work(ac):
        import multiprocessing
        import tempfile

        with multiprocessing.Manager() as manager:  # listens at a Unix socket below the temporary files
            ac.output.value("n", manager.list([1, 2])[1])
        ac.output.value("folder", tempfile.gettempdir())

    job = submit_here(work, 1)
    facts = ("--store", job.store.uri, "--analysis", job.spec.id, "--digest", job.digest)
    with tempfile.TemporaryDirectory(prefix="disk", dir="/tmp") as disk:
        done = job.run(options=facts, facts=False, env={**os.environ, "EXPLORER_DISK": disk})
        assert done.returncode == 0, done.stderr
        assert job.output().value("n") == 2
        assert job.output().value("folder").startswith(f"{disk}/explorer-{os.getuid()}/scratch/")
        assert os.listdir(f"{disk}/explorer-{os.getuid()}/scratch") == []


@pytest.mark.parametrize("shared", [0o777, 0o720])
def test_a_disk_whose_folder_of_ours_others_may_write_to_is_refused(submit_here, tmp_path: Path, shared: int):
    ours = tmp_path / f"explorer-{os.getuid()}"
    (ours / "environments").mkdir(parents=True)
    ours.chmod(shared)
    job = submit_double(submit_here, 1)
    facts = ("--store", job.store.uri, "--analysis", job.spec.id, "--digest", job.digest)
    done = job.run(options=facts, facts=False, env={**os.environ, "EXPLORER_DISK": str(tmp_path)})
    assert done.returncode == 2
    assert f"{ours} belongs to another user, or others may write to it" in done.stderr


@pytest.mark.parametrize(("code", "seen"), [(256, 1), (75, 1), (74, 1), (73, 1), (100, 1), (3, 3), (259, 3)])
def test_exit_codes_that_mean_something_else_are_a_plain_failure(submit_here, code: int, seen: int):
    def work(ac):
        raise SystemExit(ac.input)

    job = submit_here(work, code)
    assert job.run().returncode == seen
    assert job.outcome().exit_code == code


def test_a_host_without_its_disk_is_told_in_words(submit_here):
    job = submit_double(submit_here, 1)
    facts = ("--store", job.store.uri, "--analysis", job.spec.id, "--digest", job.digest)
    done = job.run(options=facts, facts=False, env={**os.environ, "EXPLORER_DISK": "/proc/none"})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"the folder /proc/none/explorer-{os.getuid()} cannot be made (No such file" in line
    assert line.endswith("EXPLORER_DISK says that this host's disk is mounted at /proc/none")


def test_the_log_is_complete_when_the_outcome_is_there(submit):
    """The outcome is the last thing written: whoever sees it finds all the rest."""
    job = submit_double(submit, 1)
    job.run()
    outcome = json.loads(job.store.read(outcome_key(job.spec.id, job.of(), SUCCEEDED)))
    assert outcome["ended"] >= outcome["started"]
    assert job.log() == "input 1\n"
