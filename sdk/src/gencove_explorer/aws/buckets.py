"""Buckets of inputs: listed, and checked before ten thousand jobs read them."""

from collections.abc import Iterator
from itertools import islice

from gencove_explorer.aws.clients import AwsClients
from gencove_explorer.aws.errors import AwsError, translate_errors
from gencove_explorer.errors import SubmissionError

_REFUSED = ("AccessDenied", "403", "InvalidObjectState")
"""The last is of one that is archived."""
_KMS = "KMS."


def check_bucket(aws: AwsClients, bucket: str) -> None:
    """Raise SubmissionError unless a bucket is there, may be looked at, and is in the jobs' region."""
    try:
        with translate_errors(f"the bucket {bucket}"):
            answer = aws.client("s3").head_bucket(Bucket=bucket)
    except AwsError as error:
        why = {
            "404": f"there is no bucket {bucket}",
            "403": f"you may not look at the bucket {bucket} (s3:ListBucket); jobs may not read it either",
        }.get(error.code)
        if why is None:
            raise
        raise SubmissionError(f"inputs lie in s3://{bucket}, and {why}") from error
    region = answer.get("BucketRegion") or answer["ResponseMetadata"]["HTTPHeaders"].get(
        "x-amz-bucket-region"
    )
    if region and region != aws.region:
        raise SubmissionError(
            f"inputs lie in s3://{bucket}, in the region {region}; jobs run in {aws.region}: copy them to a "
            "bucket there, which is faster and spares the transfer's cost"
        )


def check_object(aws: AwsClients, bucket: str, key: str) -> None:
    """Raise SubmissionError if an object of a bucket may not be read, for a reason that is the bucket's.

    Its first byte is read: HEAD is answered without words, and of an encrypted object without its key.
    One that is not there may come until jobs run.
    """
    failure = _refusal(aws, bucket, key)
    if failure is None:
        return
    where = f"inputs lie in s3://{bucket}, and s3://{bucket}/{key} may not be read"
    if "kms:" in str(failure) or failure.code.startswith(_KMS):
        raise SubmissionError(
            f"{where}: the bucket is encrypted with a key of KMS. Name that key in Terraform's kms_key_arns, "
            f"for jobs and for you, or let its policy allow both kms:Decrypt ({failure})"
        ) from failure
    if _refusal(aws, bucket, key, RequestPayer="requester") is None:
        raise SubmissionError(
            f"{where} but by who pays for it (requester pays), which jobs do not: copy what they need to a "
            f"bucket of yours (aws s3 cp --request-payer requester s3://{bucket}/{key} s3://...)"
        ) from failure
    raise SubmissionError(f"{where}; jobs may not read it either ({failure})") from failure


def _refusal(aws: AwsClients, bucket: str, key: str, **how: str) -> AwsError | None:
    """What S3 answers if an object may not be read; None if it may be read, or is not there."""
    try:
        with translate_errors(f"the object s3://{bucket}/{key}"):
            answer = aws.client("s3").get_object(Bucket=bucket, Key=key, Range="bytes=0-0", **how)
            answer["Body"].close()
    except AwsError as error:
        return error if error.code in _REFUSED or error.code.startswith(_KMS) else None
    return None


class BucketLister:
    """Lists the objects of buckets, for inputs of manifests that are patterns."""

    def __init__(self, aws: AwsClients) -> None:
        self._aws = aws

    def list(self, bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
        """A request for every thousand objects. Raises ExecutorError."""
        with translate_errors(f"the objects of s3://{bucket}/{prefix}"):
            pages = (
                self._aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"], entry["ETag"]

    def list_versions(
        self, bucket: str, prefix: str, most_pages: int
    ) -> Iterator[tuple[str, str, int, float]]:
        """Key, ETag, size and time of writing (seconds since 1970) of the objects of one folder.

        A request for every thousand objects, at most ``most_pages``. Raises ExecutorError.
        """
        with translate_errors(f"the objects of s3://{bucket}/{prefix}"):
            pages = (
                self._aws.client("s3")
                .get_paginator("list_objects_v2")
                .paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
            )
            for page in islice(pages, most_pages):
                for entry in page.get("Contents", ()):
                    yield entry["Key"], entry["ETag"], entry["Size"], entry["LastModified"].timestamp()

    def version(self, bucket: str, key: str) -> tuple[str, int, float]:
        """ETag, size and time of writing of one object. Raises ExecutorError."""
        with translate_errors(f"the object s3://{bucket}/{key}"):
            facts = self._aws.client("s3").head_object(Bucket=bucket, Key=key)
        return facts["ETag"], facts["ContentLength"], facts["LastModified"].timestamp()
