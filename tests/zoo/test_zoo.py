"""Real objects on every way into a job and out of it: equal, or refused with advice that works."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from zoo.table import TABLE

pytestmark = pytest.mark.timeout(1800)  # the first test waits for all of the zoo

OTHER_PANDAS = ("numpy", "pandas")
UNREADABLE = ("numpy.finfo", "PIL.ImageFont.load_default")
"""Their packages cannot read the pickles that they write."""
ADVICE = re.compile(r'add pip_packages=\["[\w.-]+==[\w.]+"\]')
OPEN_FILE = "it is an open file: hand over its path, and open it in the job"
"""By contract: cloudpickle would read all of a file and pickle the text."""

Zoo = Callable[[str, Sequence[str]], dict[str, dict[str, Any]]]


def test_it_has_many_packages():
    assert len(TABLE) > 25 + 2


@pytest.mark.parametrize("row", [row for rows in TABLE.values() for row in rows])
def test_what_jobs_get(run_zoo: Zoo, row: str):
    check(run_zoo("zoo", list(TABLE))[row])


@pytest.mark.parametrize("row", [row for package in OTHER_PANDAS for row in TABLE[package]])
def test_what_jobs_get_with_the_other_major_version_of_pandas(run_zoo: Zoo, row: str):
    check(run_zoo("zoo-pandas", OTHER_PANDAS)[row])


def check(line: dict[str, Any]) -> None:
    assert "unfit" not in line, line["unfit"]
    assert not line["bare"] or ADVICE.search(line["bare"]), line["bare"]
    plain, ways = line["plain"][0], line["ways"]
    if all(outcome == "same" for outcome, _ in ways.values()):
        assert {"input", "global_config", "captured"} <= set(ways)
        return
    if line["row"].startswith(UNREADABLE) and plain == "failed":
        assert "cannot be unpickled in the job" in ways["input"][1]
        return
    refused = {way: text for way, (outcome, text) in ways.items() if outcome == "refused"}
    by_contract = any(OPEN_FILE in text for text in refused.values())
    assert plain != "same" or by_contract, f"plain cloudpickle carries it: {ways}"
    for way in ("input", "global_config", "captured"):
        assert ways[way][0] in ("same", "refused"), ways[way]
    if refused.keys() - {"output"}:
        assert ways["inside"][0] == "same", f"the advice does not work: {ways}"
    if ways["output"][0] != "same":
        assert "cannot be" in ways["output"][1]
