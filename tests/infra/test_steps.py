"""The steps of make up and make down: what they say of programs that fail, or are interrupted."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stack.steps import ROOT, StepFailed, need, run
from support.waiting import eventually

CHILD = """
import pathlib, signal, sys, time
def end(*_):
    time.sleep(1)  # as Terraform does, that writes its state
    pathlib.Path(sys.argv[1]).write_text("state")
    sys.exit(1)
signal.signal(signal.SIGINT, end)
pathlib.Path(sys.argv[1] + ".begun").touch()
time.sleep(60)
"""
PARENT = f"""
import sys
from stack.steps import StepFailed, run
try:
    run([sys.executable, "-c", {CHILD!r}, sys.argv[1]], "why")
except StepFailed as failure:
    print(failure)
"""


def test_a_program_that_fails_is_named_with_what_to_do():
    with pytest.raises(StepFailed, match=r"(?s)ended with exit code 3\nno such thing\nMend it"):
        run(["sh", "-c", "echo no such thing >&2; exit 3"], "Mend it", quiet=True)
    assert run(["pwd"], "", quiet=True) == f"{ROOT}\n"
    assert run(["cat"], "", quiet=True, typed="said\n") == "said\n"
    with pytest.raises(StepFailed, match="nobody-has-this is not installed: from its makers"):
        need("nobody-has-this", "from its makers")


def test_ctrl_c_lets_a_program_end_what_it_has_begun(tmp_path: Path):
    state = tmp_path / "state"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(state)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "infra")},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    eventually(lambda: Path(f"{state}.begun").exists())
    os.killpg(parent.pid, signal.SIGINT)
    said, _ = parent.communicate(timeout=30)
    assert "was interrupted. The same command goes on from there." in said
    assert state.read_text() == "state"
