"""Reaching the notebook host: no port of it is open, so the way is AWS Systems Manager's.

Nothing here asks Terraform: whoever works on the host need not read its state.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import click

from stack.aws import Account, step_errors
from stack.steps import StepFailed, need

PORT = 8888
"""Where JupyterLab listens on the host."""
_PENDING = "pending"
"""The token until the host has started (infra/terraform/modules/host)."""
_PAUSE = 3.0
_READY_SECONDS = 900.0


def name_image(ssm: Any, name: str, tag: str) -> None:
    """Tell the host of a stack which image it runs from its next start on (modules/host/files/prepare.sh)."""
    ssm.put_parameter(
        Name=image_parameter(name),
        Description=f"Tag of the notebook image that the host of {name} runs",
        Value=tag,
        Type="String",
        Overwrite=True,
    )


def forget_image(ssm: Any, name: str) -> None:
    """Remove what ``name_image`` wrote; nothing is fine."""
    ssm.delete_parameters(Names=[image_parameter(name)])


def image_parameter(name: str) -> str:
    """The SSM parameter, beside those that Terraform makes. Terraform knows nothing of images."""
    return f"/explorer/{name}/notebook-image"


def open_host(name: str, region: str, port: int) -> None:
    """Start the host if it is stopped, print JupyterLab's address, and forward a local port until Ctrl-C."""
    need("aws", "the AWS CLI, version 2")
    need("session-manager-plugin", "AWS's plugin for sessions (apt, brew, or AWS's installer)")
    account = Account(region)
    instance = _find(account, name)
    _start(account, instance)
    token = _token(account, f"/explorer/{name}/notebook-token")
    _connect(account, instance)
    click.echo(f"http://127.0.0.1:{port}/lab?token={token}")
    click.echo("Ctrl-C ends the connection; what runs there goes on.")
    os.execvp(  # noqa: S606
        "aws",
        [
            *("aws", "ssm", "start-session", "--region", region, "--target", instance),
            *("--document-name", "AWS-StartPortForwardingSession"),
            *("--parameters", f"portNumber={PORT},localPortNumber={port}"),
        ],
    )


def _find(account: Account, name: str) -> str:
    """The id of a stack's host."""
    tags = {"explorer:stack": name, "Name": f"{name}-host"}
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
    with step_errors(f"the host of {name}"):
        found = account.client("ec2").describe_instances(Filters=filters)["Reservations"]
    instances = [instance for each in found for instance in each["Instances"]]
    alive = [
        each["InstanceId"]
        for each in instances
        if each["State"]["Name"] not in ("terminated", "shutting-down")
    ]
    if not alive:
        raise StepFailed(
            f"there is no host of a stack {name} in account {account.number}, region {account.region}: check "
            "NAME and REGION; make up makes it, and keeps the home folder of an earlier one"
        )
    return str(alive[0])


def _start(account: Account, instance: str) -> None:
    ec2 = account.client("ec2")

    def running() -> bool:
        with step_errors(f"the host {instance}"):
            (found,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
        state = found["Instances"][0]["State"]["Name"]
        if state == "stopped":
            click.echo("the host was stopped: starting it, which takes some minutes")
            with step_errors(f"starting {instance}"):
                ec2.start_instances(InstanceIds=[instance])
        return bool(state == "running")

    _wait(running, f"the host {instance} does not start")


def _token(account: Account, parameter: str) -> str:
    """JupyterLab's, which the host writes when it has its image."""
    ssm = account.client("ssm")
    found = [_PENDING]

    def written() -> bool:
        with step_errors(f"the parameter {parameter}"):
            found[0] = str(ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"])
        return found[0] != _PENDING

    _wait(written, f"the host has not written {parameter} yet: do its services run, is its image pushed?")
    return found[0]


def _connect(account: Account, instance: str) -> None:
    """Until the host's agent has reached AWS Systems Manager: a machine runs some time before that does."""
    ssm = account.client("ssm")

    def connected() -> bool:
        with step_errors(f"the connection of {instance}"):
            return bool(ssm.get_connection_status(Target=instance)["Status"] == "connected")

    _wait(connected, f"the host {instance} is not connected to AWS Systems Manager")


def _wait(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise StepFailed(f"{otherwise}; docs/operations.md says where to look")
        time.sleep(_PAUSE)
