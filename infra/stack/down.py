"""Back to nothing, unless somebody's results would go with it."""

import click

from gencove_explorer.cli.config import MARK
from stack.aws import Account
from stack.steps import ROOT, StepFailed, Steps
from stack.terraform import BACKEND, Terraform
from stack.up import state_bucket

_SHOWN = 5
_KEPT = ("analyses", "projects")
"""Folders of the store that nobody can make again: results, and what reconcile recorded."""


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
    stores = terraform.made("aws_s3_bucket", "bucket")
    for store in stores:
        _check_outputs(account, store, delete_outputs=delete_outputs)
    if not yes and click.prompt(f"This removes {name} for good. Its name, to confirm") != name:
        raise StepFailed("that is not its name: nothing was removed")

    steps.begin("emptying the bucket and the repositories")
    for store in stores:
        account.empty(store)
    for repository in terraform.made("aws_ecr_repository", "name"):
        account.delete_images(repository)
    steps.begin("Terraform: destroy")
    terraform.destroy()
    steps.begin("the state, and what was written here")
    account.delete_bucket(bucket)
    BACKEND.unlink(missing_ok=True)
    settings = ROOT / "explorer.toml"
    if settings.exists() and MARK in settings.read_text().partition("\n")[0]:
        settings.unlink()
    click.echo(f"{name} is gone")


def _check_outputs(account: Account, store: str, *, delete_outputs: bool) -> None:
    """Raise StepFailed while a bucket holds what somebody may want, unless told."""
    if delete_outputs or not account.has_bucket(store):
        return
    for folder in _KEPT:
        found = account.names(store, f"explorer/{folder}/")
        if found:
            shown = "\n  ".join(found[:_SHOWN] + (["..."] if len(found) > _SHOWN else []))
            raise StepFailed(
                f"the bucket {store} holds {folder}, and they would be gone:\n  {shown}\n"
                "Copy what you need, or explorer delete them; make down OUTPUTS=delete removes them all"
            )
