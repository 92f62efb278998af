"""Submission: from what a person asked for to a round in the store, checked before anything is written."""

import getpass
import hashlib
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from explorer_runner.context import GlobalConfig
from explorer_runner.definition import JobDefinition
from explorer_runner.errors import PythonMismatch
from explorer_runner.format import payload
from explorer_runner.format.keys import closed_prefix, inputs_key, logs_prefix, outcomes_prefix, round_key
from explorer_runner.format.package_versions import packages_in
from explorer_runner.format.payload import DependencyRef, Payload, Spec, python_minor
from explorer_runner.stores.base import Store
from explorer_runner.stores.folder import FolderStore
from gencove_explorer._version import __version__
from gencove_explorer.capture.function_pickler import Capture
from gencove_explorer.capture.inputs import PickledInputs, pickle_inputs
from gencove_explorer.capture.magics import uses_shell
from gencove_explorer.capture.modules import Modules
from gencove_explorer.capture.signature import source_of
from gencove_explorer.packages import publish
from gencove_explorer.records.base import IndexRecord, RoundRecord


@dataclass(kw_only=True)
class Parts:
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
    """See Spec."""

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
        return members


def pickle_parts(
    function: Callable[[Any], Any],
    inputs: Sequence[Any],
    array: bool,
    config: GlobalConfig,
    lock: bytes | None,
    folder: Path,
    *,
    image: str | None = None,
) -> Parts:
    """Pickle everything. Raises CaptureError or SubmissionError; ``folder`` holds large inputs.

    With an ``image`` of the user's own, jobs may have more packages than are known here.
    """
    modules = Modules(lock)
    capture = Capture(modules, imports=image is None)
    source, facts = source_of(function)
    with capture.travelling_with(function):
        parts = Parts(
            function=capture.function(function),
            source=source,
            facts=facts,
            global_config=capture.value(config, "global_config"),
            lock=lock,
            inputs=pickle_inputs(inputs, array, modules, folder),
        )
    parts.buckets = capture.buckets | parts.inputs.buckets
    for pickled in (parts.function, parts.global_config, parts.inputs.beginning):
        parts.pickled_with |= packages_in(pickled)
    return parts


def stored_parts(
    store: Store, loaded: Payload, positions: Sequence[int], folder: Path, *, same_analysis: bool
) -> Parts:
    """The parts of jobs that were submitted before, nothing unpickled.

    ``same_analysis`` leaves large inputs where they are.
    """
    inputs = PickledInputs(folder)
    try:
        if same_analysis and not loaded.spec.inputs_inside:
            for position in positions:
                inputs.refer(loaded.entry(position))
        else:
            for raw in loaded.read_inputs(store, positions):
                inputs.add(raw)
        inputs.flush()
    except BaseException:
        inputs.discard()
        raise
    return Parts(
        function=loaded.function,
        source=loaded.source,
        facts=loaded.spec.function,
        global_config=loaded.global_config,
        lock=loaded.lock,
        inputs=inputs,
        python=loaded.spec.python,
        pickled_with=dict(loaded.spec.pickled_with),
    )


def check_python(parts: Parts) -> None:
    """Raise PythonMismatch if these parts were pickled by another Python than this one."""
    if parts.python != python_minor():
        raise PythonMismatch(
            f"this analysis was submitted from Python {parts.python}, and only that can run it again; this "
            f"is Python {python_minor()}: do it from Python {parts.python}, or submit the function anew"
        )


def describe(
    *,
    id: str,
    name: str,
    parts: Parts,
    jobs: int,
    array: bool,
    definition: JobDefinition,
    depends_on: Sequence[DependencyRef],
    pip_packages: Sequence[str],
    round: int = 0,
    indices: list[int] | None = None,
) -> Spec:
    """The spec of a round."""
    return Spec(
        id=id,
        name=name,
        round=round,
        python=parts.python,
        explorer=__version__,
        jobs=jobs,
        array=array,
        indices=indices,
        inputs_inside=parts.inputs.inside is not None,
        function=parts.facts,
        pip_packages=list(pip_packages),
        job_definition=definition,
        depends_on=list(depends_on),
        pickled_with=parts.pickled_with,
    )


def write_round(
    store: Store,
    spec: Spec,
    parts: Parts,
    executor: str,
    place: str,
    home: Path,
    image: str | None = None,
) -> RoundRecord:
    """Write missing packages, large inputs, payload and round record, in this order; returns the record.

    ``place`` is where exactly the executor is; the packages are below ``home``; ``image`` is the one that
    was asked for, and the spec has the one that jobs run in. Raises AlreadyExists if the round was written
    before.
    """
    publish(parts.lock, home, store)
    packed = payload.pack(parts.members(spec))
    if isinstance(store, FolderStore):
        store.make_folders(outcomes_prefix(spec.id), logs_prefix(spec.id), closed_prefix(spec.id))
    if parts.inputs.path is not None:
        store.keep(inputs_key(spec.id), parts.inputs.path, move=True)
    sha256 = payload.keep(store, spec.id, spec.round, packed)
    record = RoundRecord(
        id=spec.id,
        round=spec.round,
        executor=executor,
        place=place,
        indices=spec.indices,
        jobs=spec.jobs if spec.indices is None else len(spec.indices),
        payload=sha256,
        submitted=time.time(),
        user=user_name(),
        python=spec.python,
        shell=uses_shell(parts.function),
        source=hashlib.sha256(parts.source.encode()).hexdigest(),
        image=image,
        job_definition=spec.job_definition,
        depends_on=spec.depends_on,
    )
    store.create(round_key(spec.id, spec.round), record.to_json())
    return record


def index_record(
    spec: Spec, record: RoundRecord, asked: JobDefinition, labels: Mapping[str, str], project: str = ""
) -> IndexRecord:
    """What listings show of an analysis. ``asked``: its definition, with the image that was asked for."""
    return IndexRecord(
        id=spec.id,
        name=spec.name,
        user=record.user,
        submitted=record.submitted,
        jobs=spec.jobs,
        array=spec.array,
        executor=record.executor,
        python=spec.python,
        host=platform.node(),
        explorer=__version__,
        pip_packages=spec.pip_packages,
        labels=dict(labels),
        job_definition=asked,
        depends_on=spec.depends_on,
        project=project,
    )


def user_name() -> str:
    """Who submits: the login name, or the user's number where it has none (containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
