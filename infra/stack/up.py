"""From nothing to a running cluster. Every step may be repeated: what is there already stays."""

import os
import sys
from typing import Any

import click

from explorer_runner.format.payload import python_minor
from gencove_explorer.executors.host.container import default_tag
from stack.aws import Account, step_errors
from stack.host import name_image
from stack.quotas import find_low
from stack.registry import has_image
from stack.steps import ROOT, StepFailed, Steps, need, run
from stack.terraform import Terraform

EXPLORER = str(ROOT / ".venv" / "bin" / "explorer")
_HELLO_SECONDS = 1800
_STILL_UPDATING = (
    "Batch still waits for jobs on old machines, longer than Terraform does: give the same command again, or "
    "wait until the queue is empty (docs/operations.md, New machines)."
)


def up(name: str, region: str, *, yes: bool) -> None:
    """Make the stack, its images and explorer.toml, look at all of it, and run something on it."""
    _forget_settings()
    steps = Steps(8)
    steps.begin("what this needs")
    terraform = Terraform(name, region)
    terraform.check()
    need("docker", "images are built with it")
    need("aws", "the AWS CLI, version 2: it logs Docker in to the registry")
    run(["docker", "info"], "No Docker daemon answers: start it.", quiet=True)
    account = Account(region)
    click.echo(f"account {account.number}, region {region}")

    steps.begin("a bucket for Terraform's state")
    bucket = state_bucket(name, account)
    account.make_state_bucket(bucket, name)
    click.echo(bucket)

    steps.begin("Terraform: init")
    terraform.init(bucket)
    _warn_of_quotas(account, terraform.variables("max_vcpus", "spot"))
    steps.begin("Terraform: apply")
    try:
        terraform.apply(yes=yes)
    except StepFailed as failure:
        if is_updating(account.client("batch"), f"{name}-jobs"):
            raise StepFailed(f"{failure}\n{_STILL_UPDATING}") from failure
        raise
    outputs = terraform.outputs()
    if outputs.get("host"):
        # An apply may have made the host anew. It has an image even if what follows fails.
        _name_image(account, name, outputs["host"]["image"])

    steps.begin("images, built and pushed")
    again = "Mend it, and give the same command again: it goes on from there."
    run(["make", "image-push", f"IMAGE={outputs['explorer']['image']}"], again)
    if outputs.get("host"):
        named = [f"NOTEBOOK={outputs['host']['image']}", f"RUNNER={outputs['explorer']['image']}"]
        run(["make", "notebook-push", *named], again)
        _name_image(account, name, outputs["host"]["image"])

    steps.begin("explorer.toml")
    run([EXPLORER, "config", "from-terraform", "infra/terraform"], "See explorer config from-terraform -h.")
    steps.begin("explorer doctor")
    run([EXPLORER, "doctor"], f"What FAILs has its remedy beside it. {again}")
    steps.begin("an analysis, by AWS Batch (its first machine takes some minutes to start)")
    say_hello()
    click.echo("\nAll of it runs. explorer.toml in this folder points explorer at it.")
    if outputs.get("host"):
        click.echo("make host-open opens the notebook host's JupyterLab.")


def _name_image(account: Account, name: str, repository: str) -> None:
    """Tell the host its image, if that is in the repository."""
    tag = default_tag(python_minor())
    with step_errors("the notebook's image"):
        if has_image(account.client("ecr"), repository.partition("/")[2], tag):
            name_image(account.client("ssm"), name, tag)


def _warn_of_quotas(account: Account, variables: dict[str, Any]) -> None:
    from botocore.config import Config

    if not variables:
        return  # nothing depends on it
    # Where there is no way to the service, that must not take minutes.
    hasty = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})
    quotas = account.session.client("service-quotas", config=hasty)
    low = find_low(quotas, account.region, max_vcpus=variables["max_vcpus"], spot=variables["spot"])
    if low:
        click.secho(low, fg="yellow")


def is_updating(batch: Any, queue: str) -> bool:
    """Whether Batch renews machines of a queue, by its client: jobs on the old ones end first."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        queues = batch.describe_job_queues(jobQueues=[queue])["jobQueues"]
        used = [each["computeEnvironment"] for found in queues for each in found["computeEnvironmentOrder"]]
        described = batch.describe_compute_environments(computeEnvironments=used) if used else {}
    except (BotoCoreError, ClientError):
        return False  # what has failed says why itself
    return any(each["status"] == "UPDATING" for each in described.get("computeEnvironments", []))


def _forget_settings() -> None:
    """Variables win over explorer.toml, and would have the doctor look at something else than the stack."""
    for variable in [each for each in os.environ if each.startswith("EXPLORER_") and each != "EXPLORER_HOME"]:
        click.echo(f"{variable} is left out of account: this is about the stack")
        del os.environ[variable]


def state_bucket(name: str, account: Account) -> str:
    """Of a stack's state; bucket names are global, so the account's number is in it."""
    return f"{name}-state-{account.number}"


def say_hello() -> None:
    """Run three jobs, show what they gave, and remove what they left."""
    from gencove_explorer.analysis import Analysis, AnalysisContext, JobDefinition
    from gencove_explorer.errors import ExplorerError

    def hello(ac: AnalysisContext) -> None:
        import platform

        ac.output.value("said", f"hello {ac.input}, from Python {platform.python_version()}")

    an = Analysis(
        function=hello, input=["foo", "bar", "baz"], job_definition=JobDefinition(cpu=1, memory_mb=500)
    )
    try:
        an.run()
        an.wait_done(timeout=_HELLO_SECONDS)
        if an.status()["status"] != "SUCCEEDED":
            print(an.failures())
            raise StepFailed(f"{an.id} failed: explorer failures last, explorer logs last 0")
        print(*an.values("said"), sep="\n")
        an.delete()
    except (ExplorerError, TimeoutError) as error:
        raise StepFailed(f"{error}\nexplorer status last says where it stands; docs/operations.md") from error
    sys.stdout.flush()
