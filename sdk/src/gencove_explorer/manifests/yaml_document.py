"""YAML as manifests use it: JSON's values with comments, and the line of each.

YAML 1.2, and less than all of it, since manifests come from people and from pull requests: no tags, no
aliases (a few lines of them fill a machine's memory), no key twice, no depth without end. What YAML 1.1
took for something else stays the text that it looks like: NO, on, 12:30, 2024-01-01.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gencove_explorer.manifests.problems import ManifestError, Problem
from gencove_explorer.utils.text_files import read_text

MAX_BYTES = 1 << 20
"""Largest manifest; more than that is data, and belongs into a file of its own."""
MAX_DEPTH = 50

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser, ten times as fast, where PyYAML was built with it."""

# The core schema, https://yaml.org/spec/1.2.2/#103-core-schema, without what JSON cannot hold.
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"[-+]?[0-9]+")
_OCTAL_OR_HEX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_PADDED = re.compile(r"[-+]?0[0-9]+")

Path_ = tuple[str | int, ...]


@dataclass
class Document:
    """One YAML file: its data, and where each part of it stands."""

    file: str
    data: Any
    lines: dict[Path_, int] = field(default_factory=dict)
    """Keys and positions from the top -> line, from one."""

    def line(self, where: Path_) -> int | None:
        """The line of a part, or of the nearest one around it that there is."""
        for length in range(len(where), -1, -1):
            if where[:length] in self.lines:
                return self.lines[where[:length]]
        return None


def read_document(path: Path, file: str) -> Document:
    """Read a file; ``file`` is what people call it. Raises ManifestError."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            allowed = (
                f"at most {MAX_BYTES >> 20} MB; keep inputs in a file of their own: input: {{file: ...}}"
            )
            raise ManifestError([Problem(file, None, "", f"is {size:,} bytes long", allowed)])
        return parse_document(read_text(path, MAX_BYTES), file)
    except OSError as error:
        raise ManifestError([Problem(file, None, "", f"cannot be read: {error.strerror}")]) from error
    except ValueError as error:
        raise ManifestError([Problem(file, None, "", f"cannot be read: {error}")]) from error


def parse_document(text: str, file: str) -> Document:
    """The data of a YAML text. Raises ManifestError with the line of what is wrong."""
    reading = _Reading(Document(file, None))
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            reading.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(str(error.problem or error.context).split())
        line = mark.line + 1 if mark else None
        raise ManifestError([Problem(file, line, "", f"is not YAML: {message}")]) from error
    except yaml.YAMLError as error:
        message = " ".join(str(error).split())
        raise ManifestError([Problem(file, None, "", f"is not YAML: {message}")]) from error
    return reading.document


class _Reading:
    """Data from a parser's events, one after the other: no depth of ours, and nothing is built twice."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._open: list[Any] = []
        """Lists and mappings that have not ended, from the top."""
        self._keys: list[str | None] = []
        """Of each of them the key that waits for its value, if it is a mapping."""
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._fault(line, "another document", "one manifest a file")
        elif isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            what = "alias *" if isinstance(event, yaml.AliasEvent) else "anchor &"
            raise self._fault(line, f"the {what}{event.anchor}", "no anchors and aliases: write it out")
        elif isinstance(event, yaml.ScalarEvent):
            if event.tag is not None:
                raise self._tag(line, event.tag)
            waits_for_key = bool(self._open) and isinstance(self._open[-1], dict) and self._keys[-1] is None
            if waits_for_key:
                self._key(line, event)
            else:
                where = self._place(line)
                self._add(_scalar(event, lambda value, allowed: self._fault(line, value, allowed, where)))
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(line, event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()
            self._done()

    def _begin(self, line: int, event: yaml.CollectionStartEvent) -> None:
        if event.tag is not None:
            raise self._tag(line, event.tag)
        if self._open and isinstance(self._open[-1], dict) and self._keys[-1] is None:
            raise self._fault(line, "a key that is a list or a mapping", "keys are text")
        if len(self._open) >= MAX_DEPTH:
            raise self._fault(line, "nested too deeply", f"{MAX_DEPTH} levels")
        self._place(line)
        made: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._add(made, done=False)
        self._open.append(made)
        self._keys.append(None)

    def _key(self, line: int, event: yaml.ScalarEvent) -> None:
        key = _scalar(event, lambda value, allowed: self._fault(line, value, allowed))
        if not isinstance(key, str):
            raise self._fault(line, f"the key {key!r}", "keys are text: put it into quotes")
        if key in self._open[-1]:
            raise self._fault(line, f"the key {key!r} a second time", "each key once")
        self._keys[-1] = key
        self.document.lines[self._where()] = line

    def _add(self, value: Any, *, done: bool = True) -> None:
        if not self._open:
            self.document.data = value
        elif isinstance(self._open[-1], list):
            self._open[-1].append(value)
        else:
            self._open[-1][self._keys[-1]] = value
        if done:
            self._done()

    def _done(self) -> None:
        """A value is whole: the next one in a mapping has another key."""
        if self._keys:
            self._keys[-1] = None

    def _place(self, line: int) -> Path_:
        where = self._where()
        self.document.lines.setdefault(where, line)
        return where

    def _where(self) -> Path_:
        """Where the next value belongs."""
        steps: list[str | int] = []
        for place, (around, key) in enumerate(zip(self._open, self._keys, strict=True)):
            if isinstance(around, list):
                steps.append(len(around) - (place < len(self._open) - 1))
            elif key is not None:
                steps.append(key)
        return tuple(steps)

    def _tag(self, line: int, tag: str) -> ManifestError:
        return self._fault(
            line, f"the tag {tag}", "no tags: text, numbers, true, false, null, lists, mappings"
        )

    def _fault(self, line: int, value: str, allowed: str, where: Path_ | None = None) -> ManifestError:
        field = dotted(self._where() if where is None else where)
        return ManifestError([Problem(self.document.file, line, field, value, allowed)])


def _scalar(event: yaml.ScalarEvent, fault: Callable[[str, str], ManifestError]) -> Any:
    text = str(event.value)
    if event.style:  # in quotes, or a block of text
        return text
    if _NULL.fullmatch(text):
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if _PADDED.fullmatch(text):
        number = text[:1].strip("+0123456789") + (text.lstrip("+-0") or "0")
        raise fault(text[:60], f"{text[:60]!r} in quotes if it is a name, {number[:60]} if it is a number")
    if _WHOLE.fullmatch(text):
        return _int(text, 10, fault)
    if _OCTAL_OR_HEX.fullmatch(text):
        return _int(text, 0, fault)
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    if _NOT_FINITE.fullmatch(text) or _NUMBER.fullmatch(text):
        raise fault(text, "a finite number; null for one that is missing")
    return text


def _int(text: str, base: int, fault: Callable[[str, str], ManifestError]) -> int:
    try:
        return int(text, base)
    except ValueError:  # Python refuses to read thousands of digits
        raise fault(f"a number of {len(text):,} digits", "put it into quotes") from None


def dotted(where: Path_) -> str:
    """``('input', 3, 'id')`` as people write it: ``input[3].id``."""
    text = ""
    for step in where:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
