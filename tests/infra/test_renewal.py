"""Machines are renewed in place: what is changed of them needs one apply, and replaces no environment."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cloud.run import RunningCloud, serve_processes

from terraform import copy_modules, init, run

BATCH = ("-input=false", "-no-color", "-target=module.batch")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def empty_cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    """A cloud in which nothing was made, and no job will run."""
    with serve_processes(tmp_path, "none", {}) as running:
        yield running


def test_a_change_of_the_machines_updates_their_environments(empty_cloud: RunningCloud, tmp_path: Path):
    folder = copy_modules(tmp_path / "modules")
    variables = {
        "AWS_ENDPOINT_URL": empty_cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "admin",
        "AWS_SECRET_ACCESS_KEY": "admin",
        "TF_VAR_name": "renewal",
        "TF_VAR_region": "us-east-1",
        "TF_VAR_require_tls": "false",  # moto understands no conditions
    }
    init(folder, variables)
    run(folder, "apply", "-auto-approve", *BATCH, variables=variables)
    variables["TF_VAR_scratch_gib"] = "300"
    variables["TF_VAR_instance_types"] = '["m6i"]'
    said = run(folder, "apply", "-auto-approve", *BATCH, variables=variables)
    # The template, and both environments.
    assert "0 added, 3 changed, 0 destroyed" in said
    assert "No changes." in run(folder, "plan", *BATCH, variables=variables)
