"""What ``explorer doctor`` looks at: each piece of the configuration, and how to mend it."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from explorer_runner.errors import ExplorerError
from explorer_runner.format.payload import python_minor
from explorer_runner.system.patience import Patience
from gencove_explorer.aws.clients import AwsClients
from gencove_explorer.aws.errors import AwsError, UnreachableError, translate_errors
from gencove_explorer.doctor.check import Check
from gencove_explorer.executors.batch.images import Images
from gencove_explorer.records.open_store import open_configured_store
from gencove_explorer.settings import Settings


class _Wrong(Exception):
    """A piece that is not as it should be."""

    def __init__(self, found: str, mend: str) -> None:
        super().__init__(found)
        self.mend = mend


def check_batch(settings: Settings, aws: AwsClients | None = None) -> Iterator[Check]:
    """Look at all that a submission to AWS Batch needs, cheapest and most basic first."""
    looks = _Looks(settings, aws or AwsClients(settings.batch.region))
    for piece, look in looks.pieces().items():
        yield _run(piece, look)


def _run(piece: str, look: Callable[[], str]) -> Check:
    try:
        return Check(piece, True, look())
    except _Wrong as wrong:
        return Check(piece, False, str(wrong), wrong.mend)
    except AwsError as error:
        mend = "ask for the permission (docs/aws.md)" if "AccessDenied" in error.code else ""
        return Check(piece, False, str(error), mend)
    except ExplorerError as error:
        return Check(piece, False, str(error))


class _Looks:
    def __init__(self, settings: Settings, aws: AwsClients) -> None:
        self._settings = settings
        self._batch = settings.batch
        self._aws = aws

    def pieces(self) -> dict[str, Callable[[], str]]:
        return {
            "credentials": self._credentials,
            "region": lambda: self._aws.region,
            "store": self._store,
            "queue": self._queue,
            "compute environments": self._environments,
            "image": self._image,
            "job role": lambda: self._role(self._batch.job_role_arn, "JOB_ROLE_ARN"),
            "execution role": lambda: self._role(self._batch.execution_role_arn, "EXECUTION_ROLE_ARN"),
            "log group": self._log_group,
        }

    def _credentials(self) -> str:
        with translate_errors("the caller's identity"):
            return str(self._aws.client("sts").get_caller_identity()["Arn"])

    def _store(self) -> str:
        uri = self._settings.store
        if not uri.startswith("s3://"):
            raise _Wrong(f"{uri} is a folder, which jobs on AWS cannot reach", "set EXPLORER_STORE=s3://...")
        bucket = uri.removeprefix("s3://").partition("/")[0]
        with translate_errors(f"the bucket {bucket}"):
            head = self._aws.client("s3").head_bucket(Bucket=bucket)
        region = head.get("BucketRegion") or self._aws.region
        if region != self._aws.region:
            raise _Wrong(
                f"{uri} is in {region}, jobs run in {self._aws.region}",
                "use a bucket of the jobs' region, or set EXPLORER_BATCH__REGION",
            )
        store = open_configured_store(uri, region=self._aws.region, patience=Patience())
        key = f"doctor/{time.time_ns()}"
        store.create(key, b"")
        store.read(key)
        store.delete(key)
        return f"{uri} can be written, read and deleted in"

    def _queue(self) -> str:
        queue = self._described_queue()
        if queue["state"] != "ENABLED":
            raise _Wrong(f"{queue['jobQueueName']} is {queue['state']}", "enable it")
        if queue.get("status", "VALID") != "VALID":
            raise _Wrong(
                f"{queue['jobQueueName']}: {queue['status']} {queue.get('statusReason', '')}", "mend it"
            )
        return f"{queue['jobQueueName']} is enabled and valid"

    def _described_queue(self) -> dict[str, Any]:
        name = self._batch.queue
        if name is None:
            raise _Wrong(
                "batch.queue is not set", "set EXPLORER_BATCH__QUEUE, or [batch] queue in explorer.toml"
            )
        with translate_errors(f"the queue {name}"):
            queues = self._aws.client("batch").describe_job_queues(jobQueues=[name])["jobQueues"]
        if not queues:
            raise _Wrong(
                f"there is no queue {name} in {self._aws.region}",
                "check its name, and EXPLORER_BATCH__REGION (or AWS_REGION)",
            )
        return dict(queues[0])

    def _environments(self) -> str:
        names = [order["computeEnvironment"] for order in self._described_queue()["computeEnvironmentOrder"]]
        with translate_errors("the compute environments"):
            answer = self._aws.client("batch").describe_compute_environments(computeEnvironments=names)
        descriptions = []
        for environment in answer["computeEnvironments"]:
            name, state, status = (
                environment["computeEnvironmentName"],
                environment.get("state", "ENABLED"),
                environment.get("status", "VALID"),
            )
            if state != "ENABLED" or status != "VALID":
                why = environment.get("statusReason", "")
                raise _Wrong(
                    f"{name} is {state} and {status}: {why}", "jobs stay RUNNABLE until it is mended"
                )
            limit = environment.get("computeResources", {}).get("maxvCpus")
            descriptions.append(f"{name} ({limit} vCPUs at most)" if limit else name)
        return ", ".join(descriptions)

    def _image(self) -> str:
        if self._batch.image is None:
            raise _Wrong(
                "batch.image is not set", "set EXPLORER_BATCH__IMAGE to the runner image's repository"
            )
        return f"{Images(self._aws).pin(self._batch.image)} for Python {python_minor()}"

    def _role(self, arn: str | None, setting: str) -> str:
        if arn is None:
            raise _Wrong("not set", f"set EXPLORER_BATCH__{setting}")
        try:
            with translate_errors(f"the role {arn}"):
                self._aws.client("iam", attempts=1).get_role(RoleName=arn.rpartition("/")[2])
        except UnreachableError:
            # A private network may have no way to IAM, and jobs need none.
            return f"{arn} (IAM cannot be reached from here to look at it, which is fine)"
        except AwsError as error:
            if error.code == "NoSuchEntity":
                raise _Wrong(f"there is no role {arn}", f"check EXPLORER_BATCH__{setting}") from error
            if "AccessDenied" in error.code:
                return f"{arn} (you may not look at it, which is fine)"
            raise
        return arn

    def _log_group(self) -> str:
        name = self._batch.log_group
        if name is None:
            raise _Wrong(
                "not set", "set EXPLORER_BATCH__LOG_GROUP; jobs that run then have no logs to follow"
            )
        with translate_errors(f"the log group {name}"):
            groups = self._aws.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        group = next((group for group in groups if group["logGroupName"] == name), None)
        if group is None:
            raise _Wrong(f"there is no log group {name}", "make it: jobs cannot start without")
        days = group.get("retentionInDays")
        return f"{name}, kept {days} days" if days else f"{name}, kept for ever"
