"""Pickles of old stores stay readable: the names that they contain are where they were.

tests/data/pickles was written by version 0.1.0: names.pkl has every public name of the modules that a work
function, an input or a value can refer to, objects.pkl some of their objects, and function-3.11.pkl a work
function, which the Python that pickled it can read. No file there is ever written again.
"""

import pickle
import sys
from pathlib import Path

import pytest

from explorer_runner.context import AnalysisContext, GlobalConfig
from explorer_runner.definition import JobDefinition
from explorer_runner.errors import NoSuchOutput
from explorer_runner.models import File, Sample

STORED = Path(__file__).parents[2] / "data" / "pickles"


def test_every_name_that_a_pickle_may_contain_can_be_found():
    names = pickle.loads((STORED / "names.pkl").read_bytes())
    assert len(names) == 38
    assert {f"{value.__module__}.{value.__qualname__}" for value in names.values()} == set(names)


def test_objects_are_equal_to_those_that_were_pickled():
    objects = pickle.loads((STORED / "objects.pkl").read_bytes())
    error, config = objects.pop("error"), objects.pop("config")
    assert objects == {
        "definition": JobDefinition(cpu=2, memory_mb=4096, retries=1),
        "file": File("s3://bucket/reads.fastq"),
        "sample": Sample(id="s1", files={"reads": "s3://bucket/reads.fastq"}),
    }
    assert (type(error), str(error)) == (NoSuchOutput, "no output of that name")
    assert (type(config), config.threads) == (GlobalConfig, 4)


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="byte code is of one Python")
def test_a_work_function_can_be_called():
    work = pickle.loads((STORED / "function-3.11.pkl").read_bytes())
    context = object.__new__(AnalysisContext)
    assert work(context) == "AnalysisContext s3://bucket/reads.fastq 0 none explorer_runner.shell"
