"""What plain cloudpickle carries into another process, with the same packages."""

import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cloudpickle

_LOAD = """
import pickle, sys
view, rows = pickle.load(open(sys.argv[1], "rb"))
seen = {}
for key, (raw, text) in rows.items():
    try:
        seen[key] = view(pickle.loads(raw), text)
    except BaseException as error:
        seen[key] = pickle.dumps(("failed", f"{type(error).__name__}: {error}"))
with open(sys.argv[2], "wb") as file:
    pickle.dump(seen, file)
"""


def pickled(value: Any) -> bytes | str:
    """The pickle of a value, or why there is none."""
    try:
        return cloudpickle.dumps(value)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def views_elsewhere(
    carried: Mapping[str, tuple[bytes, str]], view: Callable[..., bytes], folder: Path
) -> dict[str, bytes]:
    """The pickled view of each of some pickles, as another process has it."""
    given, taken = folder / "given", folder / "taken"
    given.write_bytes(cloudpickle.dumps((view, dict(carried))))
    subprocess.run([sys.executable, "-W", "ignore", "-c", _LOAD, given, taken], check=True)
    seen: dict[str, bytes] = pickle.loads(taken.read_bytes())
    return seen
