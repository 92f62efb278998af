"""Damaged and stray files in a store: what cannot be read says so, spoils nothing else, can be deleted."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.cli import explorer
from gencove_explorer.errors import CorruptPayload, ExplorerError, InUse, JobFailed
from gencove_explorer.job_manager import JobManager

KEPT = Path(__file__).parents[1] / "data" / "store-format-1"
MEASURE = "2026-11-22T145052_measure_75d748fa8ac940789e3008256fc814ce"
INDEX = f"index/2026-11-22/{MEASURE}.json"
ROUND = f"analyses/{MEASURE}/rounds/0.json"
CLOSED = f"analyses/{MEASURE}/closed/0-0.json"
OUTCOME = f"analyses/{MEASURE}/outcomes/0.0-1.SUCCEEDED.json"


@pytest.fixture
def kept(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    store = tmp_path / "kept"
    shutil.copytree(KEPT, store)
    monkeypatch.setenv("EXPLORER_STORE", str(store))
    return store


def write(text: str) -> Callable[[Path], object]:
    def damage(path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    return damage


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def facts(**facts: object) -> Callable[[Path], object]:
    return lambda path: path.write_text(json.dumps({**json.loads(path.read_bytes()), **facts}))


def run(*arguments: str) -> str:
    done = CliRunner().invoke(explorer, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit | ExplorerError), done.exception
    return f"{done.output}{done.exception or ''}"


@pytest.mark.parametrize(
    ("key", "damage", "said"),
    [
        (INDEX, write(""), "cannot be read"),
        (INDEX, write("[" * 100_000), "nested too deeply"),
        (INDEX, write("3"), "no mapping"),
        (INDEX, facts(jobs=10**9), "jobs is 1000000000"),
        (INDEX, facts(submitted=float("nan")), "submitted is nan"),
        (INDEX, facts(submitted=1e300), "submitted is 1e+300"),
        (INDEX, facts(id=f"{MEASURE[:-1]}0"), "about another analysis"),
        (INDEX, facts(job_definition=[]), "job_definition"),
        (INDEX, pipe, "should be a file"),
        (INDEX, lambda path: os.truncate(path, 1 << 30), "has 1,073,741,824 bytes"),
        (ROUND, write("[]"), "no mapping"),
        (ROUND, facts(indices=list(range(20_000))), "indices holds"),
        (ROUND, facts(jobs=5), "runs more jobs than its 3"),
        (ROUND, facts(round=7), "about another round"),
        (ROUND, pipe, "should be a file"),
        (CLOSED, write('{"format": 1, "reasons": {"x": [[0, 100000000]]}}'), "reasons holds"),
        (CLOSED, write(json.dumps({"format": 1, "reasons": {"x": [[0, 9999]] * 1000}})), "more than 10,000"),
    ],
)
def test_what_cannot_be_read_is_a_row_and_can_be_deleted(
    kept: Path, key: str, damage: Callable[[Path], object], said: str
):
    damage(kept / key)
    assert {an.name for an in JobManager().list_jobs()} == {"stop", "follow", "measure"}
    listed = run("list")
    assert "?" in next(line for line in listed.splitlines() if line.startswith(MEASURE))
    assert said in " ".join(listed.split())
    rows = {row["name"]: row for row in json.loads(run("list", "--json"))}
    assert rows["stop"]["status"]["status"] == "FAILED"
    assert rows["measure"]["status"] is None
    assert said in rows["measure"]["error"]
    for call in (Analysis.status, Analysis.failures, Analysis.retry_failed, Analysis.wait_done):
        with pytest.raises(CorruptPayload, match="explorer delete"):
            call(JobManager().get_analysis(MEASURE))
    assert f"explorer delete {MEASURE}" in run("status", MEASURE)
    assert "deleted" in run("delete", MEASURE, "--yes")
    assert {an.name for an in JobManager().list_jobs()} == {"stop", "follow"}
    assert not (kept / "analyses" / MEASURE).exists()


@pytest.mark.parametrize(
    "stray",
    [
        f"analyses/{MEASURE}/rounds/.DS_Store",
        f"analyses/{MEASURE}/rounds/\u0661.json",
        f"analyses/{MEASURE}/closed/.DS_Store",
        f"analyses/{MEASURE}/closed/x-0.json",
        f"analyses/{MEASURE}/outcomes/1_0.0-1.SUCCEEDED.json",
        f"analyses/{MEASURE}/outcomes/0.0--1.FAILED.json",
        f"analyses/{MEASURE}/outcomes/99999999.0-1.SUCCEEDED.json",
        f"analyses/{MEASURE}/logs/x.txt",
        "index/.DS_Store",
        "index/zzz/thumbs.db",
        "index/2026-11-22/.DS_Store",
        "index/2026-11-22/notes.json",
        "index/2026-11-22/2023-99-99T999999_x_17eb494f3d5349c88959bace7a6b7873.json",
        "index/2026-11-23/notes.txt",
    ],
)
def test_stray_files_change_nothing(kept: Path, stray: str):
    before = run("list")
    (kept / stray).parent.mkdir(exist_ok=True)
    (kept / stray).write_text("{")
    assert run("list") == before
    assert MEASURE in run("list", "--since", "5000w")
    assert run("status", "measure").splitlines()[0] == f"{MEASURE}: SUCCEEDED"
    assert run("status", "last").startswith("2026-11-22")
    assert JobManager().get_analysis(MEASURE).values("length") == [3, 5, -1]


def test_folders_where_files_should_be_are_deleted_with_their_analysis(kept: Path):
    for key in (INDEX, OUTCOME):
        (kept / key).unlink()
        (kept / key).mkdir()
    an = JobManager().get_analysis(MEASURE)
    with pytest.raises(CorruptPayload, match="is a folder"):
        an.status()
    an.delete()
    assert not (kept / "analyses" / MEASURE).exists()
    assert not (kept / INDEX).exists()


@pytest.mark.parametrize(
    "damage",
    [write(""), write("null"), facts(values=3), facts(files=[{"key": 3}]), facts(index=1), facts(ended="x")],
)
def test_an_outcome_that_cannot_be_read_is_an_error_of_that_job_alone(
    kept: Path, damage: Callable[[Path], object]
):
    damage(kept / OUTCOME)
    an = JobManager().get_analysis(MEASURE)
    assert an.status()["status"] == "SUCCEEDED"
    assert an.get_output(1).value("length") == 5
    with pytest.raises(CorruptPayload):
        an.get_output(0)
    an.delete()


def test_names_of_users_are_no_markup_and_steer_no_terminal(kept: Path):
    facts(user="[/x]\x1b[31m\u202e")(kept / INDEX)
    row = next(line for line in run("list").splitlines() if line.startswith(MEASURE))
    assert "[/x]\\x1b[31m\\u202e" in row


def test_what_cannot_be_read_and_still_runs_is_kept(home: Path):
    def slow(ac):
        import time

        time.sleep(300)

    an = Analysis(function=slow, job_definition=JobDefinition(cpu=1, memory_mb=200))
    an.run()
    an.wait_running_or_done(timeout=60)
    path = home / "store" / "analyses" / an.id / "rounds" / "0.json"
    whole = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(InUse, match=r"cannot be read .* still runs"):
        JobManager().get_analysis(an.id).delete()
    path.write_bytes(whole)
    an.terminate()
    an.wait_done(timeout=60)
    path.write_bytes(b"")
    JobManager().get_analysis(an.id).delete()
    assert JobManager().list_jobs() == []


def test_what_jobs_said_steers_no_terminal(kept: Path):
    evil = "\x1b]0;title\x07\x9b2J\u202e"
    failed = kept / f"analyses/{MEASURE}/outcomes/2.1-1.FAILED.json"
    (failed.parent / "2.1-1.SUCCEEDED.json").rename(failed)
    failure = {"type": "X", "message": evil, "traceback": f"Traceback\n  {evil}\n", "line": 3}
    facts(status="FAILED", reason=evil, failure=failure)(failed)
    facts(values={f"k{evil}": {"json": evil}})(kept / OUTCOME)
    an = JobManager().get_analysis(MEASURE)
    with pytest.raises(JobFailed) as raised:
        an.values("length")
    shown = [run("status", MEASURE), run("failures", MEASURE), run("outputs", MEASURE), str(raised.value)]
    shown += [run("logs", MEASURE, "2", "--since", "1s"), run("list"), run("outputs", MEASURE, "--json")]
    shown += [an.failures()._repr_html_(), an.get_output(0)._repr_html_(), repr(an.get_output(0))]
    assert not any(char in text for text in shown for char in "\x1b\x07\x9b\u202e")
    assert all("\\x1b]0;title" in text for text in shown[:4])
    assert an.status(2)["reason"] == evil


def test_a_round_that_is_missing_says_so(kept: Path):
    (kept / ROUND).unlink()
    an = JobManager().get_analysis(MEASURE)
    with pytest.raises(CorruptPayload, match=r"rounds/0\.json is missing .*explorer delete"):
        assert an.source
    an.delete()
