"""What make up asks of Terraform, with Terraform itself; no cloud is asked."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stack.steps import ROOT
from support.terraform import copy_modules, init

ASK = """
from stack.terraform import Terraform
print(Terraform("demo", "eu-central-1").variables("max_vcpus", "spot"))
"""

pytestmark = pytest.mark.timeout(300)


def test_variables_are_read_where_terraform_warns(tmp_path: Path):
    shutil.copytree(ROOT / "infra" / "stack", tmp_path / "infra" / "stack")
    modules = copy_modules(tmp_path / "infra" / "terraform")
    init(modules, None, "-backend=false")
    (modules / "terraform.tfvars").write_text('max_vcpu = 8\nmax_vcpus = 16\nname = "another"\n')
    variables = {**os.environ, "PYTHONPATH": str(tmp_path / "infra"), "CHECKPOINT_DISABLE": "1"}
    done = subprocess.run([sys.executable, "-c", ASK], env=variables, capture_output=True, text=True)
    assert done.stdout == "{'max_vcpus': 16, 'spot': True}\n", done.stderr
