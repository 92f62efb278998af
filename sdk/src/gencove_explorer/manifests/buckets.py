"""What lies in buckets, listed for inputs that are patterns of objects."""

from collections.abc import Iterator

from gencove_explorer.aws.clients import Aws
from gencove_explorer.aws.errors import errors


class Buckets:
    """See gencove_explorer.manifests.inputs.Objects."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def list(self, bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
        """A request for every thousand objects. Raises ExecutorError."""
        with errors(f"the objects of s3://{bucket}/{prefix}"):
            pages = (
                self._aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            )
            for page in pages:
                for each in page.get("Contents", ()):
                    yield each["Key"], each["ETag"]
