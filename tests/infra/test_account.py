"""What make up asks of an account: the state's bucket, quotas, whether Batch renews machines."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from stack.bucket import secure
from stack.quotas import find_low
from stack.up import is_updating


def test_the_states_bucket_is_closed_however_it_was_made(make_bucket: Callable[[str], str]):
    import boto3

    bucket = make_bucket("moto")
    with closing(boto3.client("s3")) as s3:
        foreign = {"Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket"}
        foreign["Resource"] = f"arn:aws:s3:::{bucket}"
        s3.put_bucket_policy(
            Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Id": "org", "Statement": foreign})
        )
        rule = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "ours"}]})
        for _ in range(2):
            secure(s3, bucket, stack="demo", tls_only=True)
        blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        tags = {each["Key"]: each["Value"] for each in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        assert s3.get_bucket_encryption(Bucket=bucket)
    assert set(blocked.values()) == {True}
    kept, statement = policy["Statement"]
    assert (policy["Id"], kept) == ("org", foreign)
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    found = {each["ID"]: each for each in rules}
    assert len(found) == len(rules) == 3
    assert found["theirs"]["Expiration"] == {"Days": 1}
    assert found["old-versions"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 90
    assert found["unfinished-uploads"]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 7
    assert tags == {"team": "ours", "explorer:stack": "demo"}


def test_a_bucket_without_tags_gets_one_and_a_local_one_no_policy(make_bucket: Callable[[str], str]):
    import boto3

    bucket = make_bucket("moto")
    with closing(boto3.client("s3")) as s3:
        secure(s3, bucket, stack="demo", tls_only=False)
        assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "explorer:stack", "Value": "demo"}]
        with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
            s3.get_bucket_policy(Bucket=bucket)


class Quotas:
    """The client of Service Quotas: code -> value, or what is raised."""

    def __init__(self, answers: dict[str, float | Exception]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def get_service_quota(self, **asked: str) -> dict[str, Any]:
        assert asked["ServiceCode"] == "ec2"
        self.asked.append(asked["QuotaCode"])
        answer = self.answers[asked["QuotaCode"]]
        if isinstance(answer, Exception):
            raise answer
        return {"Quota": {"Value": answer}}


SPOT, ON_DEMAND = "L-34B43A08", "L-1216C47A"
DENIED = ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetServiceQuota")
SILENT = EndpointConnectionError(endpoint_url="https://servicequotas.eu-central-1.amazonaws.com")


def test_quotas_that_are_too_low_are_told_with_what_asks_for_more():
    said = find_low(Quotas({SPOT: 5.0, ON_DEMAND: 5.0}), "eu-central-1", max_vcpus=256, spot=True)
    assert "5 of Spot, 5 of On-Demand CPUs in eu-central-1, and max_vcpus is 256" in said
    asked = "aws service-quotas request-service-quota-increase --region eu-central-1 --service-code ec2"
    assert f"{asked} --quota-code {SPOT} --desired-value 456" in said
    assert f"{asked} --quota-code {ON_DEMAND} --desired-value 456" in said
    one = find_low(Quotas({SPOT: 256.0, ON_DEMAND: 64.0}), "eu-central-1", max_vcpus=256, spot=True)
    assert SPOT not in one
    assert ON_DEMAND in one


@pytest.mark.parametrize("answer", [256.0, DENIED, SILENT])
def test_nothing_is_said_of_quotas_that_suffice_or_are_not_told(answer: float | Exception):
    assert find_low(Quotas({SPOT: answer, ON_DEMAND: answer}), "eu-central-1", max_vcpus=256, spot=True) == ""


def test_without_spot_its_quota_is_nobodys_affair():
    quotas = Quotas({ON_DEMAND: 1000.0})
    assert find_low(quotas, "eu-central-1", max_vcpus=256, spot=False) == ""
    assert quotas.asked == [ON_DEMAND]


class Batch:
    """Batch's client: status of each environment, those of a queue first."""

    def __init__(self, *statuses: str, queue: str = "demo-jobs") -> None:
        self.statuses = {f"arn:{number}": status for number, status in enumerate(statuses)}
        self.queue = queue

    def describe_job_queues(self, **asked: Any) -> dict[str, Any]:
        order = [{"order": 1, "computeEnvironment": each} for each in self.statuses]
        found = [{"computeEnvironmentOrder": order}] if asked["jobQueues"] == [self.queue] else []
        return {"jobQueues": found}

    def describe_compute_environments(self, **asked: Any) -> dict[str, Any]:
        assert asked["computeEnvironments"], "all of the account"
        return {
            "computeEnvironments": [{"status": self.statuses[each]} for each in asked["computeEnvironments"]]
        }


def test_an_environment_that_is_being_renewed_is_noticed():
    assert is_updating(Batch("VALID", "UPDATING"), "demo-jobs")
    assert not is_updating(Batch("VALID", "INVALID"), "demo-jobs")
    assert not is_updating(Batch("UPDATING", queue="another-jobs"), "demo-jobs")


def test_whether_it_is_is_not_worth_another_failure():
    class Denied(Batch):
        def describe_job_queues(self, **asked: Any) -> dict[str, Any]:
            raise DENIED

    assert not is_updating(Denied("UPDATING"), "demo-jobs")
