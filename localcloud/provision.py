"""What Terraform makes on AWS, made in the local cloud: bucket, queue, registry, roles, log group."""

import json
from contextlib import ExitStack, closing
from typing import Any

REGION = "us-east-1"
QUEUE = "explorer"
REPOSITORY = "explorer-runner"
LOG_GROUP = "/explorer/jobs"
ADMIN = "admin"
"""Access key, and secret, of whoever makes the cloud and looks into it: what submitters and jobs ask is told
apart from that by their keys, and has to be allowed by their policies (see tests/policies)."""
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "submitter",
    "AWS_SECRET_ACCESS_KEY": "submitter",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}


def provision(endpoint: str, *, bucket: str = "explorer") -> dict[str, str]:
    """Make all of it; returns the variables that point ``explorer``, boto3 and any script at it."""
    with ExitStack() as stack:

        def client(service: str) -> Any:
            return stack.enter_context(closing(open_client(service, endpoint)))

        client("s3").create_bucket(Bucket=bucket)
        client("logs").create_log_group(logGroupName=LOG_GROUP)
        repository = client("ecr").create_repository(
            repositoryName=REPOSITORY, imageTagMutability="IMMUTABLE"
        )["repository"]
        iam = client("iam")
        roles = {name: _role(iam, name) for name in ("job", "execution", "instance", "service")}
        iam.create_instance_profile(InstanceProfileName="explorer-instance")
        iam.add_role_to_instance_profile(
            InstanceProfileName="explorer-instance", RoleName="explorer-instance"
        )
        ec2, batch = client("ec2"), client("batch")
        environment = batch.create_compute_environment(
            computeEnvironmentName="explorer",
            type="MANAGED",
            serviceRole=roles["service"],
            computeResources={
                "type": "EC2",
                "minvCpus": 0,
                "maxvCpus": 64,
                "instanceTypes": ["m5.large"],
                "instanceRole": "arn:aws:iam::123456789012:instance-profile/explorer-instance",
                "subnets": [ec2.describe_subnets()["Subnets"][0]["SubnetId"]],
                "securityGroupIds": [ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]],
            },
        )
        batch.create_job_queue(
            jobQueueName=QUEUE,
            priority=1,
            state="ENABLED",
            computeEnvironmentOrder=[
                {"order": 1, "computeEnvironment": environment["computeEnvironmentArn"]}
            ],
        )
    return {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": endpoint,
        "EXPLORER_STORE": f"s3://{bucket}/store",
        "EXPLORER_BATCH__QUEUE": QUEUE,
        "EXPLORER_BATCH__IMAGE": repository["repositoryUri"],
        "EXPLORER_BATCH__JOB_ROLE_ARN": roles["job"],
        "EXPLORER_BATCH__EXECUTION_ROLE_ARN": roles["execution"],
        "EXPLORER_BATCH__LOG_GROUP": LOG_GROUP,
    }


def push(endpoint: str, tag: str, image_id: str, *, repository: str = REPOSITORY) -> str:
    """Put an image of this machine into the registry, as its manifest alone; returns its digest."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"digest": image_id, "size": 1},
        "layers": [{"digest": image_id, "size": 1}],
    }
    with closing(open_client("ecr", endpoint)) as ecr:
        put = ecr.put_image(repositoryName=repository, imageManifest=json.dumps(manifest), imageTag=tag)
    return str(put["image"]["imageId"]["imageDigest"])


def open_client(service: str, endpoint: str) -> Any:
    """boto3's client for the local cloud, as its administrator."""
    import boto3

    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ADMIN,
        aws_secret_access_key=ADMIN,
    )


def _role(iam: Any, name: str) -> str:
    trust = {"Version": "2012-10-17", "Statement": []}
    role = iam.create_role(RoleName=f"explorer-{name}", AssumeRolePolicyDocument=json.dumps(trust))
    return str(role["Role"]["Arn"])
