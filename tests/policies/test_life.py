"""A whole life of analyses: the policies allow all that is asked, and nothing that is not."""

import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gencove_explorer.analysis import Analysis
from gencove_explorer.cli import explorer
from gencove_explorer.job_manager import JobManager
from gencove_explorer.models import File
from localcloud.provision import open_client
from localcloud.run import RunningCloud
from support.policies.audit import NAMES, ROLES, collect, find_refused
from support.policies.documents import render

LARGE = 20 << 20
UNSEEN = {"s3:AbortMultipartUpload"}
"""What happens when an upload fails half-way."""
IDLE = {("job", "ListData"), ("submit", "SubmitWithLimit")}
"""Only with the first does S3 tell a job that an input is missing, and not that it may not be read. Whether
SubmitJob is judged by the consumable resources that it names, no page of AWS's tells."""


def job(ac):
    import mine

    ac.output.value("x", mine.VALUE)
    if ac.input is None:
        raise ValueError("bad")
    ac.output.file("note").as_local().write_text(ac.input.as_local().read_text() + "x" * (20 << 20))


def after(ac):
    ac.output.value("sum", sum(ac.dependency("before").values("x")))


def failing(ac):
    raise ValueError("no")


def waiting(ac):
    import time

    time.sleep(600)


def package(folder: Path) -> Path:
    folder.mkdir()
    (folder / "mine.py").write_text("VALUE = 7\n")
    (folder / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\n')
    return folder


def command(*arguments: str) -> None:
    done = CliRunner().invoke(explorer, arguments)
    assert done.exit_code == 0, done.output


def submit_and_delete(tmp_path: Path) -> str:
    """All that a submitter does; returns the id of an analysis that is left."""
    command("doctor")
    given = File("s3://data/note.txt")
    packages = [str(package(tmp_path / "mine"))]
    an = Analysis(function=job, input=[given, None], name="work", pip_packages=packages)
    an.run()
    an.logs(0, live=True)
    an.wait_done(timeout=100)
    assert an.status()["jobs"] == {"SUCCEEDED": 1, "FAILED": 1}
    an.retry_failed()
    an.wait_done(timeout=60)
    before = Analysis(function=job, input=given, name="before", pip_packages=packages)
    second = Analysis(function=after, depends_on=[before])
    before.run()
    second.run()
    second.wait_done(timeout=60)
    assert second.get_output().value("sum") == 7
    again = Analysis(function=after, depends_on=[before])
    again.run(reuse=True)
    assert again.status()["reused"] == 1
    again.delete()
    halted = Analysis(function=failing, input=list(range(30)))
    halted.run(max_failures=1, parallel=1)
    halted.wait_done(timeout=60)
    assert "max_failures=1" in halted.status(29)["reason"]
    halted.delete()
    ended = Analysis(function=waiting, input=[1, 2])
    ended.run(parallel=2)
    ended.terminate(0)
    ended.terminate_all()
    ended.wait_done(timeout=60)
    ended.delete()
    return an.id


def look(analysis_id: str) -> None:
    """All that somebody does who only looks."""
    command("list")
    command("status", analysis_id)
    found = JobManager().get_analysis(job_id=analysis_id)
    assert found.get_output(0).value("x") == 7
    assert len(found.get_output(0).file("note").as_local().read_text()) > LARGE
    found.logs(0)


def forget_definitions(cloud: RunningCloud) -> None:
    """Let a definition be registered here, though tests before this one have registered the same."""
    batch = open_client("batch", cloud.endpoint)
    for definition in batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]:
        batch.deregister_job_definition(jobDefinition=definition["jobDefinitionArn"])


@pytest.fixture
def data(cloud: RunningCloud) -> None:
    s3 = open_client("s3", cloud.endpoint)
    if "data" not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="note.txt", Body=b"note")


def test_what_is_asked_is_allowed_and_every_statement_is_needed(
    cloud_home: Path, cloud: RunningCloud, data: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    forget_definitions(cloud)
    left = {"consumableResourceName": "explorer-left", "totalQuantity": 1}  # which the next one looks at
    open_client("batch", cloud.endpoint).create_consumable_resource(**left)
    before = len(cloud.requests())
    an_id = submit_and_delete(tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "reader")
        look(an_id)
    requests = cloud.requests(before)
    asked = collect(requests)
    assert {role for role, _ in asked} == set(ROLES.values())

    documents = render(tmp_path / "stack", NAMES)
    assert find_refused(asked, documents) == []
    for role in ("job", "submit"):
        allowed = actions(documents[role])
        assert allowed - {question.action for one, question in asked if one == role} <= UNSEEN
        for each in documents[role]["Statement"]:
            needed = bool(refused_without(each, role, asked, documents))
            assert needed or (role, each["Sid"]) in IDLE, each

    prefix = os.environ["EXPLORER_STORE"].removeprefix("s3:/")
    written = {each["path"] for each in requests if each["key"] == "job" and each["action"] == "PutObject"}
    analyses = {path.removeprefix(f"{prefix}/analyses/").split("/")[0] for path in written}
    assert an_id in analyses
    assert all(each.startswith(an_id[:10]) for each in analyses)


def actions(document: dict[str, Any]) -> set[str]:
    """All actions of a document."""
    named = (each["Action"] for each in document["Statement"])
    return {action for each in named for action in ([each] if isinstance(each, str) else each)}


def refused_without(
    statement: dict[str, Any], role: str, asked: list[Any], documents: dict[str, Any]
) -> list[Any]:
    """What would be refused if a policy had not this statement."""
    left = [each for each in documents[role]["Statement"] if each is not statement]
    own = [(one, question) for one, question in asked if one == role]
    return find_refused(own, {role: {**documents[role], "Statement": left}})
