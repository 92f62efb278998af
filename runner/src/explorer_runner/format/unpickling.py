"""Reading pickles in a process that goes on: existing classes are not replaced.

cloudpickle sends a class of a notebook along with its objects, and writes what it sent over the class of
the same origin that lives where it is read. Somebody may have changed that class since.
"""

import io
import pickle
import threading
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any

_MAKING = threading.RLock()
"""Held from the making of a class until it is filled: other threads would find half of it."""
_MODULE = "cloudpickle.cloudpickle"
_MAKERS = ("_make_skeleton_class", "_make_skeleton_enum")
_FILLER = "_class_setstate"


def loads(data: bytes) -> Any:
    """What was pickled. A class that lives here already is taken as it is, by its origin."""
    return _Unpickler(io.BytesIO(data)).read()


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self._alive: dict[int, type] = {}
        self._made: list[str] = []
        """Origins of classes that did not live here."""
        self._held = 0

    def read(self) -> Any:
        try:
            return self.load()
        except BaseException:
            self._forget()
            raise
        finally:
            for _ in range(self._held):
                _MAKING.release()

    def find_class(self, module: str, name: str) -> Any:
        existing = super().find_class(module, name)
        if module == _MODULE and name in _MAKERS:
            return partial(self._make, existing)
        if module == _MODULE and name == _FILLER:
            return partial(self._fill, existing)
        return existing

    def _make(self, make: Callable[..., type], *arguments: Any) -> type:
        # Both makers have the class's origin last but one. They would make another class before they
        # look for it, which a base class may notice (__init_subclass__).
        _MAKING.acquire()
        self._held += 1
        origin = arguments[-2]
        existing: type | None = _living().get(origin)
        if existing is None:
            self._made.append(origin)
            return make(*arguments)
        self._alive[id(existing)] = existing
        return existing

    def _fill(self, fill: Callable[[type, Any], type], made: type, state: Any) -> type:
        return made if id(made) in self._alive else fill(made, state)

    def _forget(self) -> None:
        """After a failure: classes that may not have been filled must not serve the next reading."""
        for origin in self._made:
            _living().pop(origin, None)


def _living() -> MutableMapping[str, type]:
    """Cloudpickle's classes that live in this process, by origin."""
    from cloudpickle import cloudpickle

    living: MutableMapping[str, type] = cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID
    return living
