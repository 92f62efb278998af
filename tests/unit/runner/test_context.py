"""GlobalConfig holds values of any name, and comes back from a pickle as it was."""

import copy
import pickle

import cloudpickle
import pytest

from explorer_runner.context import GlobalConfig
from explorer_runner.errors import InvalidName

NAMES = ["self", "values", "name", "cls", "_x", "__reduce_ex__", "__reduce__", "__getstate__", "__setstate__"]


@pytest.mark.parametrize("name", NAMES)
def test_a_value_may_have_any_name(name: str):
    config = GlobalConfig(**{name: 5}, other=[1])
    assert (getattr(config, name), config.other) == (5, [1])
    for again in (
        pickle.loads(pickle.dumps(config)),
        cloudpickle.loads(cloudpickle.dumps(config)),
        copy.copy(config),
    ):
        assert (getattr(again, name), again) == (5, config)


@pytest.mark.parametrize("name", ["__class__", "__dict__", "__weakref__"])
def test_a_name_that_could_not_be_read_back_is_refused(name: str):
    with pytest.raises(InvalidName, match=f"cannot hold '{name}'.*: choose another"):
        GlobalConfig(**{name: 5})
