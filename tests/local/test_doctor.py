"""The doctor sees a store to which jobs could not write, before they are submitted.

A read-only disk is mounted in a mount namespace, and hard links are refused by the kernel: both need Linux.
"""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gencove_explorer.cli import explorer

ENTRY = "from gencove_explorer.cli import main\nmain()\n"
WITHOUT_LINKS = """
import ctypes, platform, struct, sys

def refuse(*calls):
    "Let these system calls fail with EPERM from here on, as a file system without hard links lets them."
    load, equal, ret, allow, eperm = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050001
    code = [(load, 0, 0, 0)]
    code += [(equal, len(calls) - place, 0, call) for place, call in enumerate(calls)]
    code += [(ret, 0, 0, allow), (ret, 0, 0, eperm)]
    filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in code))
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(filters))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program) == 0, ctypes.get_errno()

refuse(*{"x86_64": (86, 265), "aarch64": (37,)}[platform.machine()])
sys.argv[1:] = ["doctor"]
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="of Linux")


def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "EXPLORER_HOME": str(tmp_path / "home"),
        "EXPLORER_STORE": str(tmp_path / "store"),
        "XDG_CONFIG_HOME": str(tmp_path / "none"),
    }


def run(command: list[str], tmp_path: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@linux
def test_a_store_on_a_read_only_disk(home: Path, tmp_path: Path):
    store = tmp_path / "store"
    (store / "index").mkdir(parents=True)
    script = tmp_path / "script.py"
    script.write_text(f"import sys\nsys.argv[1:] = ['doctor']\n{ENTRY}")
    mount = f'mount --bind "{store}" "{store}" && mount -o remount,ro,bind "{store}" && '
    inside = f'{mount}exec "{sys.executable}" "{script}"'
    said = run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside], tmp_path)
    assert f"FAIL store: the store {store} cannot be written: " in said
    assert "EXPLORER_STORE" in said


@linux
@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="numbers of system calls")
def test_a_store_on_a_disk_without_hard_links(home: Path, tmp_path: Path):
    (tmp_path / "store" / "index").mkdir(parents=True)
    script = tmp_path / "script.py"
    script.write_text(f"{WITHOUT_LINKS}{ENTRY}")
    said = run([sys.executable, str(script)], tmp_path)
    assert f"FAIL store: {tmp_path / 'store'} is on a file system without hard links" in said


def test_a_store_that_is_not_there_yet_is_fine_where_it_can_be_made(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EXPLORER_STORE", str(tmp_path / "new" / "store"))
    assert f"ok   store: {tmp_path / 'new' / 'store'}" in CliRunner().invoke(explorer, ["doctor"]).output
    assert not (tmp_path / "new").exists()
    (tmp_path / "new").write_text("")
    said = CliRunner().invoke(explorer, ["doctor"]).output
    assert f"FAIL store: {tmp_path / 'new' / 'store'} is not there, and cannot be made" in said
