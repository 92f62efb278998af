"""The bucket of Terraform's state, to the standard of the store's (infra/terraform/modules/store)."""

import json
from collections.abc import Callable
from typing import Any

_TAG = "explorer:stack"
_LIFECYCLE = [
    {
        # As long as somebody may want an older state. Each lock leaves a version and a marker, too.
        "ID": "old-versions",
        "Status": "Enabled",
        "Filter": {},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
        "Expiration": {"ExpiredObjectDeleteMarker": True},
    },
    {
        "ID": "unfinished-uploads",
        "Status": "Enabled",
        "Filter": {},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    },
]


def secure(s3: Any, bucket: str, *, stack: str, tls_only: bool, partition: str = "aws") -> None:
    """Close a bucket, encrypt and version it, by S3's client. Repeating it changes nothing.

    ``tls_only``: refuse requests without TLS.
    """
    every = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(every, True))
    owned = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=owned)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    # Policy, lifecycle and tags are replaced as a whole, and an organisation may have put its own on.
    if tls_only:
        policy = _with_tls_only(_policy(s3, bucket), f"arn:{partition}:s3:::{bucket}")
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    ours = {each["ID"] for each in _LIFECYCLE}
    rules = [each for each in _rules(s3, bucket) if each.get("ID") not in ours] + _LIFECYCLE
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    tags = {**_tags(s3, bucket), _TAG: stack}
    tagging = {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tagging)


def _with_tls_only(policy: dict[str, Any], arn: str) -> dict[str, Any]:
    """A policy with our statement in place of an earlier one of its Sid."""
    ours = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    found = policy.get("Statement", [])
    statements = found if isinstance(found, list) else [found]  # IAM's grammar has one without a list, too
    kept = [each for each in statements if each.get("Sid") != ours["Sid"]]
    return {"Version": "2012-10-17", **policy, "Statement": [*kept, ours]}


def _policy(s3: Any, bucket: str) -> dict[str, Any]:
    found = _get(s3.get_bucket_policy, bucket, "NoSuchBucketPolicy")
    return dict(json.loads(found["Policy"])) if found else {}


def _rules(s3: Any, bucket: str) -> list[dict[str, Any]]:
    found = _get(s3.get_bucket_lifecycle_configuration, bucket, "NoSuchLifecycleConfiguration")
    return list(found.get("Rules", []))


def _tags(s3: Any, bucket: str) -> dict[str, str]:
    found = _get(s3.get_bucket_tagging, bucket, "NoSuchTagSet").get("TagSet", [])
    # Those of AWS's own services can be neither given nor taken away.
    return {each["Key"]: each["Value"] for each in found if not each["Key"].startswith("aws:")}


def _get(ask: Callable[..., dict[str, Any]], bucket: str, missing: str) -> dict[str, Any]:
    """What a bucket has; nothing where S3 answers with the error that says so."""
    from botocore.exceptions import ClientError

    try:
        return ask(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != missing:
            raise
        return {}
