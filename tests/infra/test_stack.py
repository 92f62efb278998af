"""From nothing to a running cluster and back: make up, the demo's manifests, make down, on the local cloud.

What Terraform makes here is what it would make on AWS; jobs run in real containers of the real image.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from explorer_runner.format.names import parse_id
from explorer_runner.format.payload import python_minor
from gencove_explorer.executors.host.container import default_tag
from localcloud.images import ROOT, docker
from localcloud.provision import REGION, open_client
from localcloud.run import RunningCloud
from support import terraform
from support.policies.audit import collect, find_refused
from support.waiting import eventually

pytestmark = [pytest.mark.container, pytest.mark.timeout(1200)]

NAME = "proof"
LOCAL_PUSH = "PUSH=env PYTHONPATH=. .venv/bin/python -m localcloud.push"


class Stack:
    """A working tree of its own, and what is typed in it."""

    def __init__(self, folder: Path, cloud: RunningCloud, base_image: str) -> None:
        self.folder = folder
        self.cloud = cloud
        self.begun = len(cloud.requests())
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("EXPLORER_", "AWS_"))
        }
        aws = {name: value for name, value in cloud.variables.items() if name.startswith("AWS_")}
        plugins = terraform.plugin_dir()
        # What reaches a host, and logs in to a registry, is AWS's own; it notes what it is asked.
        self.asked = folder.parent / "asked"
        tools = folder.parent / "bin"
        tools.mkdir()
        for name in ("aws", "session-manager-plugin"):
            (tools / name).write_text(f'#!/bin/sh\necho "$@" >>{self.asked}\n')
            (tools / name).chmod(0o755)
        self.variables = {
            **kept,
            **aws,
            "AWS_ACCESS_KEY_ID": "admin",
            "PATH": f"{tools}:{kept['PATH']}",
            "BASE_IMAGE": base_image,
            "CHECKPOINT_DISABLE": "1",
            "DOCKER_BUILDKIT": "0",
            "EXPLORER_HOME": str(folder.parent / "home"),
            "TF_CLI_ARGS_init": "" if plugins is None else f"-plugin-dir={plugins}",
            "TF_VAR_host": "{keep_snapshot = false}",
            "TF_VAR_require_tls": "false",  # moto understands no conditions
        }

    def run(self, *command: str, code: int = 0, typed: str = "") -> str:
        """What a command prints."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.variables, input=typed, capture_output=True, text=True
        )
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def explorer(self, *arguments: str) -> str:
        """What an explorer command prints, asked as whoever submits."""
        return self.run("env", "AWS_ACCESS_KEY_ID=submitter", ".venv/bin/explorer", *arguments)

    def outputs(self) -> dict[str, Any]:
        return terraform.outputs(self.folder / "infra" / "terraform", self.variables)

    def make(self, target: str, *arguments: str, code: int = 0, typed: str = "") -> str:
        return self.run(
            "make", target, f"NAME={NAME}", f"REGION={REGION}", *arguments, code=code, typed=typed
        )


@pytest.fixture(scope="module")
def stack(
    container_cloud: RunningCloud, base_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """The stack, up."""
    folder = copy_tree(tmp_path_factory.mktemp("stack") / "explorer")
    stack = Stack(folder, container_cloud, base_image)
    before = census(container_cloud)
    forget_images()
    failed = stack.make("up", "YES=1", "PUSH=false", code=2)
    assert "==> 5/8 images, built and pushed" in failed, failed
    assert "give the same command again: it goes on from there" in failed
    assert "Traceback" not in failed
    said = stack.make("up", "YES=1", LOCAL_PUSH)
    assert "No changes." in said, "what was made before the failure was not taken up"
    assert "FAIL" not in said
    assert "hello baz, from Python" in said
    yield stack
    if (folder / "infra/terraform/backend_override.tf").exists():  # a test failed on its way down
        stack.make("down", "YES=1", "OUTPUTS=delete")
    assert census(container_cloud) == before
    # Judged by its own roles, in a test below.
    forget_images()
    container_cloud.elsewhere = range(stack.begun, len(container_cloud.requests()))


def forget_images() -> None:
    """Names that images of another working tree may have: a tag is never overwritten."""
    listed = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    for each in listed:
        if f".amazonaws.com/{NAME}-" in each:
            docker("rmi", "--force", each)


def copy_tree(target: Path) -> Path:
    """A clone with what is not committed yet, and this venv."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    (target / ".venv").symlink_to(sys.prefix)
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "as it is"]):
        subprocess.run(["git", *identity, *command], cwd=target, check=True)
    return target


def census(cloud: RunningCloud) -> dict[str, set[str]]:
    """Names of all that a stack may leave: kind -> names."""
    found: dict[str, set[str]] = {}

    def count(kind: str, service: str, names: Callable[[Any], Any]) -> None:
        with closing(open_client(service, cloud.endpoint)) as client:
            found[kind] = set(names(client))

    count("buckets", "s3", lambda s3: [each["Name"] for each in s3.list_buckets()["Buckets"]])
    count(
        "queues",
        "batch",
        lambda batch: [each["jobQueueName"] for each in batch.describe_job_queues()["jobQueues"]],
    )
    count(
        "environments",
        "batch",
        lambda batch: [
            each["computeEnvironmentName"]
            for each in batch.describe_compute_environments()["computeEnvironments"]
        ],
    )
    count(
        "repositories",
        "ecr",
        lambda ecr: [each["repositoryName"] for each in ecr.describe_repositories()["repositories"]],
    )
    # AWS's services keep their own, an account each.
    count(
        "roles",
        "iam",
        lambda iam: [
            each["RoleName"]
            for each in iam.list_roles()["Roles"]
            if not each["Path"].startswith("/aws-service-role/")
        ],
    )
    count(
        "profiles",
        "iam",
        lambda iam: [
            each["InstanceProfileName"] for each in iam.list_instance_profiles()["InstanceProfiles"]
        ],
    )
    count(
        "log groups",
        "logs",
        lambda logs: [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]],
    )
    count("networks", "ec2", lambda ec2: [each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"]])
    count("volumes", "ec2", lambda ec2: [each["VolumeId"] for each in ec2.describe_volumes()["Volumes"]])
    count(
        "templates",
        "ec2",
        lambda ec2: [each["LaunchTemplateId"] for each in ec2.describe_launch_templates()["LaunchTemplates"]],
    )
    count(
        "instances",
        "ec2",
        lambda ec2: [
            instance["InstanceId"]
            for each in ec2.describe_instances()["Reservations"]
            for instance in each["Instances"]
            if instance["State"]["Name"] != "terminated"
        ],
    )
    count(
        "parameters",
        "ssm",
        lambda ssm: [
            each["Name"]
            for each in ssm.describe_parameters()["Parameters"]
            if not each["Name"].startswith("/aws/")  # there for everybody, once somebody has asked
        ],
    )
    return found


def test_a_second_plan_is_empty(stack: Stack):
    variables = [f"-var=name={NAME}", f"-var=region={REGION}"]
    stack.run("terraform", "-chdir=infra/terraform", "plan", "-detailed-exitcode", "-no-color", *variables)


def test_the_demos_manifests_run_on_the_queue_that_terraform_made(stack: Stack):
    wanted = ["--select", "feature-scan", "--select", "rank-features"]
    stack.explorer("reconcile", "manifests", "--wait", *wanted)
    with closing(open_client("batch", stack.cloud.endpoint)) as batch:
        # A job's outcome is there before Batch has seen its container end.
        eventually(lambda: find_succeeded(batch) >= {"feature-scan", "rank-features"})
    (listed,) = json.loads(stack.explorer("list", "--name", "rank-features", "--json"))
    outputs = stack.explorer("outputs", listed["id"], "--json")
    assert "ranking.png" in outputs
    again = stack.explorer("plan", "manifests", *wanted)
    assert "nothing to do" in again.lower() or again.count("unchanged") == 2


def find_succeeded(batch: Any) -> set[str]:
    """Names of the analyses with a job that Batch has seen succeed on Terraform's queue."""
    jobs = batch.list_jobs(jobQueue=f"{NAME}-jobs", jobStatus="SUCCEEDED")["jobSummaryList"]
    return {parse_id(each["jobName"]).name for each in jobs}


def test_a_host_is_there_that_nothing_reaches_from_outside(stack: Stack):
    with closing(open_client("ec2", stack.cloud.endpoint)) as ec2:
        (host,) = [
            instance
            for each in ec2.describe_instances()["Reservations"]
            for instance in each["Instances"]
            if instance["State"]["Name"] != "terminated"
        ]
        groups = [each["GroupId"] for each in host["SecurityGroups"]]
        described = ec2.describe_security_groups(GroupIds=groups)["SecurityGroups"]
    assert [each["IpPermissions"] for each in described] == [[]]
    assert host["InstanceType"] == "r6i.large"


def test_the_host_is_told_which_image_it_is_to_run(stack: Stack):
    with closing(open_client("ssm", stack.cloud.endpoint)) as ssm:
        tag = ssm.get_parameter(Name=f"/explorer/{NAME}/notebook-image")["Parameter"]["Value"]
    assert tag == default_tag(python_minor())
    with closing(open_client("ecr", stack.cloud.endpoint)) as ecr:
        (image,) = ecr.describe_images(repositoryName=f"{NAME}-notebook")["imageDetails"]
    assert {each.partition("-")[0] for each in image["imageTags"]} == {tag.partition("-")[0], "source"}
    assert tag in image["imageTags"]


def test_a_new_host_has_an_image_even_where_pushing_is_refused(stack: Stack):
    parameter = f"/explorer/{NAME}/notebook-image"
    with closing(open_client("ssm", stack.cloud.endpoint)) as ssm:
        ssm.delete_parameter(Name=parameter)
        stack.make("up", "YES=1", "PUSH=false", code=2)
        assert ssm.get_parameter(Name=parameter)["Parameter"]["Value"] == default_tag(python_minor())


def test_host_open_starts_the_host_and_forwards_a_port(stack: Stack):
    token = f"/explorer/{NAME}/notebook-token"
    with closing(open_client("ec2", stack.cloud.endpoint)) as ec2:
        instance = stack.outputs()["host"]["instance_id"]
        ec2.stop_instances(InstanceIds=[instance])
        with closing(open_client("ssm", stack.cloud.endpoint)) as ssm:
            ssm.put_parameter(Name=token, Value="a-token", Type="SecureString", Overwrite=True)
        said = stack.make("host-open", "PORT=9999")
        (found,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    assert "the host was stopped: starting it" in said
    assert "http://127.0.0.1:9999/lab?token=a-token" in said
    assert found["Instances"][0]["State"]["Name"] == "running"
    asked = stack.asked.read_text()
    assert f"ssm start-session --region {REGION} --target {instance}" in asked
    assert "portNumber=8888,localPortNumber=9999" in asked
    assert "a-token" not in asked
    none = stack.run("make", "host-open", "NAME=another", f"REGION={REGION}", code=2)
    assert "there is no host of a stack another in account 123456789012" in none


def test_what_was_asked_is_allowed_by_the_roles_that_terraform_made(stack: Stack):
    asked = collect(stack.cloud.requests(stack.begun))
    assert {role for role, _ in asked} == {"job", "submit"}
    with closing(open_client("iam", stack.cloud.endpoint)) as iam:
        job = iam.get_role_policy(RoleName=f"{NAME}-job", PolicyName="explorer")["PolicyDocument"]
    documents = {"job": job, "submit": json.loads(stack.outputs()["submit_policy"])}
    assert find_refused(asked, documents) == []


def test_down_keeps_outputs_unless_told_and_leaves_nothing(stack: Stack):
    refused = stack.make("down", "YES=1", code=2)
    assert f"the bucket {NAME}-store-123456789012 holds what would be gone:\n  explorer/analyses/" in refused
    assert "hello" not in refused, "the first analysis was not removed"
    with closing(open_client("s3", stack.cloud.endpoint)) as s3:
        for key in ("explorer/packages/0/x.whl", "reference/hg38.fa"):
            s3.put_object(Bucket=f"{NAME}-store-123456789012", Key=key, Body=b"x")
    again = stack.make("down", "YES=1", code=2)
    assert "reference/hg38.fa" in again
    assert "x.whl" not in again
    unsure = stack.make("down", "OUTPUTS=delete", code=2, typed="another\n")
    assert "that is not its name: nothing was removed" in unsure
    gone = stack.make("down", "YES=1", "OUTPUTS=delete")
    assert f"{NAME} is gone" in gone
    assert not (stack.folder / "explorer.toml").exists()
    assert "nothing: there is no bucket" in stack.make("down", "YES=1")


def test_without_credentials_or_region_it_says_what_to_do(stack: Stack, tmp_path: Path):
    assert "Which region?" in stack.run("make", "up", "REGION=", code=2)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        stack.variables.pop(name)
    stack.variables |= {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "x"),
    }
    said = stack.make("up", "YES=1", code=2)
    assert "no AWS credentials were found: set AWS_PROFILE" in said
    assert "Traceback" not in said
