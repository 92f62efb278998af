"""What a pickle stands for, as a digest: equal for the same code and values, whichever process pickled them.

The bytes of a pickle do not say that. The order of a set's elements depends on the process, classes get an
id by lot, code objects carry their file and lines, and which equal texts are one object is an accident. So
the pickle is read symbolically: pickle's own machine runs, and instead of an object each call leaves a
record of what was called with what. Nothing of the pickle is imported or executed. Then what was recorded is
digested, without the accidents.

A File counts by its address, and by what lies there where that is given (``versions``).
"""

import hashlib
import io
import os
import pickle
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from explorer_runner.format.payload import IDENTITY_BYTES
from explorer_runner.models import addresses_of

_SYMBOLIC = re.compile(rb"[\x93\x8f\x91]")
"""Opcodes of a name that is looked up, and of sets. Without any of these bytes a pickle holds plain data in
one order alone (https://github.com/python/cpython/blob/main/Lib/pickletools.py)."""

_MODULE = "cloudpickle.cloudpickle:"
_CODE_TYPE = (f"{_MODULE}_builtin_type", ("CodeType",))
_CODE_NAMES = 8
_PLACE_IN_CODE = frozenset((10, 13, 14))
"""Positions of file, first line and line table among the arguments of a code object, from Python 3.11 on."""
_LEFT_OUT = {
    f"{_MODULE}_make_skeleton_class": frozenset((4,)),
    f"{_MODULE}_make_skeleton_enum": frozenset((4, 5)),
    f"{_MODULE}_make_typevar": frozenset((5,)),
    "gencove_explorer.capture.reducers:make_typed_dict": frozenset((4,)),
}
"""Callable -> the positions of what counts for nothing: the id by which cloudpickle tells classes apart
within one process, and an enum's module."""
_FACTS: dict[str, tuple[int, int | None]] = {
    f"{_MODULE}_make_function": (1, None),
    f"{_MODULE}_function_setstate": (1, 1),
    f"{_MODULE}_make_skeleton_class": (3, None),
    f"{_MODULE}_class_setstate": (1, 0),
}
"""Callable -> the argument that has the facts of a function or a class, and the place in it."""
_PLACES = frozenset(("__file__", "__path__", "__name__", "__package__", "__module__", "__firstlineno__"))
"""Where code stood: of no consequence unless the code itself asks."""
_FIELDS = "__dataclass_fields__"
_UNORDERED = "__static_attributes__"
"""Names that Python 3.13 keeps of a class, in an order that depends on the process."""
_FILE, _SAMPLE = "explorer_runner.models:File", "explorer_runner.models:Sample"


@dataclass(frozen=True)
class Identity:
    """What a pickle stands for."""

    digest: bytes
    addresses: frozenset[str] = frozenset()
    """Of the files that it names, those beside them included."""


def identity_of(raw: bytes | memoryview, versions: Mapping[str, str] | None = None) -> Identity:
    """The identity of a pickle.

    versions: address -> what lies there; files then count by that, and by the last part of their address,
        as which jobs see them. KeyError for a file that is not among them.
    """
    data = bytes(raw)
    if is_plain(data):
        return Identity(plain_digest(hashlib.sha256(data).digest()))
    machine = _Machine(io.BytesIO(data))
    try:
        value = machine.load()
        digester = _Digester(machine.made, versions)
        digester.add(value)
        for node in machine.made:  # of calls for their effect alone, whose result was thrown away
            digester.add(node)
    except KeyError:
        raise
    except Exception:  # not what pickles of ours hold: nobody can say whether another one stands for the same
        return Identity(os.urandom(IDENTITY_BYTES))
    return Identity(digester.hash.digest()[:IDENTITY_BYTES], frozenset(digester.addresses))


def identities_of_facts(raw: bytes) -> dict[str, bytes]:
    """Of a pickled object that is a record of facts, such as a global config: name -> the value's identity.

    A value that is shared with another one counts as a whole in each.
    """
    machine = _Machine(io.BytesIO(raw))
    try:
        value = machine.load()
        facts = value.states[0] if isinstance(value, _Made) and value.states else {}
        return {str(name): _Digester(machine.made, None).digest_of(part) for name, part in facts.items()}
    except Exception:  # as above
        return {"?": os.urandom(IDENTITY_BYTES)}


def is_plain(raw: bytes | memoryview) -> bool:
    """Whether a pickle holds plain data alone, whose bytes are the same in every process."""
    return _SYMBOLIC.search(raw) is None


def plain_digest(sha256: bytes) -> bytes:
    """The digest of a pickle of plain data, of which the SHA-256 of the bytes is known."""
    return sha256[:IDENTITY_BYTES]


class _Made:
    """What a call, or pickle itself, would have made."""

    symbol = ""
    made: list["_Made"]

    def __new__(cls, *args: Any, **named: Any) -> "_Made":
        node = object.__new__(cls)
        node.args, node.named = args, named
        node.states, node.items, node.pairs = [], [], []
        cls.made.append(node)
        return node

    args: tuple[Any, ...]
    named: dict[str, Any]
    states: list[Any]
    items: list[Any]
    pairs: list[tuple[Any, Any]]

    def __init__(self, *args: Any, **named: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.states.append(state)

    def append(self, item: Any) -> None:
        self.items.append(item)

    add = append

    def extend(self, items: Any) -> None:
        self.items.extend(items)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.pairs.append((key, value))

    def __call__(self, *args: Any) -> "_Made":
        return self._called(self, *args)

    _called: type["_Made"]


class _Machine(pickle.Unpickler):
    """Reads a pickle; what it would look up becomes a class of records."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.made: list[_Made] = []
        common: dict[str, Any] = {"made": self.made}
        common["_called"] = type("_Called", (_Made,), {"symbol": "call", "made": self.made})
        self._common = common
        self._symbols: dict[tuple[str, str], type[_Made]] = {}

    def find_class(self, module: str, name: str) -> Any:
        symbol = self._symbols.get((module, name))
        if symbol is None:
            facts = {**self._common, "symbol": f"{module}:{name}"}
            symbol = self._symbols[module, name] = type("_Symbol", (_Made,), facts)
        return symbol

    def persistent_load(self, pid: Any) -> Any:
        return self.find_class("persistent", "id")(pid)


@dataclass
class _Digester:
    """Digests what a machine recorded, each mutable object once, so that shared and circular ones count."""

    made: list[_Made]
    versions: Mapping[str, str] | None
    addresses: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.hash = hashlib.sha256(b"explorer identity 1")
        self._numbers: dict[int, int] = {}
        """Identity in memory -> the number of an object that was met."""
        names = {name for node in self.made if _is_code(node) for name in node.args[1 + _CODE_NAMES]}
        self._dropped = _PLACES - names

    def digest_of(self, value: Any) -> bytes:
        """The digest of a value alone."""
        self.add(value)
        return self.hash.digest()[:IDENTITY_BYTES]

    def add(self, value: Any) -> None:
        kind = type(value)
        if kind in _ATOMS:
            self._write(kind.__name__, _ATOMS[kind](value))
        elif kind is tuple:
            self._write("tuple", len(value))
            for item in value:
                self.add(item)
        elif isinstance(value, type):
            self._write("name", value.symbol.encode())  # type: ignore[attr-defined]
        elif id(value) in self._numbers:
            self._write("again", self._numbers[id(value)])
        else:
            self._numbers[id(value)] = len(self._numbers)
            self._add_object(value)

    def _write(self, kind: str, content: bytes | int) -> None:
        data = content if isinstance(content, bytes) else b"%d" % content
        self.hash.update(b"%s %d:" % (kind.encode(), len(data)))
        self.hash.update(data)

    def _add_object(self, value: Any) -> None:
        if isinstance(value, list):
            self._write("list", len(value))
            for item in value:
                self.add(item)
        elif isinstance(value, dict):
            self._add_pairs("dict", value.items())
        elif isinstance(value, set | frozenset):
            self._write(type(value).__name__, len(value))
            for digest in sorted(self._alone(item) for item in value):
                self._write("element", digest)
        elif isinstance(value, _Made):
            self._add_made(value)
        else:
            raise TypeError(f"a pickle cannot hold {type(value).__name__} by itself")

    def _alone(self, item: Any) -> bytes:
        """The digest of an element of a set, which has no place among the others."""
        outer, numbers = self.hash, self._numbers
        self.hash, self._numbers = hashlib.sha256(), dict(numbers)
        try:
            self.add(item)
            return self.hash.digest()
        finally:
            self.hash, self._numbers = outer, numbers

    def _add_pairs(self, kind: str, pairs: Any) -> None:
        self._write(kind, len(pairs))
        for key, value in pairs:
            self.add(key)
            self.add(value)

    def _add_facts(self, facts: Mapping[str, Any]) -> None:
        """What Python keeps of a function or a class, without where it stood."""
        kept = {name: value for name, value in facts.items() if name not in self._dropped}
        if _FIELDS in kept and _is_made_of_fields(kept.get("__doc__")):
            del kept["__doc__"]
        if _UNORDERED in kept:
            kept[_UNORDERED] = tuple(sorted(kept[_UNORDERED]))
        self._add_pairs("facts", kept.items())

    def _add_made(self, node: _Made) -> None:
        self._write("made", node.symbol.encode())
        if node.symbol == _FILE:
            self._add_file(*node.args)
        elif node.symbol == _SAMPLE:
            self._add_sample(*node.args)
        else:
            self._add_arguments(node)
        for name, parts in (("state", node.states), ("item", node.items)):
            self._write(name, len(parts))
            for part in parts:
                self.add(part)
        self._add_pairs("pairs", node.pairs)
        if node.named:
            self._add_pairs("named", node.named.items())

    def _add_arguments(self, node: _Made) -> None:
        args, left_out = node.args, _LEFT_OUT.get(node.symbol, frozenset())
        if _is_code(node):
            args, left_out = args[1:], _PLACE_IN_CODE
        facts = _FACTS.get(node.symbol)
        self._write("arguments", len(args))
        for place, part in enumerate(args):
            if place in left_out:
                continue
            if facts is not None and place == facts[0]:
                self._add_state(part, facts[1])
            else:
                self.add(part)

    def _add_state(self, part: Any, place: int | None) -> None:
        """The facts of a function or a class: the argument itself, or at a place in it."""
        if place is None:
            self._add_facts(part)
            return
        for number, item in enumerate(part):
            if number == place:
                self._add_facts(item)
            else:
                self.add(item)

    def _add_file(self, uri: str, suffixes: tuple[str, ...] = ()) -> None:
        self.add(tuple(suffixes))
        for address in addresses_of(uri, suffixes):
            self._add_address(address)

    def _add_sample(self, name: str, client: str, metadata: Any, files: Mapping[str, str]) -> None:
        self.add((name, client))
        self.add(metadata)
        for key, uri in files.items():
            self.add(key)
            self._add_address(uri)

    def _add_address(self, address: str) -> None:
        self.addresses.add(address)
        if self.versions is None:
            self._write("address", address.encode())
        else:
            last = address.partition("?")[0].rpartition("/")[2]
            self._write("file", last.encode())
            self._write("version", self.versions[address].encode())


def _is_made_of_fields(text: Any) -> bool:
    """Whether a dataclass was given its docstring by Python: it shows the defaults, sets in any order."""
    return isinstance(text, str) and re.fullmatch(r"\w+\(.*\)", text, re.DOTALL) is not None


def _is_code(node: _Made) -> bool:
    """Whether a call makes a code object: cloudpickle looks the type up by a call of its own."""
    made = node.args[0] if node.symbol == "call" and node.args else None
    return isinstance(made, _Made) and (made.symbol, made.args) == _CODE_TYPE


_ATOMS: dict[type, Callable[[Any], bytes | int]] = {
    type(None): lambda value: b"",
    bool: int,
    int: int,
    float: lambda value: struct.pack("<d", value),
    str: lambda value: value.encode(errors="surrogatepass"),
    bytes: lambda value: value,
    bytearray: bytes,
}
