"""A store of format 1, made once and committed: it is read for ever."""

import shutil
from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis
from gencove_explorer.job_manager import JobManager

KEPT = Path(__file__).parents[1] / "data" / "store-format-1"


@pytest.fixture
def kept(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    store = tmp_path / "kept"
    shutil.copytree(KEPT, store)
    monkeypatch.setenv("EXPLORER_STORE", str(store))
    return store


def found(name: str) -> Analysis:
    return next(an for an in JobManager().list_jobs() if an.name == name)


def test_it_lists_three_analyses(kept: Path):
    assert [an.name for an in JobManager().list_jobs()] == ["stop", "follow", "measure"]
    measure = found("measure")
    assert measure.labels == {"team": "demo"}
    assert measure.job_definition.memory_mb == 300
    assert "ac.output.value" in measure.source


def test_states_values_files_and_logs(kept: Path, capsys: pytest.CaptureFixture[str]):
    an = found("measure")
    status = an.status()
    assert (status["status"], status["jobs"]) == ("SUCCEEDED", {"SUCCEEDED": 3})
    assert [each["jobs"] for each in status["rounds"]] == [3, 1]
    assert an.values("length") == [3, 5, -1]
    out = an.get_output(1)
    assert out.value("pair") == ("three", 2)
    assert out.value("long") == ["three"] * 20_000
    assert out.file("deep/text.txt").as_local().read_text() == "three"
    assert (out.file("tree").as_local() / "leaf").read_text() == "leaf"
    an.logs(0, since="5200w")
    assert capsys.readouterr().out == "input one\n"
    an.logs(2, since="5200w")
    assert capsys.readouterr().out == "mended broken\n"
    assert [each.round for each in an._submitted().rounds] == [0, 1]


def test_dependencies_and_closed_jobs(kept: Path):
    assert found("follow").dependency("measure").values("length") == [3, 5, -1]
    assert found("follow").values("seen") == [3, 5, -1]
    stopped = found("stop")
    assert stopped.status()["jobs"] == {"FAILED": 3}
    assert stopped.status(2)["reason"].startswith("Terminated by ")
    assert len(stopped.failures()) == 1


def test_reading_it_changes_nothing_and_starts_nothing(kept: Path, home: Path):
    before = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    for an in JobManager().list_jobs():
        an.status()
        an.failures()
    assert {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()} == before
    assert not (home / "executor").exists()
