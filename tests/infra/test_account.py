"""What make up asks of an account: the state's bucket."""

import json
from collections.abc import Callable
from contextlib import closing

from stack.bucket import secure


def test_the_states_bucket_is_closed_however_it_was_made(make_bucket: Callable[[str], str]):
    import boto3

    bucket = make_bucket("moto")
    with closing(boto3.client("s3")) as s3:
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "ours"}]})
        for _ in range(2):
            secure(s3, bucket, stack="demo")
        blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        tags = {each["Key"]: each["Value"] for each in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        assert s3.get_bucket_encryption(Bucket=bucket)
    assert set(blocked.values()) == {True}
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    found = {each["ID"]: each for each in rules}
    assert found["old-versions"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 90
    assert found["unfinished-uploads"]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 7
    assert tags == {"team": "ours", "explorer:stack": "demo"}


def test_a_bucket_without_tags_gets_one(make_bucket: Callable[[str], str]):
    import boto3

    bucket = make_bucket("moto")
    with closing(boto3.client("s3")) as s3:
        secure(s3, bucket, stack="demo")
        assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "explorer:stack", "Value": "demo"}]
