"""What a notebook defines with the standard library alone."""

import abc
import dataclasses
import enum
import functools
import typing
from collections import namedtuple

T = typing.TypeVar("T")


class Colour(enum.Enum):
    RED = 1
    CRIMSON = RED


class Permission(enum.Flag):
    READ = 1
    WRITE = 2
    BOTH = READ | WRITE


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2

    @property
    def doubled(self):
        return 2 * self.value


class Kind(enum.StrEnum):
    SNP = enum.auto()
    INDEL = "indel"


class Bits(enum.IntFlag):
    A = 1
    B = 2


@dataclasses.dataclass
class Sample:
    name: str
    tags: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    chromosome: str
    position: int = 0

    def shifted(self, by):
        return dataclasses.replace(self, position=self.position + by)


Pair = namedtuple("Pair", "left right", defaults=[None])


class Read(typing.NamedTuple):
    name: str
    length: int = 0

    def described(self):
        return f"{self.name}:{self.length}"


class Slotted:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y


class Circle:
    def __init__(self, radius):
        self.radius = radius

    @functools.cached_property
    def area(self):
        return 3 * self.radius**2

    @functools.cache  # noqa: B019
    def times(self, factor):
        return self.radius * factor

    @classmethod
    def unit(cls):
        return cls(1)

    @staticmethod
    def corners():
        return 0


class Box(typing.Generic[T]):
    def __init__(self, content: T):
        self.content = content


class HasArea(typing.Protocol):
    def area(self) -> float: ...


@typing.runtime_checkable
class HasName(typing.Protocol):
    name: str


class Shape(abc.ABC):
    @abc.abstractmethod
    def sides(self): ...


class Square(Shape):
    def sides(self):
        return 4


class Registry(type):
    known = []  # noqa: RUF012

    def __new__(cls, name, bases, namespace):
        made = super().__new__(cls, name, bases, namespace)
        cls.known.append(name)
        return made


class Registered(metaclass=Registry):
    def __init__(self, x=0):
        self.x = x


class Celsius:
    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner):
        return instance.kelvin - 273


class Room:
    warmth = Celsius()

    def __init__(self, kelvin):
        self.kelvin = kelvin


class Stated:
    def __init__(self, x):
        self.x, self.handle = x, open("/dev/null")

    def __getstate__(self):
        return {"x": self.x}


class Reduced:
    def __init__(self, x):
        self.x = x

    def __reduce__(self):
        return Reduced, (self.x,)


class Family(Exception):
    def __init__(self, message, code=0):
        super().__init__(message, code)
        self.code = code


class Words(dict):
    def __missing__(self, key):
        return key.upper()


class Tree:
    def __init__(self, *children):
        self.children, self.parent = children, None
        for child in children:
            child.parent = self


def add(x, y=0, *, z=0):
    return x + y + z


def is_even(n):
    return n == 0 or is_odd(n - 1)


def is_odd(n):
    return n != 0 and is_even(n - 1)


@functools.lru_cache(maxsize=32)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


@functools.singledispatch
def describe(value):
    return "something"


@describe.register
def _(value: int):
    return "a number"


@describe.register(list)
def _(value):
    return [describe(part) for part in value]


def multiplier(factor):
    def multiply(x):
        return x * factor

    return multiply


def counter():
    count = 0

    def increase():
        nonlocal count
        count += 1
        return count

    return increase


def logged(function):
    @functools.wraps(function)
    def call(*args):
        return ["called", function(*args)]

    return call


@logged
def square(x):
    return x * x


def numbers(n):
    yield from range(n)


async def later():
    return 1


def itself():
    return itself.__name__


add.note = "an attribute of a function"
