"""Reconcile on AWS Batch: what is asked for a plan, and what is refused."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from gencove_explorer.errors import ManifestError, PlanError, SubmissionError
from gencove_explorer.job_manager import JobManager
from gencove_explorer.reconcile.plan import PlanOptions
from gencove_explorer.records.round import RoundRecord
from gencove_explorer.session import Session
from localcloud.provision import open_client
from localcloud.run import RunningCloud
from support.repository import FIRST, Repository, actions


def test_manifests_run_on_batch(cloud_study: Repository):
    assert cloud_study.reconcile(wait=True) == {"first": "submit", "second": "submit"}
    assert JobManager().get_analysis(manifest="second").get_output().value("total") == 30
    assert cloud_study.plan() == {"first": "unchanged", "second": "unchanged"}


def test_another_default_image_changes_nothing(cloud_study: Repository, monkeypatch: pytest.MonkeyPatch):
    cloud_study.reconcile()
    monkeypatch.setenv("EXPLORER_BATCH__IMAGE", "another-repository")
    assert cloud_study.reconcile() == {"first": "unchanged", "second": "unchanged"}


def test_a_plan_asks_a_constant_number_of_times(cloud_study: Repository, cloud: RunningCloud):
    cloud_study.reconcile(wait=True)

    def asked(by: Callable[[], object] = cloud_study.plan) -> Counter[str]:
        before = len(cloud.requests())
        by()
        return Counter(each["action"] for each in cloud.requests(before) if each["key"] == "submitter")

    two = asked()
    for number in range(8):
        cloud_study.write(f"more-{number}.yaml", FIRST.replace("first", f"more-{number}"))
    cloud_study.commit()
    cloud_study.reconcile(wait=True)
    assert asked() == two
    assert sum(two.values()) == 2
    assert asked(cloud_study.reconcile) == two  # where nothing is to be done


def test_a_tree_that_is_not_committed_is_refused(cloud_study: Repository):
    cloud_study.replace("code.py", "FACTOR = 10", "FACTOR = 11")
    with pytest.raises(PlanError, match=r"is not committed, .* say --allow-dirty"):
        cloud_study.reconcile()
    assert cloud_study.plan() == {"first": "submit", "second": "submit"}
    assert actions(cloud_study.reconciler(allow_dirty=True).reconcile()) == {
        "first": "submit",
        "second": "submit",
    }
    assert cloud_study.reconcile() == {"first": "unchanged", "second": "unchanged"}


def test_files_of_the_repository_are_refused_before_anything_is_written(cloud_study: Repository):
    cloud_study.write("reads/NO.txt", "ACGT")
    cloud_study.write("samples.csv", "id,files.reads\nNO,reads/NO.txt\n")
    cloud_study.replace("first.yaml", "[1, 2]", "{file: samples.csv}")
    cloud_study.commit()
    with pytest.raises(SubmissionError, match=r"first.yaml: input: manifests/reads/NO.txt is a file of the"):
        cloud_study.reconcile()
    assert cloud_study.reconciler().revisions.newest() is None


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_so_are_those_that_all_jobs_share(cloud_study: Repository, scheme: str):
    path = cloud_study.write("ref.fa", "ACGT")
    address = f"{scheme}{path}" if scheme else "ref.fa"
    cloud_study.replace("first.yaml", "{b: 1, a: 2}", f"{{b: 1, ref: {{files: '{address}'}}}}")
    cloud_study.commit()
    with pytest.raises(SubmissionError, match=r"global_config.ref: manifests/ref.fa is a file of"):
        cloud_study.reconcile()
    assert cloud_study.reconciler().revisions.newest() is None


def data_bucket(cloud: RunningCloud) -> str:
    """The bucket that the policies let jobs read."""
    s3 = open_client("s3", cloud.endpoint)
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket="data")
    return "data"


def test_objects_of_a_bucket_are_compared_by_their_etags(cloud_study: Repository, cloud: RunningCloud):
    s3, bucket = open_client("s3", cloud.endpoint), data_bucket(cloud)
    for key in ("runs/a.txt", "runs/b.txt", "runs/deep/c.txt", "runs/a.md"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    cloud_study.write(
        "objects.py", "def work(ac):\n    ac.output.value('text', ac.input.as_local().read_text())\n"
    )
    text = f"version: 1\nname: objects\nfunction: objects.py:work\ninput: {{objects: s3://{bucket}/runs/*.txt}}\n"
    cloud_study.write("objects.yaml", text)
    cloud_study.commit()
    chosen = {"select": ["objects"]}
    cloud_study.reconcile(wait=True, **chosen)
    assert JobManager().get_analysis(manifest="objects").values("text") == ["runs/a.txt", "runs/b.txt"]
    assert cloud_study.plan(**chosen) == {"objects": "unchanged"}
    s3.put_object(Bucket=bucket, Key="runs/b.txt", Body=b"other")
    plan = cloud_study.reconciler().plan(PlanOptions(**chosen))
    assert (plan.rows[0].action, plan.rows[0].reason) == ("supersede", "input: 1 changed of 2: b.txt")
    cloud_study.replace("objects.yaml", "*.txt", "**/*.txt")
    reason = cloud_study.reconciler().plan(PlanOptions(**chosen)).rows[0].reason
    assert reason == "input: 1 new, 1 changed of 3: c.txt, b.txt"
    cloud_study.replace("objects.yaml", "**/*.txt", "*.bam")
    with pytest.raises(ManifestError, match="nothing matches"):
        cloud_study.plan()


def test_objects_that_all_jobs_share_are_compared_by_their_etags(
    cloud_study: Repository, cloud: RunningCloud
):
    s3, bucket = open_client("s3", cloud.endpoint), data_bucket(cloud)
    s3.put_object(Bucket=bucket, Key="panel/a.txt", Body=b"A")
    cloud_study.write(
        "panel.py",
        "def work(ac):\n    texts = [each.as_local().read_text() for each in ac.global_config.panel]\n"
        "    ac.output.value('texts', texts)\n",
    )
    config = f"{{panel: {{objects: 's3://{bucket}/panel/*.txt'}}}}"
    text = f"version: 1\nname: panel\nfunction: panel.py:work\nglobal_config: {config}\n"
    cloud_study.write("panel.yaml", text)
    cloud_study.commit()
    cloud_study.reconcile(wait=True, select=["panel"])
    assert JobManager().get_analysis(manifest="panel").get_output().value("texts") == ["A"]
    assert cloud_study.plan(select=["panel"]) == {"panel": "unchanged"}
    s3.put_object(Bucket=bucket, Key="panel/a.txt", Body=b"B")
    row = cloud_study.reconciler().plan(PlanOptions(select=["panel"])).rows[0]
    assert (row.action, row.reason) == ("supersede", "global_config: panel")


def test_what_a_process_left_unlisted_is_submitted_however_late(cloud_study: Repository):
    """A reconcile died between the record of a round and its listing; the next one comes a day later."""
    session = Session()
    store = session.store

    class Killed(Exception):
        pass

    class Dying:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def create(self, key: str, data: bytes) -> None:
            if not key.endswith("/rounds/0.json"):
                return store.create(key, data)
            record = RoundRecord.from_json(data, key)
            store.create(key, replace(record, submitted=record.submitted - 24 * 3600).to_json())
            raise Killed

    session.store = Dying()  # type: ignore[assignment]
    with pytest.raises(Killed):
        cloud_study.reconciler(session).reconcile()
    assert cloud_study.reconcile(wait=True) == {"first": "resume", "second": "resume"}
    assert cloud_study.plan() == {"first": "unchanged", "second": "unchanged"}
