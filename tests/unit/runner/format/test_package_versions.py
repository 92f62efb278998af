"""Which packages a pickle needs, and what is said of those that are not here, or in another version."""

import importlib.metadata
import pickle
import sys
import types
from typing import Any

import click
import cloudpickle
import pydantic
import pytest
import yaml

from explorer_runner.format.package_versions import Lack, find_lack, packages_in

CLICK = f"click=={importlib.metadata.version('click')}"
YAML = f"pyyaml=={importlib.metadata.version('pyyaml')}"
HERE = importlib.metadata.version("click")
PICKLED = [
    (click.Path, {"click": CLICK}),
    ((1, click.Path, click.File), {"click": CLICK}),
    (yaml.SafeLoader, {"yaml": YAML}),
    ([click.Path, pydantic.BaseModel], {"click": CLICK, "pydantic": f"pydantic=={pydantic.VERSION}"}),
    ((1, {"click": "click"}), {}),
    (importlib.metadata.version, {}),
]


@pytest.mark.parametrize(("value", "packages"), PICKLED, ids=range(len(PICKLED)))
@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_packages_of_what_is_pickled(dumps: Any, value: Any, packages: dict[str, str]):
    found = packages_in(dumps(value, protocol=5))
    assert {name: wanted.lower() for name, wanted in found.items()} == packages


def test_a_module_that_a_function_uses_is_a_package_too():
    made = types.FunctionType((lambda: core.Command).__code__, {"core": click.core, "__name__": "__main__"})  # noqa: F821
    assert packages_in(cloudpickle.dumps(made)) == {"click": CLICK}


def test_where_a_pickle_is_large_its_beginning_is_searched():
    assert packages_in(pickle.dumps((click.Path, b"x" * (32 << 20)))) == {"click": CLICK}


def failing(code: str) -> BaseException:
    try:
        exec(code, {})
    except Exception as error:
        return error
    raise AssertionError(code)


@pytest.mark.parametrize(
    ("code", "pickled_with", "lack"),
    [
        ("import absent.part", {}, Lack("absent", None, None)),
        ("import absent", {"absent": "Absent==1"}, Lack("absent", None, "Absent==1")),
        ("import click._core", {"click": "click==99"}, Lack("click", HERE, "click==99")),
        ("import click._core", {"click": CLICK}, Lack("click", HERE, None)),
        ("import click._core", {}, Lack("click", HERE, None)),
        ("import click; click.absent", {"click": "click==99"}, Lack("click", HERE, "click==99")),
        ("from click import absent", {"click": "click==99"}, Lack("click", HERE, "click==99")),
        ("import pickle; pickle.loads(b'cclick.core\\nAbsent\\n.')", {}, Lack("click", HERE, None)),
        ("raise ValueError", {"click": "click==99", "yaml": YAML}, Lack("click", HERE, "click==99")),
        ("raise ValueError", {"absent": "absent==1"}, Lack("absent", None, "absent==1")),
        ("raise ValueError", {"click": CLICK}, None),
        ("import absent_too", {"click": "click==99"}, Lack("absent_too", None, None)),
        ("raise ModuleNotFoundError('_lzma', name='_lzma')", {}, None),
        ("import __main__; __main__.absent", {}, None),
        ("None.absent", {}, None),
    ],
)
def test_what_is_lacking(code: str, pickled_with: dict[str, str], lack: Lack | None):
    assert find_lack(failing(code), pickled_with) == lack


def test_a_package_that_was_installed_after_another_version_was_loaded():
    sys.modules["loaded_early"] = types.ModuleType("loaded_early")
    sys.modules["loaded_early"].__version__ = "0.1"  # type: ignore[attr-defined]
    try:
        lack = find_lack(failing("import loaded_early.part"), {"loaded_early": CLICK})
    finally:
        del sys.modules["loaded_early"]
    assert lack == Lack("loaded_early", "0.1", CLICK)
    assert lack.advise().startswith(f"pip install {CLICK} and restart Python")
