"""Back to nothing, unless somebody's results would go with it."""

from itertools import islice

import click

from gencove_explorer.cli.config import MARK
from stack.aws import Account, step_errors
from stack.host import forget_image
from stack.registry import delete_images
from stack.steps import ROOT, StepFailed, Steps
from stack.terraform import BACKEND, Terraform
from stack.up import state_bucket

_SHOWN = 5
_LOOKED_AT = 2000
_MADE_AGAIN = ("explorer/doctor/", "explorer/index/", "explorer/packages/", "explorer/reuse/")
"""What is in the bucket and is nobody's result: traces, listings, wheels that can be fetched again, and
names of rounds."""


def down(name: str, region: str, *, yes: bool, delete_outputs: bool) -> None:
    """Remove the stack, its images, its bucket and its state."""
    steps = Steps(4)
    steps.begin("what there is")
    terraform = Terraform(name, region)
    terraform.check()
    account = Account(region)
    bucket = state_bucket(name, account)
    if not account.has_bucket(bucket):
        click.echo(f"nothing: there is no bucket {bucket} in account {account.number}")
        return
    terraform.init(bucket)
    stores = terraform.made("store", "aws_s3_bucket", "bucket")
    volumes = terraform.made("host", "aws_ebs_volume", "id")
    for store in stores:
        _check_outputs(account, store, delete_outputs=delete_outputs)
    if not yes and click.prompt(f"This removes {name} for good. Its name, to confirm") != name:
        raise StepFailed("that is not its name: nothing was removed")

    steps.begin("emptying the bucket and the repositories")
    for store in stores:
        account.empty(store)
    for module in ("registry", "notebooks"):
        for repository in terraform.made(module, "aws_ecr_repository", "name"):
            with step_errors(f"emptying the repository {repository}"):
                delete_images(account.client("ecr"), repository)
    steps.begin("Terraform: destroy")
    terraform.destroy()
    with step_errors("the parameter with the image's tag"):
        forget_image(account.client("ssm"), name)
    steps.begin("the state, and what was written here")
    account.delete_bucket(bucket)
    BACKEND.unlink(missing_ok=True)
    settings = ROOT / "explorer.toml"
    if settings.exists() and settings.read_text().startswith(f"# Of the stack {name}, {MARK}"):
        settings.unlink()
    click.echo(f"{name} is gone")
    for snapshot in account.snapshots(volumes):
        click.echo(f"its home folders are in the snapshot {snapshot}, which costs until you delete it")


def _check_outputs(account: Account, store: str, *, delete_outputs: bool) -> None:
    """Raise StepFailed while a bucket holds what somebody may want, unless told."""
    if delete_outputs or not account.has_bucket(store):
        return
    kept = (key for key in account.keys(store) if not key.startswith(_MADE_AGAIN))
    found = list(dict.fromkeys("/".join(key.split("/")[:3]) for key in islice(kept, _LOOKED_AT)))
    if found:
        shown = "\n  ".join(found[:_SHOWN] + (["..."] if len(found) > _SHOWN else []))
        raise StepFailed(
            f"the bucket {store} holds what would be gone:\n  {shown}\n"
            "Copy what you need, or explorer delete analyses; make down OUTPUTS=delete removes it all"
        )
