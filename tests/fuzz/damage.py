"""How what lies outside is damaged: bytes, JSON, and whole folders; and how hard to try (make fuzz)."""

import copy
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("EXPLORER_FUZZ", "0"))
"""Of each test, as ``make fuzz`` says it; 0 in the normal suite, which tries few, and always the same."""
EFFORT = settings(
    max_examples=EXAMPLES or 30,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    print_blob=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


class Raw(str):
    """Text that stands in JSON as it is."""


EVIL: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        1,
        7,
        10_001,
        10**8,
        10**9,
        10**30,
        -(10**9),
        1.5,
        1e300,
        float("nan"),
        float("inf"),
    ),
    *("", "x", "..", "../../x", "/etc/passwd", "[/x]", "\x1b[31m\x07", "\u202eabc", "a\0b", "x" * 50_000),
    *([], {}, [[]], [0, 10**8], [[0, 10**8]], [None], {"": None}, {"x": 10**9}, [3] * 20_000),
    *(Raw("9" * 5000), Raw("[" * 50_000), Raw('"\\ud800"'), Raw("1e999"), Raw("{" * 3)),
)
"""What was never written there: other types, sizes, numbers, and text that is no JSON at all."""
BYTES = st.binary(max_size=200)


def places_of(data: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something could be put into JSON's data."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [here, *(place for key, value in inner for place in places_of(value, (*here, key)))]


def put(data: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The data with something else in a place; ``...``: without what is there."""
    if not place:
        return {} if value is ... else value
    data = copy.deepcopy(data)
    around = data
    for key in place[:-1]:
        around = around[key]
    if value is ...:
        del around[place[-1]]
    else:
        around[place[-1]] = value
    return data


def as_json(data: Any) -> bytes:
    """JSON, with raw text where it says so."""
    raws: list[str] = []

    def marked(value: Any) -> Any:
        if isinstance(value, Raw):
            raws.append(value)
            return f"raw-{len(raws) - 1}-raw"
        if isinstance(value, dict):
            return {key: marked(inner) for key, inner in value.items()}
        return [marked(inner) for inner in value] if isinstance(value, list) else value

    text = json.dumps(marked(data))
    for number, raw in enumerate(raws):
        text = text.replace(f'"raw-{number}-raw"', raw)
    return text.encode(errors="surrogatepass")


@st.composite
def damaged_json(draw: st.DrawFn, valid: bytes) -> bytes:
    """A record in which some values are others."""
    data = json.loads(valid)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places_of(data)))
        data = put(data, place, draw(st.sampled_from([*EVIL, ...])))
        if isinstance(data, Raw):
            break
    return as_json(data)


@st.composite
def damaged_bytes(draw: st.DrawFn, valid: bytes) -> bytes:
    """Bytes of which some were flipped, cut, doubled or written over."""
    raw = bytearray(valid)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        kind = draw(st.sampled_from(["flip", "cut", "drop", "insert", "double", "fill"]))
        if kind == "flip" and at < len(raw):
            raw[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del raw[at:]
        elif kind == "drop":
            del raw[at : at + draw(st.integers(1, 50))]
        elif kind == "insert":
            raw[at:at] = draw(BYTES)
        elif kind == "double":
            raw += raw[at:]
        elif kind == "fill":
            raw[at:] = bytes([draw(st.integers(0, 255))]) * draw(st.integers(0, 5000))
    return bytes(raw)


def damaged(valid: bytes) -> st.SearchStrategy[bytes]:
    """Damaged in any way; ``valid`` may be JSON, or anything else."""
    ways = [BYTES, damaged_bytes(valid)]
    if valid[:1] == b"{":
        ways.append(damaged_json(valid))
    return st.one_of(ways)


@st.composite
def damages(draw: st.DrawFn, root: Path) -> list[tuple[str, Callable[[Path], None]]]:
    """What is to be done to a copy of a folder, each with words that tell it."""
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    records = [name for name in files if name.endswith(".json")]
    folders = sorted({os.path.dirname(name) for name in files})
    found: list[tuple[str, Callable[[Path], None]]] = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["json", "json", "json", "bytes", "remove", "swap", "stray", "become"]))
        name = draw(st.sampled_from(records if kind == "json" else files))
        if kind in ("json", "bytes"):
            raw = (root / name).read_bytes()[:4000] if kind == "bytes" else (root / name).read_bytes()
            content = draw(damaged_json(raw) if kind == "json" else damaged(raw))
            found.append((f"write {name}: {content[:300]!r}", _writing(name, content)))
        elif kind == "remove":
            found.append((f"remove {name}", lambda copy, name=name: _remove(copy / name)))
        elif kind == "swap":
            other = draw(st.sampled_from(files))
            content = (root / other).read_bytes()
            found.append((f"copy {other} to {name}", _writing(name, content)))
        elif kind == "stray":
            called = draw(st.sampled_from(STRAYS))
            folder = draw(st.sampled_from(folders))
            found.append((f"add {folder}/{called}", _writing(f"{folder}/{called}", draw(BYTES))))
        else:
            make = draw(st.sampled_from([os.mkdir, os.mkfifo, _link_nowhere, _link_to_zeros]))
            found.append((f"{make.__name__} {name}", _becoming(name, make)))
    return found


STRAYS = (
    *(
        ".DS_Store",
        "x",
        "x.json",
        "0.json",
        "1.json",
        "7.json",
        "00.json",
        "-1.json",
        "\u0661.json",
        "1_0.json",
    ),
    *("0-0.json", "0-1.json", "9-9.json", "x-0.json", "0.0-1.FAILED.json", "0.0-2.SUCCEEDED.json"),
    *(
        "1_0.0-1.FAILED.json",
        "99999.0-1.SUCCEEDED.json",
        "0.99999-1.FAILED.json",
        "0.0-99.txt",
        "\udcff.json",
    ),
    "2023-99-99T999999_x_17eb494f3d5349c88959bace7a6b7873.json",
)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


def _writing(name: str, content: bytes) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        _remove(root / name)
        (root / name).write_bytes(content)

    return write


def _becoming(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def become(root: Path) -> None:
        _remove(root / name)
        make(root / name)

    return become


def _link_nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


def _link_to_zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")
