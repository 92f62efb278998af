"""Reading a pickle changes no class that lives in the process that reads it."""

import enum
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from explorer_runner.format import unpickling, values

# A class of a notebook: pickled by value, by its origin found again.
DEFINED = {"__name__": "__main__"}
SOURCE = """
import abc, dataclasses, enum

class Base:
    subclasses = []
    def __init_subclass__(cls):
        Base.subclasses.append(cls.__name__)

class Plain(Base):
    size = 1
    def say(self):
        return "as submitted"

@dataclasses.dataclass
class Record:
    number: int = 1
    def say(self):
        return "as submitted"

class Abstract(abc.ABC):
    @abc.abstractmethod
    def say(self): ...

class Concrete(Abstract):
    def say(self):
        return "as submitted"

class Colour(enum.Enum):
    RED = 1
    def say(self):
        return "as submitted"
"""
LATER = "as changed since"


@pytest.fixture
def classes() -> dict[str, Any]:
    names: dict[str, Any] = dict(DEFINED)
    exec(SOURCE, names)
    return names


def instances(classes: dict[str, Any]) -> list[Any]:
    return [classes["Plain"](), classes["Record"](2), classes["Concrete"](), classes["Colour"].RED]


def test_classes_that_live_here_stay_as_they_are(classes: dict[str, Any]):
    data = cloudpickle.dumps(instances(classes))
    for each in instances(classes):
        type(each).say = lambda self: LATER
        type(each).added = 2
    classes["Plain"].size = 3
    before = list(classes["Base"].subclasses)
    read = unpickling.loads(data)
    assert [type(each) for each in read] == [type(each) for each in instances(classes)]
    assert [each.say() for each in [*read, *instances(classes)]] == [LATER] * 8
    assert (classes["Plain"].size, classes["Plain"].added) == (3, 2)
    assert (read[1].number, read[3]) == (2, classes["Colour"].RED)
    assert classes["Base"].subclasses == before, "no other class was made, which the base class would see"


def test_a_class_itself_stays_as_it_is(classes: dict[str, Any]):
    data = cloudpickle.dumps([classes["Plain"], classes["Colour"]])
    classes["Plain"].size = 3
    assert unpickling.loads(data) == [classes["Plain"], classes["Colour"]]
    assert classes["Plain"].size == 3


READS = """
import sys
from explorer_runner.format import unpickling
data = open(sys.argv[1], "rb").read()
first, second = unpickling.loads(data), unpickling.loads(data)
print(*(each.say() for each in first), sep=",")
print([type(one) is type(other) for one, other in zip(first, second)])
"""


def test_where_they_do_not_live_they_are_made_once(classes: dict[str, Any], tmp_path: Path):
    (tmp_path / "data").write_bytes(cloudpickle.dumps(instances(classes)))
    command = [sys.executable, "-c", READS, tmp_path / "data"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ",".join(["as submitted"] * 4) + "\n[True, True, True, True]\n"


FAILS = """
import sys, types
from explorer_runner.format import unpickling
data = open(sys.argv[1], "rb").read()
try:
    unpickling.loads(data)
except ModuleNotFoundError as error:
    kept = error  # with all that lived when it was raised
module = sys.modules["absent_package"] = types.ModuleType("absent_package")
module.Frame = dict
print(unpickling.loads(data)[0].say())
"""


def test_what_could_not_be_read_is_read_once_it_can_be(classes: dict[str, Any], tmp_path: Path):
    module = sys.modules["absent_package"] = type(sys)("absent_package")
    try:
        exec("class Frame(dict): pass", vars(module))
        classes["Plain"].frame = module.Frame  # in the state of the class: it is made, and not filled
        (tmp_path / "data").write_bytes(cloudpickle.dumps([classes["Plain"]()]))
    finally:
        del sys.modules["absent_package"]
    command = [sys.executable, "-c", FAILS, tmp_path / "data"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "as submitted\n"


THREADS = """
import sys, threading
from explorer_runner.format import unpickling
data = open(sys.argv[1], "rb").read()
read = []

def read_too():
    begun.set()
    read.append(unpickling.loads(data))

def between():  # the class is made, and not filled
    if not begun.is_set():
        other.start()
        begun.wait()

begun, other = threading.Event(), threading.Thread(target=read_too)
sys.modules["between"] = module = type(sys)("between")
module.between = between
read.append(unpickling.loads(data))
other.join()
print(*(each.filled for each in read), type(read[0]) is type(read[1]))
"""


def test_a_thread_does_not_find_half_of_a_class(tmp_path: Path):
    module = sys.modules["between"] = type(sys)("between")
    try:
        exec("def between(): pass", vars(module))
        names: dict[str, Any] = {
            **DEFINED,
            "between": type("Call", (), {"__reduce__": lambda _: (module.between, ())})(),
        }
        exec(
            "class Late:\n    marker = between\n"
            "    def __setstate__(self, state):\n        self.filled = True",
            names,
        )
        made = names["Late"]()
        made.number = 1
        (tmp_path / "data").write_bytes(cloudpickle.dumps(made))
    finally:
        del sys.modules["between"]
    command = [sys.executable, "-c", THREADS, tmp_path / "data"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True True True\n"


def test_values_are_read_so(classes: dict[str, Any]):
    kind, data = values.encode("k", classes["Plain"]())
    classes["Plain"].size = 3
    assert isinstance(
        values.decode_inline("k", json.loads(values.encode_inline(kind, data))), classes["Plain"]
    )
    assert classes["Plain"].size == 3


def test_what_plain_pickle_reads_is_read_alike():
    for value in (1, {"a": (1, [2])}, enum.Enum, {1, 2}):
        assert unpickling.loads(pickle.dumps(value)) == value
