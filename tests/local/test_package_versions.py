"""A package that is there in another version: the error says so, and what it advises works.

NumPy 2 moved what arrays are pickled by: what it pickles NumPy 1 cannot read.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from explorer_runner.attempt.environment import find_uv
from support.pythons import NEW, OLD, Python, make_python, needs_old

HEAD = """
import json
import sys
from gencove_explorer.analysis import Analysis, GlobalConfig
from gencove_explorer.errors import ExplorerError
from gencove_explorer.job_manager import JobManager

def read(get):
    try:
        print(json.dumps(get().tolist()))
    except ExplorerError as error:
        print(json.dumps(str(error)))
"""
MAKE = """
def work(ac):
    import numpy
    ac.output.value("array", numpy.arange(3))
    ac.output.value("large", numpy.zeros(20_000))

an = Analysis(function=work, pip_packages=sys.argv[1:])
an.run_local()
print(json.dumps(an.id))
read(lambda: an.get_output().value("array"))
read(lambda: an.get_output().value("large"))
"""
READ = """
read(lambda: JobManager().get_analysis(sys.argv[1]).get_output().value("array"))
"""
GIVE = """
import numpy

array = numpy.arange(3)
which, *packages = sys.argv[1:]
if which == "function":
    def work(ac):
        ac.output.value("sum", int(array.sum()))
elif which == "input":
    def work(ac):
        ac.output.value("sum", int(ac.input.sum()))
else:
    def work(ac):
        ac.output.value("sum", int(ac.global_config.array.sum()))
an = Analysis(
    function=work,
    input=array if which == "input" else None,
    global_config=GlobalConfig(array=array if which == "config" else None),
    pip_packages=packages,
)
try:
    an.run_local()
except ExplorerError:
    pass
if an.status()["status"] == "SUCCEEDED":
    print(json.dumps(an.values("sum")))
else:
    print(json.dumps(an.status()["reason"]))
print(json.dumps(an.id))
"""
LOOK = """
an = JobManager().get_analysis(sys.argv[1])
read(lambda: an.input)
"""


def run(python: Python, code: str, *arguments: str) -> list[Any]:
    """Lines of JSON that a program prints, a script of somebody's who has uv."""
    path = f"{os.path.dirname(find_uv())}{os.pathsep}{os.environ['PATH']}"
    lines = python.run(HEAD + code, *arguments, env={**os.environ, "PATH": path}).splitlines()
    return [json.loads(line) for line in lines if line.startswith(("[", '"'))]


@needs_old
def test_the_advice_is_followed_until_it_works(home: Path, tmp_path: Path):
    python = make_python(tmp_path / "caller")
    identifier, small, large = run(python, MAKE, NEW)
    for text in (small, large):
        assert "needs the package 'numpy', which this Python does not have: pip install numpy==2." in text
    python.install(OLD)
    [text] = run(python, READ, identifier)
    assert re.search(r"was pickled with numpy 2\.\S+, and this Python has numpy 1\.\S+: pip install", text)
    [wanted] = re.findall(r"pip install (\S+) and restart Python", text)
    python.install(wanted)
    assert run(python, READ, identifier) == [[0, 1, 2]]
    # Now it is the job that has the older one.
    for which in ("input", "config", "function"):
        reason, failed = run(python, GIVE, which, OLD)
        assert re.search(r"was pickled with numpy 2\.\S+, and the job has numpy 1\.\S+: ", reason), reason
        [needed] = re.findall(r'pip_packages=\["(\S+)"\]', reason)
        assert run(python, GIVE, which, needed)[0] == [3]
        if which == "input":
            assert run(python, LOOK, failed) == [[0, 1, 2]]
