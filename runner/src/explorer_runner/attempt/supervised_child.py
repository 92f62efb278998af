"""The child of a job's parent: it waits for its order, calls the work function, leaves a report in a file.

Where the job's variables must be there when Python starts (startup), it starts again with them first.
"""

import faulthandler
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from explorer_runner.attempt import environment, report
from explorer_runner.attempt.execute import JobAttempt, execute
from explorer_runner.format.keys import AttemptId
from explorer_runner.format.payload import Payload
from explorer_runner.stores.base import RAISE
from explorer_runner.stores.uri import open_store
from explorer_runner.system import frames, processes, temp_folder
from explorer_runner.system.folders import make_private
from explorer_runner.system.patience import Patience

_RESUME = "import sys; from explorer_runner.attempt.supervised_child import resume; resume(sys.argv[1])"


def follow(orders: BinaryIO) -> NoReturn:
    """Wait for the order, and carry it out."""
    try:
        with orders:
            sent = frames.read(orders)
    except EOFError:
        os._exit(processes.UNWRITTEN)  # the parent could not even begin, and says why itself
    facts = json.loads(sent["facts"])
    if facts["start_again"]:
        _start_again(sent, facts)
    _carry_out(sent, facts)


def resume(path: str) -> NoReturn:
    """Carry out an order that is in a file: what Python does that was started again."""
    processes.configure_streams()
    faulthandler.enable(file=2)
    with open(path, "rb") as file:
        sent = frames.read(file)
    os.unlink(path)
    _carry_out(sent, json.loads(sent["facts"]))


def has_resumed(private: str) -> bool:
    """Whether a child whose folder is ``private`` got as far as its order, if it had to start again."""
    return not os.path.exists(_order_in(private))


def _start_again(sent: Mapping[str, bytes], facts: Mapping[str, Any]) -> NoReturn:
    path = _order_in(facts["private"])
    try:
        make_private(facts["private"])
        with open(path, "wb") as file:
            frames.write(file, sent)
        command = [sys.executable, "-P", "-s", "-c", _RESUME, path]
        os.execve(command[0], command, {**os.environ, **facts["variables"]})  # noqa: S606
    except OSError as error:
        os.write(2, f"explorer: {error}\n".encode(errors="backslashreplace"))
        os._exit(processes.UNWRITTEN)


def _order_in(private: str) -> str:
    return f"{private}/order"


def _carry_out(sent: Mapping[str, bytes], facts: Mapping[str, Any]) -> NoReturn:
    """Call the work function, leave a report, end."""
    os.environ.update(facts["variables"])
    environment.prepend_python(os.environ)
    folder = Path(facts["environment"]) if facts["environment"] else None
    os.chdir(facts["scratch"])
    payload = Payload(sent)
    job = JobAttempt(
        analysis=payload.spec.id,
        round=payload.spec.round,
        digest=facts["digest"],
        payload=payload,
        store=open_store(facts["store"], absent=RAISE, patience=Patience(facts["patience"])),
    )
    job.begin(AttemptId(*facts["attempt"]), facts["scratch"], facts["started"])
    environment.set_temp_folders(temp_folder.reach(job.scratch), job.private)
    collected = execute(
        job,
        read_input=lambda: sent["input"],
        set_up=lambda: environment.activate(folder) if folder else None,
        on_call=lambda: environment.prefer_user_pins(folder) if folder else None,
    )
    os.makedirs(job.private, mode=0o700, exist_ok=True)
    with open(f"{job.private}/report", "wb") as file:
        frames.write(file, report.pack(job.outcome, collected))
    os._exit(0 if job.outcome.succeeded else 1)
