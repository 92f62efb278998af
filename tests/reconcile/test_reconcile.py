"""Reconcile on the local executor: what runs again, and what does not."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis
from gencove_explorer.errors import ManifestError, PlanError
from gencove_explorer.job_manager import JobManager
from gencove_explorer.reconcile.plan import PlanOptions
from gencove_explorer.reconcile.revision import Revision
from gencove_explorer.reconcile.revision_store import Revisions
from gencove_explorer.session import Session
from support.repository import FIRST, FLAKY, SECOND, Repository, actions, written

EXPLORER = str(Path(sys.executable).with_name("explorer"))
BOTH = {"first": "unchanged", "second": "unchanged"}


def newest(project: str = "study") -> Revision:
    found = Revisions(Session().store, project).newest()
    assert found is not None
    return found


def test_a_commit_becomes_runs_whose_outputs_are_found_by_manifest(study: Repository):
    assert study.reconcile(wait=True) == {"first": "submit", "second": "submit"}
    second = JobManager().get_analysis(manifest="second")
    assert second.get_output().value("total") == 30
    assert second.dependency("first").values("unit") == ["g", "g"]
    assert [each.id for each in JobManager().list_jobs(name="second")] == [second.id]
    assert newest().commit == study.git("rev-parse", "HEAD")


def test_the_second_time_nothing_happens_and_nothing_is_written(study: Repository, home: Path):
    study.reconcile()
    before = written(home / "store" / "projects")
    assert study.reconcile() == BOTH  # while its jobs wait or run
    assert written(home / "store" / "projects") == before
    study.reconciler().wait()
    before = written(home / "store")
    assert study.reconcile(wait=True) == BOTH  # once they have ended
    assert written(home / "store") == before


def test_a_plan_tells_the_states_that_status_tells(study: Repository, tmp_path: Path):
    flag = tmp_path / "flag"
    waiting = f"while not os.path.exists({str(flag)!r}): time.sleep(0.1)"
    study.write("waits.py", f"def work(ac):\n    import os, time\n    {waiting}\n")
    study.write("waits.yaml", "version: 1\nname: waits\nfunction: waits.py:work\n")
    study.reconcile(select=["waits"])
    waits = JobManager().get_analysis(manifest="waits")
    while (state := waits.status()["status"]) not in ("RUNNING", "FAILED"):
        time.sleep(0.1)
    plan = study.reconciler().plan(PlanOptions(select=["waits"]))
    flag.touch()
    assert (state, [row.state for row in plan.rows]) == ("RUNNING", ["RUNNING"])


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (
            "first.yaml",
            FIRST,
            "# why\n" + "\n".join(reversed(FIRST.split("\n", 3)[:3])) + "\n" + FIRST.split("\n", 3)[3],
        ),
        ("first.yaml", "{b: 1, a: 2}", "{a: 2, b: 1}"),
        ("first.yaml", "[1, 2]", "\n  - 1 # one\n  - 2"),
        ("code.py", "return number", "# a comment\n\n    return   number"),
        ("code.py", "FACTOR = 10  # what every number is multiplied by", "FACTOR = 10"),
        ("code.py", "UNUSED = 1", "UNUSED = 2"),
    ],
)
def test_what_changes_nothing(study: Repository, file: str, old: str, new: str):
    study.reconcile()
    study.replace(file, old, new)
    study.commit()
    assert study.plan() == BOTH


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("code.py", "return number * FACTOR", "return number * FACTOR + 1", "function work"),
        ("code.py", "FACTOR = 10", "FACTOR = 11", "function work"),
        ("first.yaml", "[1, 2]", "[1, 3]", "input: 1 new, 1 removed of 2: 3, 2"),
        ("first.yaml", "[1, 2]", "[1, 2, 3]", "input: 1 new of 3: 3"),
        ("first.yaml", "a: 2", "a: 3", "global_config: a"),
        (
            "first.yaml",
            "version: 1",
            "version: 1\npip_packages: [tinypackage]",
            "pip_packages: + tinypackage",
        ),
        ("first.yaml", "memory_mb: 200", "memory_mb: 200, environment: {A: b}", "environment"),
        ("first.yaml", "memory_mb: 200", "memory_mb: 200, image: mine", "image None -> mine"),
    ],
)
def test_a_change_supersedes_that_run_and_those_that_depend_on_it(
    study: Repository, file: str, old: str, new: str, reason: str
):
    study.reconcile()
    study.replace(file, old, new)
    plan = study.reconciler().plan()
    assert actions(plan) == {"first": "supersede", "second": "supersede"}
    assert plan.rows[0].reason == reason
    assert plan.rows[1].reason == "first runs anew"
    assert (plan.rows[0].sources is not None) == reason.startswith("function")


def test_a_change_of_the_last_runs_the_last_alone(study: Repository):
    study.reconcile()
    study.replace("code.py", "sum(", "1 + sum(")
    assert study.reconcile(wait=True) == {"first": "unchanged", "second": "supersede"}
    assert JobManager().get_analysis(manifest="second").get_output().value("total") == 31


def test_the_superseded_run_is_stopped_and_keeps_its_outputs(study: Repository):
    study.write("slow.yaml", "version: 1\nname: slow\nfunction: slow.py:work\ninput: [0, 600]\n")
    slow = (
        "def work(ac):\n    import time\n    time.sleep(ac.input)\n    ac.output.value('slept', ac.input)\n"
    )
    study.write("slow.py", slow)
    study.reconcile(select=["slow"])
    old = JobManager().get_analysis(manifest="slow")
    next(iter(old.get_outputs()))
    study.replace("slow.yaml", "[0, 600]", "[0, 0]")
    assert study.reconcile(select=["slow"]) == {"slow": "supersede"}
    old.wait_done(60)
    assert old.status()["jobs"] == {"SUCCEEDED": 1, "FAILED": 1}
    assert old.get_output(0).value("slept") == 0
    study.reconciler().wait(PlanOptions(select=["slow"]))
    assert JobManager().get_analysis(manifest="slow").values("slept") == [0, 0]


def test_resources_re_run_nothing_and_the_next_attempt_has_them(study: Repository):
    study.write("bad.yaml", FIRST.replace("name: first", "name: bad").replace(":work", ":fails"))
    study.reconcile(wait=True)
    bad = JobManager().get_analysis(manifest="bad")
    assert bad.status()["jobs"] == {"SUCCEEDED": 1, "FAILED": 1}
    assert study.plan() == {"bad": "hold", **BOTH}
    study.replace("first.yaml", "memory_mb: 200", "memory_mb: 250, timeout_seconds: 99")
    assert study.reconcile() == {"bad": "hold", "first": "update", "second": "unchanged"}
    assert study.plan() == {"bad": "hold", **BOTH}
    study.replace("bad.yaml", "memory_mb: 200", "memory_mb: 250")
    assert study.reconcile(wait=True)["bad"] == "retry"
    rounds = bad.status()["rounds"]
    assert [(each["jobs"], each["changed"]) for each in rounds] == [(2, []), (1, ["memory_mb 200 -> 250"])]
    assert study.plan() == {"bad": "hold", **BOTH}  # it failed again, and burns no more


def test_a_failed_run_holds_until_it_is_released(study: Repository):
    study.write("bad.yaml", FIRST.replace("name: first", "name: bad").replace(":work", ":fails"))
    study.write("after.yaml", SECOND.replace("second", "after").replace("[first]", "[bad]"))
    study.reconcile(wait=True)
    assert study.plan() == {"after": "hold", "bad": "hold", **BOTH}
    reasons = {row.name: row.reason for row in study.reconciler().plan().rows}
    assert "1 of 2 jobs failed" in reasons["bad"]
    assert "two is too much" in reasons["bad"]
    assert reasons["after"] == "bad, which it depends on, has failed"
    assert study.reconcile(wait=True) == {"after": "hold", "bad": "hold", **BOTH}
    assert study.plan(rerun=["bad"]) == {"after": "supersede", "bad": "supersede", **BOTH}
    study.replace("code.py", "ac.input == 2", "ac.input == 3")
    study.replace("code.py", 'output.value("fine"', 'output.value("scaled"')
    assert study.reconcile(wait=True) == {"after": "supersede", "bad": "supersede", **BOTH}
    assert JobManager().get_analysis(manifest="after").status()["status"] == "FAILED"  # it asks for first


def test_on_failure_retries_the_failed_indices_alone(study: Repository, tmp_path: Path):
    flag = tmp_path / "flag"
    study.write("flaky.py", FLAKY)
    study.write(
        "flaky.yaml",
        f"version: 1\nname: flaky\nfunction: flaky.py:work\ninput: [0, 1, 0]\non_failure: retry_failed\n"
        f"global_config: {{flag: {flag}}}\n",
    )
    study.reconcile(wait=True, select=["flaky"])
    flag.touch()
    assert study.reconcile(wait=True, select=["flaky"]) == {"flaky": "retry"}
    flaky = JobManager().get_analysis(manifest="flaky")
    assert flaky.status()["jobs"] == {"SUCCEEDED": 3}
    assert [each["jobs"] for each in flaky.status()["rounds"]] == [3, 1]


def test_an_input_that_is_an_output_of_another(study: Repository):
    study.write("hits.py", "def work(ac):\n    ac.output.value('hits', ['x', 'y', 'z'])\n")
    study.write("hits.yaml", "version: 1\nname: hits\nfunction: hits.py:work\n")
    study.write("look.py", "def work(ac):\n    ac.output.value('seen', ac.input * 2)\n")
    study.write(
        "look.yaml",
        "version: 1\nname: look\nfunction: look.py:work\ninput: {output: {manifest: hits, value: hits}}\n",
    )
    assert study.reconcile(wait=True, select=["look"]) == {"hits": "submit", "look": "wait"}
    assert JobManager().get_analysis(manifest="look").values("seen") == ["xx", "yy", "zz"]
    assert study.plan(select=["look"]) == {"hits": "unchanged", "look": "unchanged"}
    study.replace("hits.py", "'z'", "'w'")
    assert study.plan(select=["look"]) == {"hits": "supersede", "look": "wait"}


def test_names_of_a_star_import_are_there_in_the_job(study: Repository):
    study.write("star.py", "from math import *\ndef work(ac):\n    ac.output.value('root', sqrt(ac.input))\n")
    study.write("star.yaml", "version: 1\nname: star\nfunction: star.py:work\ninput: 4\n")
    study.reconcile(wait=True, select=["star"])
    assert JobManager().get_analysis(manifest="star").get_output().value("root") == 2


def test_inputs_are_compared_by_content(study: Repository):
    study.write("rows.csv", "x,y\n1,a\n2,b\n")
    study.write("reads/NO.txt", "ACGT")
    study.write("samples.csv", "id,files.reads\nNO,reads/NO.txt\n")
    study.write("data/b.txt", "b")
    study.write("data/a.txt", "a")
    study.write(
        "each.py",
        "def row(ac):\n    ac.output.value('got', ac.input)\n"
        "def sample(ac):\n    text = ac.input.file('reads').as_local().read_text()\n"
        "    ac.output.value('got', [ac.input.id, text])\n"
        "def file(ac):\n    ac.output.value('got', ac.input.as_local().read_text())\n",
    )
    for name, function, given in (
        ("rows", "row", "{file: rows.csv}"),
        ("samples", "sample", "{file: samples.csv}"),
        ("files", "file", "{objects: 'data/*.txt'}"),
    ):
        study.write(
            f"{name}.yaml", f"version: 1\nname: {name}\nfunction: each.py:{function}\ninput: {given}\n"
        )
    chosen = ["rows", "samples", "files"]
    study.reconcile(wait=True, select=chosen)

    def got(name: str) -> object:
        return JobManager().get_analysis(manifest=name).values("got")

    assert got("rows") == [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]
    assert got("samples") == [["NO", "ACGT"]]
    assert got("files") == ["a", "b"]
    assert set(study.plan(select=chosen).values()) == {"unchanged"}
    study.write("rows.csv", '"x",y\r\n1,a\r\n2,b\r\n')  # the same rows
    study.write("reads/NO.txt", "ACGA")
    study.write("data/c.txt", "c")
    assert study.plan(select=chosen) == {"rows": "unchanged", "samples": "supersede", "files": "supersede"}


def test_a_large_sheet_is_read_and_one_that_is_too_long_refused(study: Repository):
    row = "x" * 1100
    study.write("rows.py", "def work(ac):\n    print(ac.input)\n")
    study.write("rows.yaml", "version: 1\nname: rows\nfunction: rows.py:work\ninput: {file: rows.csv}\n")
    study.write("rows.csv", "n,text\n" + "".join(f"{number},{row}\n" for number in range(10_000)))
    assert (study.folder / "rows.csv").stat().st_size > 10 << 20
    plan = study.reconciler().plan(PlanOptions(select=["rows"]))
    assert plan.wanted["rows"].specification.input["jobs"] == 10_000
    with open(study.folder / "rows.csv", "a") as file:
        file.write("10000,one too many\n")
    with pytest.raises(ManifestError, match=r"rows.yaml:4: input: the input has 10,001 elements"):
        study.plan()


def test_a_renamed_or_moved_manifest_keeps_its_run(study: Repository):
    study.reconcile(wait=True)
    before = newest().entries["first"].id
    study.git("mv", "manifests/first.yaml", "manifests/renamed.yaml")
    assert study.plan() == BOTH  # another file
    study.replace("renamed.yaml", "name: first", "name: renamed")
    study.replace("second.yaml", "[first]", "[renamed]")
    study.replace("code.py", 'dependency("first")', 'dependency("renamed")')
    assert study.reconcile(wait=True) == {"renamed": "adopt", "second": "supersede"}
    assert newest().entries["renamed"].id == before
    assert JobManager().get_analysis(manifest="second").get_output().value("total") == 30


def test_what_has_no_manifest_stays_until_it_is_pruned(study: Repository):
    study.reconcile(wait=True)
    second = JobManager().get_analysis(manifest="second")
    (study.folder / "second.yaml").unlink()
    assert study.reconcile() == {"first": "unchanged", "second": "gone"}
    assert study.reconcile(prune=True) == {"first": "unchanged", "second": "retire"}
    assert study.plan(prune=True) == {"first": "unchanged"}
    assert second.get_output().value("total") == 30
    (study.folder / "first.yaml").unlink()
    with pytest.raises(PlanError, match="taken for a wrong folder"):
        study.reconcile(prune=True)


def test_an_older_commit_is_refused(study: Repository):
    old = study.git("rev-parse", "HEAD")
    study.replace("code.py", "FACTOR = 10", "FACTOR = 11")
    study.commit()
    study.reconcile()
    study.git("checkout", "--quiet", old)
    with pytest.raises(PlanError, match=r"is older than .* pull, or say --allow-older"):
        study.reconcile()
    plan = study.reconciler(allow_older=True).plan()
    assert actions(plan) == {"first": "supersede", "second": "supersede"}


def test_a_commit_that_the_clone_does_not_have_is_refused(study: Repository, tmp_path: Path):
    study.reconcile()
    study.git("checkout", "--quiet", "--orphan", "other")
    study.write("notes.txt", "no common history")
    study.commit()
    study.git("branch", "--quiet", "-D", "main")
    study.git("reflog", "expire", "--expire=now", "--all")
    study.git("gc", "--quiet", "--prune=now")
    with pytest.raises(PlanError, match="this clone does not have"):
        study.reconcile()


def test_two_projects_of_one_store_do_not_touch(study: Repository, monkeypatch: pytest.MonkeyPatch):
    study.reconcile()
    first = newest()
    monkeypatch.setenv("EXPLORER_PROJECT", "other")
    assert study.plan(prune=True) == {"first": "submit", "second": "submit"}
    study.reconcile(prune=True)
    assert newest("study") == first
    assert {each.id for each in newest("other").entries.values()}.isdisjoint(
        each.id for each in first.entries.values()
    )


def test_of_two_at_once_one_revision_wins_and_nothing_runs_twice(study: Repository):
    barrier = threading.Barrier(4)
    plans = []

    def run() -> None:
        reconciler = study.reconciler(Session())
        barrier.wait()
        plans.append(actions(reconciler.reconcile()))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(plans) == 4
    assert newest().number == 1
    study.reconciler().wait()
    assert len(JobManager().list_jobs()) == 2
    assert JobManager().get_analysis(manifest="second").get_output().value("total") == 30


def test_a_saved_plan_is_applied_to_what_it_was_made_from_alone(study: Repository, tmp_path: Path):
    saved = tmp_path / "plan.json"
    assert explorer(study, "plan", "--out", str(saved)).returncode == 3
    assert json.loads(saved.read_text())["revision"] == 0
    assert explorer(study, "reconcile", "--plan", str(saved)).returncode == 0
    again = explorer(study, "reconcile", "--plan", str(saved))
    assert again.returncode == 1
    assert "is not what would happen now, at revision 1" in again.stderr
    assert newest().number == 1


def test_half_of_it_is_never_applied(study: Repository, home: Path):
    study.write("broken.yaml", FIRST.replace("name: first", "name: broken").replace("[1, 2]", "[]"))
    study.write("escape.yaml", FIRST.replace("name: first", "name: escape").replace("code.py", "../../x.py"))
    study.write("syntax.py", "def work(ac):\n    return (\n")
    study.write("syntax.yaml", "version: 1\nname: syntax\nfunction: syntax.py:work\n")
    study.write("circle.yaml", SECOND.replace("second", "circle").replace("first", "circle2"))
    study.write("circle2.yaml", SECOND.replace("second", "circle2").replace("first", "circle"))
    study.write("again.yaml", FIRST)
    with pytest.raises(ManifestError) as caught:
        study.reconcile()
    said = "\n".join(map(str, caught.value.faults))
    for expected in (
        "manifests/broken.yaml:4: input: the input is an empty list",
        "manifests/escape.yaml:3: function: ../../x.py leads out of the repository",
        "manifests/syntax.yaml:3: function: syntax.py, line 2: is not Python",
        "the dependencies go in a circle: circle -> circle2 -> circle",
        "manifests/first.yaml:2: name: 'first' is the name of manifests/again.yaml too",
    ):
        assert expected in said, said
    assert not (home / "store" / "projects").exists()


def test_what_cannot_be_submitted_is_refused_before_anything_is_written(study: Repository, home: Path):
    study.write("needs.py", "import numpy as np\ndef work(ac):\n    np.zeros(3)\n")
    study.write("needs.yaml", "version: 1\nname: needs\nfunction: needs.py:work\n")
    with pytest.raises(Exception, match="needs"):
        study.reconcile()
    assert not (home / "store" / "projects").exists()
    assert not (home / "store" / "index").exists()


def explorer(study: Repository, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [EXPLORER, *arguments],
        cwd=study.root,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_commands_and_their_exit_codes(study: Repository):
    assert explorer(study, "validate").stdout == "2 manifests in manifests are fine.\n"
    plan = explorer(study, "plan")
    assert plan.returncode == 3
    assert plan.stdout.splitlines()[-1] == "2 to submit."
    done = explorer(study, "reconcile", "--wait")
    assert (done.returncode, "SUCCEEDED" in done.stdout) == (0, True), done.stderr
    plan = explorer(study, "plan")
    assert (plan.returncode, plan.stdout.splitlines()[-1]) == (0, "Nothing to do: 2 manifests.")
    study.replace("code.py", "FACTOR = 10", "FACTOR = 11")
    markdown = explorer(study, "plan", "--format", "markdown").stdout
    assert markdown.startswith("<!-- explorer plan study -->\n")
    assert "-FACTOR = 10  # what every number is multiplied by\n+FACTOR = 11" in markdown
    assert explorer(study, "plan", "--rerun", "nobody").returncode == 1
    assert explorer(study, "plan", "--format", "xml").returncode == 2
    assert explorer(study, "plan", "elsewhere").returncode == 1
    rows = json.loads(explorer(study, "plan", "--json").stdout)["rows"]
    assert [row["action"] for row in rows] == ["supersede", "supersede"]
    explorer(study, "reconcile", "--wait")
    history = json.loads(explorer(study, "history", "first", "--json").stdout)
    assert [each["changes"]["first"]["action"] for each in history] == ["supersede", "submit"]
    assert "supersede first, supersede second" in explorer(study, "history").stdout
    study.write("bad.yaml", "nonsense: 1\n")
    bad = explorer(study, "validate")
    assert (bad.returncode, "Traceback" in bad.stderr) == (1, False)
    assert "manifests/bad.yaml:1: nonsense: is not a key here" in bad.stderr
    assert explorer(study, "plan").returncode == 1


def test_an_interrupted_wait_leaves_the_jobs_alone(study: Repository):
    study.write("slow.py", "def work(ac):\n    import time\n    time.sleep(2)\n    ac.output.value('x', 1)\n")
    study.write("slow.yaml", "version: 1\nname: slow\nfunction: slow.py:work\n")
    waiting = subprocess.Popen(
        [EXPLORER, "reconcile", "--select", "slow", "--wait"],
        cwd=study.root,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert waiting.stderr is not None
    while "slow: submitted as" not in (line := waiting.stderr.readline()):
        assert line
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=60)
    assert (waiting.returncode, "what was submitted goes on" in said) == (130, True)
    slow = JobManager().get_analysis(manifest="slow")
    slow.wait_done(60)
    assert slow.get_output().value("x") == 1


def test_a_manifest_is_the_analysis_that_a_notebook_would_have_built(study: Repository):
    second = Analysis.from_manifest(study.folder / "second.yaml")
    second.run()
    second.wait_done(60)
    assert second.get_output().value("total") == 30
    assert second.dependency("first").values("scaled") == [10, 20]
