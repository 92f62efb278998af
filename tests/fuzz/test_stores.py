"""Stores that were damaged in any way: what is asked is answered, or refused with an error of ours."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, note
from hypothesis import strategies as st

from fuzz.damage import EFFORT, damages
from gencove_explorer.analysis import Analysis
from gencove_explorer.cli import explorer
from gencove_explorer.errors import ExplorerError, InvalidFilter
from gencove_explorer.job_manager import JobManager

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")
KEPT = Path(__file__).parents[1] / "data" / "store-format-1"
IDS = sorted(path.stem for path in (KEPT / "index").rglob("*.json"))

ASKED: tuple[Callable[[Analysis], object], ...] = (
    lambda an: an.status(),
    lambda an: an.status(0),
    lambda an: an.failures()._repr_html_(),
    lambda an: an.values("length"),
    lambda an: an.values("length", missing=None),
    lambda an: [output._repr_html_() for output in an._submitted().results.get_outputs()],
    lambda an: {key: file.as_local() for key, file in an.get_output(0).files().items()},
    lambda an: an.get_output(2).values(),
    lambda an: an.logs(0, since="5000w"),
    lambda an: an.source,
    lambda an: an.dependency("measure").status(),
    lambda an: an.wait_done(timeout=0),
    lambda an: an._repr_html_(),
)
COMMANDS = (
    ["list"],
    ["list", "--json", "--since", "5000w"],
    ["list", "--name", "e", "--user", "root"],
    *([command, identifier] for command in ("status", "failures", "outputs") for identifier in IDS),
    *([command, identifier, "--json"] for command in ("status", "failures", "outputs") for identifier in IDS),
    *(["logs", identifier, "0", "--since", "5000w"] for identifier in IDS),
    *(["logs", identifier, "--failed"] for identifier in IDS),
    ["status", "last"],
    ["status", "e"],
)


@pytest.fixture
def store(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXPLORER_STORE", str(tmp_path / "kept"))
    return tmp_path / "kept"


def run(command: list[str]) -> str:
    done = CliRunner().invoke(explorer, command)
    if done.exception and not isinstance(done.exception, SystemExit | ExplorerError):
        raise done.exception
    return done.output


@EFFORT
@given(st.data())
def test_a_damaged_store_is_answered_for(store: Path, data: st.DataObject):
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(KEPT, store)
    for said, damage in data.draw(damages(KEPT)):
        note(said)
        damage(store)
    listed = JobManager().list_jobs()
    repr(listed)
    listed._repr_html_()
    for identifier in IDS:
        for ask in ASKED:
            try:
                ask(JobManager().get_analysis(identifier))
            except (ExplorerError, InvalidFilter):
                pass
    for command in data.draw(st.lists(st.sampled_from(COMMANDS), min_size=2, max_size=4)):
        run(command)
    for an in listed:
        identifier = an.id
        try:
            an.delete()
        except ExplorerError as error:
            note(f"{identifier} is kept: {error}")
            continue
        assert identifier not in [other.id for other in JobManager().list_jobs()]
