"""Makes a store to keep: run once for each format, and committed; never made anew for an old format.

python tests/data/make_store.py tests/data/store-format-1
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

target = Path(sys.argv[1]).absolute()
home = Path(tempfile.mkdtemp())
os.environ.update(
    EXPLORER_HOME=str(home), EXPLORER_STORE=str(home / "kept"), EXPLORER_CPUS="2", EXPLORER_MEMORY_MB="2000"
)

from gencove_explorer.analysis import Analysis, GlobalConfig, JobDefinition, each  # noqa: E402
from gencove_explorer.local.client import LocalExecutor  # noqa: E402
from gencove_explorer.settings import Settings  # noqa: E402

SMALL = JobDefinition(cpu=1, memory_mb=300)


def measure(ac):
    print("input", ac.input)
    if ac.input == "broken":
        raise ValueError("cannot be measured")
    ac.output.value("length", len(ac.input))
    ac.output.value("pair", (ac.input, ac.global_config.factor))
    ac.output.value("long", [ac.input] * 20_000)
    (ac.output.file("deep/text.txt").as_local()).write_text(ac.input)
    tree = ac.output.file("tree").as_local()
    tree.mkdir()
    (tree / "leaf").write_text("leaf")


def mended(ac):
    print("mended", ac.input)
    ac.output.value("length", -1)


def follow(ac):
    ac.output.value("seen", ac.dependency("measure").get_output().value("length"))


def stop(ac):
    import time

    time.sleep(60)


first = Analysis(
    function=measure,
    input=["one", "three", "broken"],
    job_definition=SMALL,
    global_config=GlobalConfig(factor=2),
    labels={"team": "demo"},
)
first.run()
first.wait_done()
first.retry_failed(function=mended)
first.wait_done()
second = Analysis(function=follow, input=[0, 1, 2], depends_on=[each(first)], job_definition=SMALL)
second.run()
second.wait_done()
third = Analysis(function=stop, input=[1, 2, 3], job_definition=SMALL)
third.run()
third.terminate_all()
third.wait_done()
executor = LocalExecutor(Settings.load())
executor.stop()
shutil.rmtree(home / "kept" / ".tmp")
shutil.copytree(home / "kept", target)
shutil.rmtree(home)
