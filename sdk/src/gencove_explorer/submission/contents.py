"""The contents of a payload: pickled from a notebook's objects, or taken as bytes from one in the store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from explorer_runner.context import GlobalConfig
from explorer_runner.errors import PythonMismatch
from explorer_runner.format import payload
from explorer_runner.format.package_versions import packages_in
from explorer_runner.format.payload import Payload, Spec, python_minor
from explorer_runner.stores.base import Store
from gencove_explorer.capture.function_pickler import FunctionPickler
from gencove_explorer.capture.inputs import PickledInputs, pickle_inputs
from gencove_explorer.capture.modules import JobModules
from gencove_explorer.capture.signature import source_of


@dataclass(kw_only=True)
class PayloadContents:
    """What jobs are made of, pickled: from a notebook's objects, or from a payload in the store."""

    function: bytes
    source: str
    facts: Mapping[str, Any]
    global_config: bytes
    lock: bytes | None
    inputs: PickledInputs
    python: str = field(default_factory=python_minor)
    buckets: Mapping[str, str] = field(default_factory=dict)
    """S3 buckets that jobs read files of, each with the key of one; unknown of what was submitted before."""
    pickled_with: dict[str, str] = field(default_factory=dict)
    """Packages that the pickles need, with versions."""

    def members(self, spec: Spec) -> dict[str, bytes]:
        members = {
            payload.SPEC: spec.to_json(),
            payload.SOURCE: self.source.encode(),
            payload.FUNCTION: self.function,
            payload.CONFIG: self.global_config,
            payload.INPUTS_INDEX: self.inputs.index,
        }
        if self.lock is not None:
            members[payload.LOCK] = self.lock
        if self.inputs.inside is not None:
            members[payload.INPUTS] = self.inputs.inside
        if self.inputs.named is not None:
            members[payload.NAMED] = self.inputs.named
        if self.inputs.content is not None:
            members[payload.CONTENT] = self.inputs.content
        return members


def pickle_contents(
    function: Callable[[Any], Any],
    inputs: Sequence[Any],
    array: bool,
    config: GlobalConfig,
    lock: bytes | None,
    folder: Path,
    *,
    image: str | None = None,
) -> PayloadContents:
    """Pickle everything. Raises CaptureError or SubmissionError; ``folder`` holds large inputs.

    With an ``image`` of the user's own, jobs may have more packages than are known here.
    """
    modules = JobModules(lock)
    capture = FunctionPickler(modules, imports=image is None)
    source, facts = source_of(function)
    with capture.pickling_by_value(function):
        contents = PayloadContents(
            function=capture.function(function),
            source=source,
            facts=facts,
            global_config=capture.value(config, "global_config"),
            lock=lock,
            inputs=pickle_inputs(inputs, array, modules, folder),
        )
    contents.buckets = capture.buckets | contents.inputs.buckets
    for pickled in (contents.function, contents.global_config, contents.inputs.beginning):
        contents.pickled_with |= packages_in(pickled)
    return contents


def contents_from_store(
    store: Store, loaded: Payload, rows: Sequence[int], folder: Path, *, same_analysis: bool
) -> PayloadContents:
    """The contents of jobs that were submitted before, nothing unpickled; ``rows`` of its inputs.

    ``same_analysis`` leaves large inputs where they are.
    """
    inputs, named = PickledInputs(folder), loaded.identities(payload.NAMED)
    try:
        if same_analysis and not loaded.spec.inputs_inside:
            for row in rows:
                inputs.refer(loaded.entry(row), named[row])
        else:
            for raw in loaded.read_inputs(store, rows):
                inputs.add(raw)
        inputs.flush()
    except BaseException:
        inputs.discard()
        raise
    return PayloadContents(
        function=loaded.function,
        source=loaded.source,
        facts=loaded.spec.function,
        global_config=loaded.global_config,
        lock=loaded.lock,
        inputs=inputs,
        python=loaded.spec.python,
        pickled_with=dict(loaded.spec.pickled_with),
    )


def check_python(contents: PayloadContents) -> None:
    """Raise PythonMismatch if these contents were pickled by another Python than this one."""
    if contents.python != python_minor():
        raise PythonMismatch(
            f"this analysis was submitted from Python {contents.python}, and only that can run it again; "
            f"this is Python {python_minor()}: run it from that one, or submit the function again"
        )
