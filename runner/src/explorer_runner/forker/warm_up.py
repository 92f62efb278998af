"""Warm up: take the path of a job a few times in the forker, before its first fork.

CPython specialises code after some calls and remembers how it looked attributes up. What the forker
has learned its children know; otherwise each of them would learn it anew, on pages of memory that
are copied for it.
"""

import pickle
import sys
from collections.abc import Callable
from typing import Any

import cloudpickle

from explorer_runner._version import __version__
from explorer_runner.attempt.execute import JobAttempt, execute, publish
from explorer_runner.errors import StoreError
from explorer_runner.format.keys import AttemptId
from explorer_runner.format.payload import (
    CONFIG,
    FUNCTION,
    INPUTS,
    INPUTS_INDEX,
    SPEC,
    InputEntry,
    Payload,
    Spec,
    python_minor,
)
from explorer_runner.stores.folder import FolderStore
from explorer_runner.system.folders import make_private, remove_tree

TIMES = 12


def warm_up(folder: str) -> None:
    """Call a work function of ours as jobs are called, keep its outcomes in ``folder``, remove that."""
    main = sys.modules["__main__"]
    payload = _trivial_payload()
    try:
        make_private(folder)
        for number in range(TIMES):
            job = JobAttempt(
                analysis="warm-up", round=0, digest="", payload=payload, store=FolderStore(folder)
            )
            job.begin(AttemptId(0, 0, number), folder, 0.0)
            collected = execute(job, read_input=_reader(job), set_up=_nothing, on_call=_nothing)
            publish(job.store, job.outcome, collected)
    except (OSError, StoreError):
        pass  # a full disk: jobs will say so; without this they are only slower
    finally:
        sys.modules["__main__"] = main
        remove_tree(folder)


def _trivial_payload() -> Payload:
    def work(ac: Any) -> None:
        print(end="")
        ac.output.value("value", ac.input)

    input = pickle.dumps(0)
    spec = Spec(
        id=f"1970-01-01T000000_warm-up_{0:032}",
        name="warm-up",
        round=0,
        python=python_minor(),
        explorer=__version__,
        jobs=1,
        array=False,
    )
    return Payload(
        {
            SPEC: spec.to_json(),
            FUNCTION: cloudpickle.dumps(work),
            CONFIG: pickle.dumps(None),
            INPUTS_INDEX: InputEntry(0, len(input), bytes(32)).pack(),
            INPUTS: input,
        }
    )


def _reader(job: JobAttempt) -> Callable[[], bytes]:
    return lambda: job.payload.read_input(job.store, 0)


def _nothing() -> None:
    pass
