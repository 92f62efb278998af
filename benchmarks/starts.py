"""How long it takes until something happens: import, first result, packages."""

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness import fresh_home, median_of, python, python_seconds, result, stop_executor

_SCRIPT = """
from gencove_explorer.analysis import Analysis

def work(ac):
    ac.output.value("double", ac.input * 2)

an = Analysis(function=work, input=21)
an.run()
an.wait_done()
assert an.get_output().value("double") == 42
"""

_TIMED = """
import sys, time
from gencove_explorer.analysis import Analysis

def work(ac):
    ac.output.value("x", 1)

packages = sys.argv[1].split()
Analysis(function=work, pip_packages=packages).run()
seconds = []
for _ in range(5):
    an = Analysis(function=work, pip_packages=packages)
    begin = time.perf_counter()
    an.run()
    an.wait_done()
    seconds.append(time.perf_counter() - begin)
    an.get_output().value("x")
print(sorted(seconds)[2])
"""


def import_() -> dict[str, Any]:
    """A Python that imports gencove_explorer.analysis; beside it, one that does nothing."""
    loaded = python("import sys, gencove_explorer.analysis; print('boto3' in sys.modules)").strip()
    floor = median_of(9, lambda: python_seconds("pass"))
    value = median_of(9, lambda: python_seconds("import gencove_explorer.analysis"))
    return result("import", 1000 * value, "ms", 1000 * floor, boto3_imported=loaded == "True")


def first_result() -> dict[str, Any]:
    """``python script.py`` to the first result of one job, the executor down and (``up``) up."""
    floor = median_of(5, lambda: python_seconds("pass"))
    with fresh_home(), tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.py")
        script.write_text(_SCRIPT)
        run = f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')"
        python(run)  # makes the runtime, once an installation

        def down() -> float:
            stop_executor()
            return python_seconds(run)

        from_down = median_of(5, down)
        from_up = median_of(9, lambda: python_seconds(run))
    return result("first-result", from_down, "s", floor, up=round(from_up, 4))


def warm_packages() -> dict[str, Any]:
    """How much later a job starts because of pip_packages, once their environment is there."""
    with fresh_home():
        none = float(python(_TIMED, ""))
        some = float(python(_TIMED, "iniconfig"))
    return result(
        "warm-packages", 1000 * (some - none), "ms", 1000 * none, with_packages=round(1000 * some, 2)
    )
