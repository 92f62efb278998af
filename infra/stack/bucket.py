"""The bucket of Terraform's state, to the standard of the store's (infra/terraform/modules/store)."""

import json
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
    if tls_only:
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(_tls_only(f"arn:{partition}:s3:::{bucket}")))
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": _LIFECYCLE})
    # PutBucketTagging replaces all tags, and an organisation may have put its own on.
    tags = {**_tags(s3, bucket), _TAG: stack}
    tagging = {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tagging)


def _tls_only(arn: str) -> dict[str, Any]:
    statement = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _tags(s3: Any, bucket: str) -> dict[str, str]:
    from botocore.exceptions import ClientError

    try:
        found = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchTagSet":
            raise
        return {}
    # Those of AWS's own services can be neither given nor taken away.
    return {each["Key"]: each["Value"] for each in found if not each["Key"].startswith("aws:")}
