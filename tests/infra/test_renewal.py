"""Machines are renewed in place: what is changed of them needs one apply, and replaces no environment."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.run import serve_processes
from support.terraform import copy_modules, init, run

BATCH = ("-input=false", "-no-color", "-target=module.batch")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Of Terraform's environment: a cloud in which nothing was made, and no job will run."""
    with serve_processes(tmp_path_factory.mktemp("cloud"), "none", {}) as cloud:
        yield {
            "AWS_ENDPOINT_URL": cloud.endpoint,
            "AWS_ACCESS_KEY_ID": "admin",
            "AWS_SECRET_ACCESS_KEY": "admin",
            "TF_VAR_name": "renewal",
            "TF_VAR_region": "us-east-1",
            "TF_VAR_require_tls": "false",  # moto understands no conditions
        }


@pytest.fixture(scope="module")
def machines(variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules, with which machines were made."""
    folder = copy_modules(tmp_path_factory.mktemp("terraform") / "modules")
    init(folder, variables)
    run(folder, "apply", "-auto-approve", *BATCH, variables=variables)
    return folder


def test_machines_are_made_after_their_way_out_and_removed_before_it(
    machines: Path, variables: dict[str, str]
):
    state = json.loads(run(machines, "state", "pull", variables=variables))
    environments = next(
        each for each in state["resources"] if each["type"] == "aws_batch_compute_environment"
    )
    needed = {each.removeprefix("module.network.") for each in environments["instances"][0]["dependencies"]}
    assert needed >= {
        "aws_route.out",
        "aws_route_table_association.this",
        "aws_vpc_endpoint.s3",
        "aws_vpc_endpoint.interface",
        "aws_vpc_security_group_egress_rule.jobs",
        "aws_vpc_security_group_ingress_rule.endpoints",
    }


def test_a_change_of_the_machines_updates_their_environments(machines: Path, variables: dict[str, str]):
    changed = {**variables, "TF_VAR_scratch_gib": "300", "TF_VAR_instance_types": '["m6i"]'}
    said = run(machines, "apply", "-auto-approve", *BATCH, variables=changed)
    # The template, and both environments.
    assert "0 added, 3 changed, 0 destroyed" in said
    assert "No changes." in run(machines, "plan", *BATCH, variables=changed)


def test_the_template_that_all_machines_had_is_that_of_jobs(machines: Path, variables: dict[str, str]):
    template = "module.batch.aws_launch_template.this"
    run(machines, "state", "mv", f'{template}["jobs"]', template, variables=variables)
    said = run(machines, "apply", "-auto-approve", *BATCH, variables=variables)
    assert f"(moved from {template})" in said
    assert "0 added, 3 changed, 0 destroyed" in said, "back from the change above"
