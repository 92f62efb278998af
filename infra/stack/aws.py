"""What is asked of AWS beside Terraform: the bucket of its state, and buckets that it does not empty."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gencove_explorer.aws.clients import AwsClients
from gencove_explorer.aws.errors import REFUSED, AwsError, translate_errors
from gencove_explorer.errors import ExecutorError
from stack.bucket import secure
from stack.steps import StepFailed

_STALE = ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "RequestExpired")


class Account:
    """An AWS account, in one region, as AWS's own variables and profiles say."""

    def __init__(self, region: str) -> None:
        self.region = region
        self._aws = AwsClients(region)
        with step_errors("the AWS configuration"):
            self.number = str(self.client("sts").get_caller_identity()["Account"])

    def client(self, service: str) -> Any:
        """boto3's client of a service."""
        return self._aws.client(service)

    @property
    def session(self) -> Any:
        """boto3's session, for clients of other settings."""
        return self._aws.session

    def has_bucket(self, name: str) -> bool:
        """Whether a bucket is there and ours. Raises StepFailed where it is somebody else's."""
        from botocore.exceptions import ClientError

        with step_errors(f"the bucket {name}"):
            try:
                head = self.client("s3").head_bucket(Bucket=name, ExpectedBucketOwner=self.number)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return False
                raise
        region = head.get("BucketRegion") or self.region
        if region != self.region:
            raise StepFailed(
                f"the bucket {name} is in {region}: that is the stack's region, say REGION={region}"
            )
        return True

    def make_state_bucket(self, name: str, stack: str) -> None:
        """A bucket for the state of a stack; one that is there is brought up to the standard."""
        s3 = self.client("s3")
        if not self.has_bucket(name):
            # us-east-1 is the region that must not be named (CreateBucket's documentation).
            place = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
            with step_errors(f"making the bucket {name}"):
                s3.create_bucket(Bucket=name, **(place if self.region != "us-east-1" else {}))
        # A cloud that is reached without TLS is a local one: it would refuse us.
        tls = s3.meta.endpoint_url.startswith("https:")
        partition = self.session.get_partition_for_region(self.region)
        with step_errors(f"closing the bucket {name}"):
            secure(s3, name, stack=stack, tls_only=tls, partition=partition)

    def keys(self, bucket: str) -> Iterator[str]:
        """Keys of a bucket's objects, in their order."""
        with step_errors(f"the bucket {bucket}"):
            for page in self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket):
                yield from (each["Key"] for each in page.get("Contents", []))

    def snapshots(self, volumes: list[str]) -> list[str]:
        """Snapshots that there are of volumes."""
        asked = [{"Name": "volume-id", "Values": volumes}]
        with step_errors("the snapshots"):
            found = self.client("ec2").describe_snapshots(OwnerIds=["self"], Filters=asked) if volumes else {}
        return [each["SnapshotId"] for each in found.get("Snapshots", [])]

    def empty(self, bucket: str) -> None:
        """Remove every version of every object, and unfinished uploads; no bucket is fine."""
        if not self.has_bucket(bucket):
            return
        with step_errors(f"emptying the bucket {bucket}"):
            found = self.session.resource("s3").Bucket(bucket)
            for answer in found.object_versions.delete():
                if answer.get("Errors"):
                    first = answer["Errors"][0]
                    raise StepFailed(f"{bucket}: {first['Key']} stays: {first.get('Message')}")
            for upload in found.multipart_uploads.all():
                upload.abort()

    def delete_bucket(self, bucket: str) -> None:
        """Remove a bucket with all that is in it; none is fine."""
        if self.has_bucket(bucket):
            self.empty(bucket)
            with step_errors(f"removing the bucket {bucket}"):
                self.client("s3").delete_bucket(Bucket=bucket)


@contextmanager
def step_errors(what: str) -> Iterator[None]:
    """Turn what AWS refuses into StepFailed: what was wanted, and what to do."""
    try:
        with translate_errors(what):
            yield
    except ExecutorError as error:
        code = error.code if isinstance(error, AwsError) else ""
        hint = ""
        if code in _STALE:
            hint = "; log in again (aws sso login), or renew the keys"
        elif code in REFUSED:
            hint = "; it is another account's, or your role may not: choose another NAME, or another role"
        raise StepFailed(f"{error}{hint}") from error
