"""A reconciler on another Python sees no change: functions are compared by a parser, both by the same one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gencove_explorer.manifests.function_source import SourceFile

ROOT = Path(__file__).parents[2]
MINORS = ("3.11", "3.12", "3.13", "3.14")
SOURCE = """
from collections import Counter
LIMIT = {"a": 1}


def helper(x):
    return x


def work(ac):
    match ac.input:
        case {"kind": kind, **rest}:
            print(f"{kind!r:>10} {LIMIT['a']}", *rest)
    return Counter(helper(value) for value in ac.input)
"""
PROGRAM = """
import json, sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from gencove_explorer.manifests.function_source import SourceFile
from gencove_explorer.manifests.code_comparison import is_same_code
here = SourceFile(Path("work.py"), sys.argv[3]).function("work").text
recorded = json.loads(sys.argv[4])
print(json.dumps([here, is_same_code(recorded, here), is_same_code(recorded, here.replace("'a'", "'b'"))]))
"""


def pythons() -> dict[str, str]:
    """Minor -> an interpreter of it, of those that this machine has: this one at least."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    for minor in MINORS:
        there = [shutil.which(f"python{minor}"), *map(str, versions.glob(f"{minor}.*/bin/python"))]
        found.update((minor, each) for each in there if each)
    return found


@pytest.mark.parametrize("python", pythons().values(), ids=pythons())
def test_another_python_takes_the_same_text_and_sees_no_change(python: str):
    recorded = SourceFile(Path("work.py"), SOURCE).function("work").text
    folders = [str(ROOT / "sdk" / "src"), str(ROOT / "runner" / "src")]
    asked = [SOURCE, json.dumps(f"{recorded}# recorded\n")]
    done = subprocess.run([python, "-c", PROGRAM, *folders, *asked], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [recorded, True, False]
