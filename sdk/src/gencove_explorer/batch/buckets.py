"""Buckets of inputs, looked at before ten thousand jobs do."""

from gencove_explorer.aws_errors import AwsError, errors
from gencove_explorer.batch.aws import Aws
from gencove_explorer.errors import SubmissionError


def check(aws: Aws, bucket: str) -> None:
    """Raise SubmissionError unless a bucket is there, may be looked at, and is in the jobs' region."""
    try:
        with errors(f"the bucket {bucket}"):
            found = aws.client("s3").head_bucket(Bucket=bucket)
    except AwsError as error:
        why = {
            "404": f"there is no bucket {bucket}",
            "403": f"you may not look at the bucket {bucket} (s3:ListBucket); jobs may not read it either",
        }.get(error.code)
        if why is None:
            raise
        raise SubmissionError(f"inputs lie in s3://{bucket}, and {why}") from error
    region = found.get("BucketRegion") or found["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    if region and region != aws.region:
        raise SubmissionError(
            f"inputs lie in s3://{bucket}, in the region {region}; jobs run in {aws.region}: copy them to a "
            "bucket there, which is faster and spares the transfer's cost"
        )
