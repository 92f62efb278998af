"""What a notebook defines with the classes of packages."""

import attrs
import numba
import numpy
import pydantic
import sklearn.base


@attrs.define
class Gene:
    name: str
    length: int = attrs.field(default=0, validator=attrs.validators.instance_of(int))


@attrs.frozen
class Exon:
    start: int
    end: int


class Person(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(default=0, ge=0)

    @pydantic.field_validator("name")
    @classmethod
    def strip(cls, value):
        return value.strip()


class Team(pydantic.BaseModel):
    members: list[Person] = []


class Doubler(sklearn.base.BaseEstimator, sklearn.base.TransformerMixin):
    def __init__(self, factor=2):
        self.factor = factor

    def fit(self, rows, y=None):
        return self

    def transform(self, rows):
        return numpy.asarray(rows) * self.factor


@numba.njit
def summed(values):
    total = 0.0
    for value in values:
        total += value
    return total


@numba.vectorize
def doubled(x):
    return 2 * x
