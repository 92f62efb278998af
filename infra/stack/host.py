"""Reaching the notebook host: no port of it is open, so the way is AWS Systems Manager's."""

import os
import time

import click

from stack.aws import Account, told_of
from stack.steps import StepFailed, need
from stack.terraform import Terraform

PORT = 8888
"""Where JupyterLab listens on the host."""
_PENDING = "pending"
"""The token until the host has started (infra/terraform/modules/host)."""
_PAUSE = 3.0
_READY_SECONDS = 900.0


def open_host(name: str, region: str, port: int) -> None:
    """Start the host if it is stopped, print JupyterLab's address, and forward a local port until Ctrl-C."""
    need("aws", "the AWS CLI, version 2")
    need("session-manager-plugin", "AWS's plugin for sessions (apt, brew, or AWS's installer)")
    found = Terraform(name, region).outputs().get("host")
    if not found:
        raise StepFailed("this stack has no host: make up with host set in infra/terraform (variables.tf)")
    account = Account(region)
    instance = found["instance_id"]
    _start(account, instance)
    token = _token(account, found["token_parameter"])
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


def _start(account: Account, instance: str) -> None:
    ec2 = account.client("ec2")

    def state() -> str:
        with told_of(f"the host {instance}"):
            (found,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
        return str(found["Instances"][0]["State"]["Name"])

    deadline = time.monotonic() + _READY_SECONDS
    while (now := state()) != "running":
        if now == "stopped":
            click.echo("the host was stopped: starting it")
            with told_of(f"starting {instance}"):
                ec2.start_instances(InstanceIds=[instance])
        elif now in ("terminated", "shutting-down"):
            raise StepFailed(f"the host {instance} is {now}: make up makes another; its home folder is kept")
        _wait(deadline, f"the host {instance} is still {now}")


def _token(account: Account, parameter: str) -> str:
    """JupyterLab's, which the host writes when it has started the first time."""
    ssm = account.client("ssm")
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        with told_of(f"the parameter {parameter}"):
            found = str(ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"])
        if found != _PENDING:
            return found
        _wait(deadline, f"the host has not written {parameter} yet: do its services run?")


def _wait(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise StepFailed(f"{what}; docs/operations.md says where to look")
    time.sleep(_PAUSE)
