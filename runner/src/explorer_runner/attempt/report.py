"""The report of a job's child to its parent: a file in the job's private folder."""

import base64
import json
import os
from pathlib import Path

from explorer_runner.format.outcome import Outcome
from explorer_runner.outputs import Collected, Produced
from explorer_runner.system import frames


def pack(outcome: Outcome, collected: Collected) -> dict[str, bytes]:
    """As the frames of a file."""
    files = [[key, os.fspath(path), *rest] for key, path, *rest in collected.files]
    values = {key: [kind, base64.b64encode(data).decode()] for key, (kind, data) in collected.values.items()}
    data = {"files": files, "folders": collected.folders, "values": values, "notes": dict(collected.notes)}
    return {
        "outcome": outcome.to_json(),
        "collected": json.dumps(data).encode(),
    }


def read(path: str) -> tuple[Outcome, Collected] | None:
    """What a child reported; None if it ended without doing so."""
    try:
        with open(path, "rb") as file:
            sent = frames.read(file)
    except (FileNotFoundError, EOFError):
        return None
    data = json.loads(sent["collected"])
    return Outcome.from_json(sent["outcome"]), Collected(
        [Produced(key, Path(path), *rest) for key, path, *rest in data["files"]],
        data["folders"],
        {key: (kind, base64.b64decode(text)) for key, (kind, text) in data["values"].items()},
        data["notes"],
    )
