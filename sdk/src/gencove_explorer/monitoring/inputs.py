"""What an analysis in the store was submitted with, unpickled for a person who asks for it."""

from collections.abc import Mapping
from typing import Any

from explorer_runner.context import GlobalConfig
from explorer_runner.errors import PayloadError, PythonMismatch
from explorer_runner.format import unpickling
from explorer_runner.format.package_versions import find_lack
from explorer_runner.format.payload import Payload, python_minor
from gencove_explorer.errors import SubmissionError
from gencove_explorer.monitoring.stored_analysis import StoredAnalysis


def stored_input(stored: StoredAnalysis) -> Any:
    """What an analysis was submitted with, as ``input=`` takes it. Raises PayloadError."""
    loaded = _open(stored)
    check_whole(stored, loaded)
    raw = loaded.read_inputs(stored.store, range(stored.record.jobs))
    packages = loaded.spec.pickled_with
    values = [
        _unpickle(pickled, stored, f"input of job {index}", packages) for index, pickled in enumerate(raw)
    ]
    # A single job's list was given as a list of one: by itself it would mean an array.
    return values if stored.record.array or isinstance(values[0], list) else values[0]


def stored_config(stored: StoredAnalysis) -> GlobalConfig:
    """What an analysis was submitted with. Raises PayloadError."""
    loaded = _open(stored)
    config: GlobalConfig = _unpickle(loaded.global_config, stored, "global config", loaded.spec.pickled_with)
    return config


def _open(stored: StoredAnalysis) -> Payload:
    """The payload, of which a part is about to be unpickled."""
    loaded = stored.payload()
    if loaded.spec.python != python_minor():
        raise PythonMismatch(
            f"{stored.id} was submitted from Python {loaded.spec.python}, and only that can read what it was "
            f"given; this is Python {python_minor()}"
        )
    return loaded


def _unpickle(raw: bytes, stored: StoredAnalysis, what: str, pickled_with: Mapping[str, str]) -> Any:
    try:
        return unpickling.loads(raw)
    except Exception as error:
        lack = find_lack(error, pickled_with)
        why = f"it {lack.explain('this Python')}: {lack.advise()}" if lack else repr(error)
        raise PayloadError(
            f"the {what} of {stored.id} cannot be read here, though its jobs may: {why}"
        ) from error


def check_whole(stored: StoredAnalysis, loaded: Payload) -> None:
    """Raise SubmissionError if the payload holds the inputs of some jobs alone."""
    if loaded.rows < loaded.spec.jobs:
        raise SubmissionError(
            f"{stored.id} holds the input of job {loaded.spec.index_of(0)} alone (run_local of one job): "
            "take the analysis that it was made from"
        )
