"""What a pickle stands for: the same in every process, another one after every change that can matter."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer_runner.context import GlobalConfig
from explorer_runner.models import File, Sample
from gencove_explorer.capture.function_pickler import FunctionPickler
from gencove_explorer.capture.identity import identities_of_facts, identity_of
from gencove_explorer.capture.modules import JobModules

WORK = """
    import dataclasses, enum, functools, re
    LIMIT = 3
    NAMES = {"ape", "bee", "cat", "dog"}
    class Kind(enum.Enum):
        A = 1
        B = 2
    class Flag(enum.Flag):
        X = 1
        Y = 2
    @dataclasses.dataclass
    class Row:
        name: str
        tags: frozenset = frozenset({"u", "v", "w"})
        def long(self):
            return len(self.name) > LIMIT
    def helper(x, scale=2):
        "Scales."
        return x * scale if x in NAMES else Kind.A
    @functools.lru_cache
    def cached(x):
        return re.compile("a+").match(x)
    partly = functools.partial(helper, scale=5)
    def outer():
        hidden = {"deep": [1, 2.5, None, True]}
        def work(ac):
            inner = lambda y: (hidden, y, Flag.X | Flag.Y)
            return helper(ac.input), Row("a"), cached("a"), partly(2), inner(3), {x for x in "abc"}
        return work
    work = outer()
"""
CHANGES = {
    "a constant": ("LIMIT = 3", "LIMIT = 4"),
    "a set": ('"dog"}', '"eel"}'),
    "a member": ("B = 2", "B = 3"),
    "a flag": ("Y = 2", "Y = 4"),
    "a field's default": ('"v", "w"', '"v", "x"'),
    "a method": ("> LIMIT", ">= LIMIT"),
    "a default": ("scale=2", "scale=3"),
    "a partial": ("scale=5", "scale=6"),
    "a cached function": ('"a+"', '"b+"'),
    "a closure": ("2.5", "2.6"),
    "a lambda": ("(hidden, y,", "(y, hidden,"),
    "a nested call": ("inner(3)", "inner(4)"),
    "an operator": ("x * scale", "x + scale"),
    "a comprehension": ('in "abc"', 'in "abd"'),
    "a type": ("True]", "1]"),
}


def pickled_function(text: str, file: str = "cell", name: str = "__main__") -> bytes:
    space = {"__name__": name, "__file__": file}
    exec(compile(textwrap.dedent(text), file, "exec"), space)
    return FunctionPickler(JobModules(None)).function(space["work"])


def digest_of_function(text: str, **more: str) -> bytes:
    return identity_of(pickled_function(text, **more)).digest


def test_where_code_stands_is_of_no_consequence():
    plain = digest_of_function(WORK)
    moved = "\n\n    # a remark\n" + WORK.replace("return helper", "# why\n\n            return helper")
    assert digest_of_function(moved, file="/elsewhere/other.py") == plain
    uncached = WORK.replace("@functools.lru_cache", "")  # which keeps its module's name as a fact of its own
    assert digest_of_function(uncached, name="other") == digest_of_function(uncached)


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_code_or_of_what_it_takes_along_counts(change: str):
    old, new = CHANGES[change]
    assert WORK.count(old) == 1
    assert digest_of_function(WORK) != digest_of_function(WORK.replace(old, new))


def test_code_that_asks_where_it_stands_depends_on_it():
    text = "def work(ac):\n    return __name__"
    assert digest_of_function(text) != digest_of_function(text, name="other")


def test_it_is_the_same_in_every_process(tmp_path: Path):
    program = tmp_path / "digest.py"
    program.write_text(
        "import sys, json\nsys.path.insert(0, sys.argv[1])\n"
        "from test_identity import WORK, digest_of_function, pickled, identity_of\n"
        'value = {"s": {"x", "y", "z"}, "f": frozenset({1, "a", None}), "t": ({"q", "r"},)}\n'
        "print(json.dumps([digest_of_function(WORK).hex(), identity_of(pickled(value)).digest.hex()]))"
    )
    command = [sys.executable, str(program), str(Path(__file__).parent)]
    answers = {
        subprocess.check_output(command, env={**os.environ, "PYTHONHASHSEED": seed}) for seed in "0123"
    }
    assert len(answers) == 1
    assert json.loads(answers.pop())[0] == digest_of_function(WORK).hex()


def pickled(value: object) -> bytes:
    return FunctionPickler(JobModules(None)).value(value, "value")


ATOMS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
    | st.builds(complex, st.integers(0, 3), st.integers(0, 3))
)  # fmt: skip
SETS = st.frozensets(st.integers() | st.text(max_size=3), max_size=4)
VALUES = st.recursive(
    ATOMS | SETS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


def as_told(value: object) -> object:
    """A form in which two values are equal when a function could not tell them apart."""
    if isinstance(value, list | tuple):
        return type(value).__name__, [as_told(item) for item in value]
    if isinstance(value, dict):
        return "dict", [(as_told(key), as_told(item)) for key, item in value.items()]
    if isinstance(value, frozenset):
        return "set", sorted(repr(as_told(item)) for item in value)
    return type(value).__name__, repr(value)


@given(VALUES, VALUES)
def test_values_that_differ_have_other_identities(first: object, second: object):
    differ = as_told(first) != as_told(second)
    # In a set beside both, so that the symbolic way is taken and not the bytes.
    one, other = ({"v": value, "s": {1, 2}} for value in (first, second))
    assert (identity_of(pickled(one)).digest != identity_of(pickled(other)).digest) == differ
    assert (identity_of(pickled(first)).digest != identity_of(pickled(second)).digest) or not differ


@given(VALUES)
def test_a_copy_has_the_same_identity(value: object):
    again = cloudpickle.loads(cloudpickle.dumps(["", value]))[1]
    assert identity_of(pickled({"v": value, "s": {1}})) == identity_of(pickled({"v": again, "s": {1}}))


def test_what_is_one_object_is_told_from_two_that_are_equal():
    row: list[int] = []
    shared, apart = [row, row, {1}], [[], [], {1}]
    assert identity_of(pickled(shared)) != identity_of(pickled(apart))
    circle: list[object] = [{1}]
    circle.append(circle)
    assert identity_of(pickled(circle)) == identity_of(pickled(cloudpickle.loads(cloudpickle.dumps(circle))))


def test_names_of_python_in_a_users_own_data_count():
    for name in ("__file__", "__name__", "__module__", "__firstlineno__"):
        one, other = ({name: text, "s": {1}} for text in "ab")
        assert identity_of(pickled(one)) != identity_of(pickled(other))


def test_files_count_by_address_or_by_what_they_hold():
    reads = File("s3://data/a/reads.bam", [".bai"])
    identity = identity_of(pickled(reads))
    assert identity.addresses == {"s3://data/a/reads.bam", "s3://data/a/reads.bam.bai"}
    moved = pickled(File("s3://data/b/reads.bam", [".bai"]))
    assert identity_of(moved) != identity

    def by_content(raw: bytes, **held: str) -> bytes:
        names = {"a": "s3://data/a/reads.bam", "b": "s3://data/b/reads.bam"}
        versions = {
            f"{address}{suffix}": held[kind] for address in names.values()
            for suffix, kind in (("", "bam"), (".bai", "bai"))
        }  # fmt: skip
        return identity_of(raw, versions).digest

    base = by_content(pickled(reads), bam="1", bai="2")
    assert by_content(moved, bam="1", bai="2") == base
    assert by_content(moved, bam="1", bai="3") != base
    assert by_content(moved, bam="3", bai="2") != base
    renamed = pickled(File("s3://data/a/other.bam", [".bai"]))
    held = {"s3://data/a/other.bam": "1", "s3://data/a/other.bam.bai": "2"}
    assert identity_of(renamed, held).digest != base  # jobs see the last part as the file's name


def test_samples_name_files_too():
    sample = Sample("s1", files={"bam": "s3://data/s1.bam"}, metadata={"age": 3})
    identity = identity_of(pickled(sample))
    assert identity.addresses == {"s3://data/s1.bam"}
    assert (
        identity_of(pickled(Sample("s1", files={"bam": "s3://data/s1.bam"}, metadata={"age": 4}))) != identity
    )
    with pytest.raises(KeyError):
        identity_of(pickled(sample), {})


def test_what_cannot_be_read_is_never_the_same_twice():
    raw = b"\x80\x05\x93garbage"
    assert identity_of(raw) != identity_of(raw)


def test_nothing_of_a_pickle_is_executed():
    bomb = b"\x80\x05cposix\nsystem\nX\x05\x00\x00\x00false\x85R\x93."
    identity_of(bomb)
    loud = cloudpickle.dumps(sys.exit)  # by name
    assert identity_of(loud) == identity_of(loud)


def test_a_config_is_told_apart_by_its_names():
    before = identities_of_facts(pickled(GlobalConfig(folds=5, kinds={"a", "b"}, shared=[1])))
    after = identities_of_facts(pickled(GlobalConfig(folds=6, kinds={"b", "a"}, other=None)))
    assert before["kinds"] == after["kinds"]
    assert before["folds"] != after["folds"]
    assert before.keys() == {"folds", "kinds", "shared"}
