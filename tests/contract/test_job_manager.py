"""Analyses of the past: found by id, time, name and user, from any process."""

import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from explorer_runner.stores.uri import open_store
from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.errors import InvalidFilter, InvalidName, NoSuchAnalysis
from gencove_explorer.job_manager import JobManager
from gencove_explorer.records.index import IndexRecord, write_index
from support.waiting import WAIT


def work(ac):
    print("hello", ac.input)
    ac.output.value("x", ac.input)
    ac.output.file("f").as_local().write_text("text")


def listed(home: Path, when: datetime, name: str, user: str = "ann") -> str:
    identifier = f"{when:%Y-%m-%dT%H%M%S}_{name}_{abs(hash((when, name))):032x}"
    record = IndexRecord(
        id=identifier,
        name=name,
        user=user,
        submitted=when.timestamp(),
        jobs=1,
        array=False,
        executor="local",
        python="3.11",
    )
    write_index(open_store(str(home / "store")), record)
    return identifier


def test_every_method_works_on_what_another_process_submitted(home: Path, capsys: pytest.CaptureFixture[str]):
    code = """
from gencove_explorer.analysis import Analysis, JobDefinition
def work(ac):
    print("hello", ac.input)
    ac.output.value("x", ac.input)
    ac.output.file("f").as_local().write_text("text")
small = JobDefinition(cpu=1, memory_mb=300)
an = Analysis(function=work, input=["a", "b"], job_definition=small, labels={"team": "demo"})
print(an.run())
"""
    script = home.parent / "script.py"
    script.write_text(code)
    submitted = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    an = JobManager().get_analysis(job_id=submitted.stdout.strip())
    assert an.name == "work"
    assert an.labels == {"team": "demo"}
    an.wait_running_or_done()
    an.wait_done()
    assert an.status() == {"status": "SUCCEEDED", "jobs": {"SUCCEEDED": 2}}
    assert an.values("x") == ["a", "b"]
    assert [out.value("x") for out in an.get_outputs()] == ["a", "b"]
    assert an.get_output(1).file("f").as_local().read_text() == "text"
    an.logs(1)
    assert capsys.readouterr().out == "hello b\n"
    assert len(an.failures()) == 0
    assert an.retry_failed() == 0
    assert 'print("hello", ac.input)' in an.source
    an.terminate(0)
    an.delete()


def test_ids_that_are_none(home: Path):
    manager = JobManager()
    for text in (
        "",
        "x",
        "../../etc/passwd",
        None,
        3,
        "2023-05-08T000000_../x_17eb494f3d5349c88959bace7a6b7873",
    ):
        with pytest.raises(InvalidName, match="is not an analysis id"):
            manager.get_analysis(text)  # type: ignore[arg-type]
    with pytest.raises(NoSuchAnalysis, match=r"no analysis .* in the store"):
        manager.get_analysis("2023-05-08T000000_example_fn_17eb494f3d5349c88959bace7a6b7873")


def test_an_id_has_the_form_of_the_description(home: Path, capsys: pytest.CaptureFixture[str]):
    an = Analysis(function=work, input=1, name="example_fn")
    an.run()
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{6}_example_fn_[0-9a-f]{32}", an.id)
    line = capsys.readouterr().err.strip()
    clock = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"
    assert re.fullmatch(
        rf"{clock} \| INFO \| gencove_explorer\.analysis:run:\d+ - Analysis ID: {an.id}", line
    )
    stamp = datetime.strptime(an.id[:17], "%Y-%m-%dT%H%M%S").replace(tzinfo=UTC)
    assert abs(stamp - datetime.now(UTC)) < timedelta(seconds=30)


def test_every_filter(home: Path):
    now = datetime.now(UTC)
    recent = listed(home, now - timedelta(minutes=30), "Example_Fn")
    yesterday = listed(home, now - timedelta(hours=23), "other", user="bob")
    week = listed(home, now - timedelta(days=13), "another_example", user="bob")
    old = listed(home, datetime(2023, 5, 9, 12, 0, 1, tzinfo=UTC), "old")
    older = listed(home, datetime(2023, 4, 30, 23, 59, 59, tzinfo=UTC), "older")
    manager = JobManager()

    def ids(**filters):
        return [each.id for each in manager.list_jobs(**filters)]

    assert ids() == [recent, yesterday, week, old, older]
    assert ids(since="1h") == [recent]
    assert ids(since="1d") == [recent, yesterday]
    assert ids(since="2w") == [recent, yesterday, week]
    assert ids(since=3600) == ids(since=timedelta(hours=1)) == [recent]
    assert ids(date="2023-05-09") == [old]
    assert ids(date="2023-05-10") == []
    assert ids(date="2023-05") == [old]
    assert ids(date="2023-04") == [older]
    assert ids(date=date(2023, 5, 9)) == ids(date=datetime(2023, 5, 9, 3)) == [old]
    assert ids(since="2000w") == ids()
    assert ids(date="2023-12") == []
    assert ids(name="example") == [recent, week]
    assert ids(name="EXAMPLE_FN") == [recent]
    assert ids(name="") == ids()
    assert ids(user="bob") == [yesterday, week]
    assert ids(user="bob", since="1d") == [yesterday]
    assert ids(name="old", date="2023-05") == [old]
    for filters, message in (
        ({"since": "1x"}, "is not a length of time"),
        ({"since": "yesterday"}, "is not a length of time"),
        ({"date": "2023"}, "use a day"),
        ({"date": "2023-13"}, "use a day"),
        ({"date": "09.05.2023"}, "use a day"),
        ({"date": "20230509"}, "use a day"),
        ({"date": "2023-W19-2"}, "use a day"),
        ({"date": 2023}, "use a day"),
        ({"date": ""}, "use a day"),
        ({"since": "99999999w"}, "from nothing to 52000w"),
        ({"since": -1}, "from nothing"),
        ({"since": float("nan")}, "from nothing"),
        ({"since": True}, "is not a length of time"),
        ({"name": 3}, "name=3: use text"),
        ({"user": b"ann"}, "user=b'ann': use text"),
    ):
        with pytest.raises(InvalidFilter, match=message) as caught:
            manager.list_jobs(**filters)
        assert isinstance(caught.value, ValueError)


def test_a_list_prints_as_a_table(home: Path):
    assert repr(JobManager().list_jobs()) == "no analyses"
    an = Analysis(
        function=work, input=["<b>", "y"], job_definition=JobDefinition(cpu=1, memory_mb=300), name="table"
    )
    an.run()
    an.wait_done(timeout=WAIT)
    found = JobManager().list_jobs(since="1h")
    text = str(found)
    assert text.splitlines()[0].split() == ["ID", "Name", "User", "Submitted", "Jobs", "Status"]
    assert an.id in text
    assert text.endswith("SUCCEEDED")
    page = found._repr_html_()
    assert f"<td style='text-align:left'>{an.id}</td>" in page
    assert repr(found[0]) == f"<Analysis {an.id}>"
    many = [listed(home, datetime.now(UTC) - timedelta(seconds=second), f"n{second}") for second in range(60)]
    assert len(many) == 60
    assert "... and 11 more" in str(JobManager().list_jobs())


def test_strange_files_in_the_index_are_left_alone(home: Path):
    identifier = listed(home, datetime(2023, 5, 9, tzinfo=UTC), "fine")
    (home / "store" / "index" / "2023-05-09" / ".DS_Store").write_text("x")
    (home / "store" / "index" / "2023-05-09" / "notes.json").write_text("x")
    (home / "store" / "index" / "stray").write_text("x")
    assert [each.id for each in JobManager().list_jobs()] == [identifier]


def test_a_record_of_a_newer_explorer_says_so(home: Path):
    identifier = listed(home, datetime(2023, 5, 9, tzinfo=UTC), "newer")
    path = home / "store" / "index" / "2023-05-09" / f"{identifier}.json"
    path.chmod(0o600)
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(Exception, match="format 99, this Explorer reads up to 1"):
        JobManager().get_analysis(identifier)


def test_nothing_is_unpickled_for_it(home: Path, tmp_path: Path):
    # In the folder for temporary files, which every machine that a job may run on has.
    marker = Path(tempfile.gettempdir()) / f"{tmp_path.parent.name}-{tmp_path.name}-unpickled"
    note = f"import os; open({str(marker)!r}, 'a').write(f'{{os.getpid()}} ')"

    class Trap:
        def __reduce__(self):
            return (exec, (note,))

    an = Analysis(function=lambda ac: None, input={"trap": Trap()})
    an.run()
    an.wait_done(timeout=WAIT)
    again = JobManager().get_analysis(an.id)
    again.status()
    again.get_output()
    again.retry_failed()
    assert "lambda" in again.source
    assert again.run() != an.id  # not even to run it again
    again.terminate_all()
    again.wait_done(timeout=WAIT)
    if marker.exists():  # the jobs unpickle it, as they must, here or on another machine
        assert str(os.getpid()) not in marker.read_text().split()
        marker.unlink()
