"""YAML as manifests use it: JSON's values with comments, and the line of each.

YAML 1.2, and less than all of it, since manifests come from people and from pull requests: no tags, no
aliases (a few lines of them fill a machine's memory), no key twice, no depth without end. What YAML 1.1
took for something else stays the text that it looks like: NO, on, 12:30, 2024-01-01.
"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gencove_explorer.manifests.faults import Fault, ManifestError

MAX_BYTES = 1 << 20
"""Largest manifest; more than that is data, and belongs into a file of its own."""
MAX_DEPTH = 50

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
        raw = path.read_bytes()
    except OSError as error:
        raise ManifestError([Fault(file, None, "", f"cannot be read: {error.strerror}")]) from error
    if len(raw) > MAX_BYTES:
        allowed = f"at most {MAX_BYTES >> 20} MB; keep inputs in a file of their own: input: {{file: ...}}"
        raise ManifestError([Fault(file, None, "", f"is {len(raw):,} bytes long", allowed)])
    try:
        return parse_document(raw.decode("utf-8-sig"), file)
    except UnicodeDecodeError as error:
        raise ManifestError([Fault(file, None, "", f"is not UTF-8: {error}")]) from error


def parse_document(text: str, file: str) -> Document:
    """The data of a YAML text. Raises ManifestError with the line of what is wrong."""
    document = Document(file, None)
    try:
        node = YAML(typ="safe", pure=True).compose(text)
        if node is not None:
            document.data = _value(node, (), document)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(str(error.problem or error.context).split())
        raise ManifestError(
            [Fault(file, mark.line + 1 if mark else None, "", f"is not YAML: {said}")]
        ) from error
    except YAMLError as error:
        raise ManifestError(
            [Fault(file, None, "", f"is not YAML: {' '.join(str(error).split())}")]
        ) from error
    except RecursionError:
        raise ManifestError([Fault(file, None, "", "is nested too deeply", f"{MAX_DEPTH} levels")]) from None
    return document


def _value(node: Node, where: Path_, document: Document) -> Any:
    line = node.start_mark.line + 1
    document.lines.setdefault(where, line)

    def fault(found: str, allowed: str) -> ManifestError:
        return ManifestError([Fault(document.file, line, dotted(where), found, allowed)])

    if len(where) > MAX_DEPTH:
        raise fault("nested too deeply", f"{MAX_DEPTH} levels")
    if node.anchor is not None:
        raise fault(f"the anchor &{node.anchor}", "no anchors and aliases: write it out")
    if isinstance(node, ScalarNode):
        if _tagged(node):
            raise fault(f"the tag {node.tag}", "no tags: text, numbers, true, false, null, lists, mappings")
        return _scalar(node, fault)
    if isinstance(node, SequenceNode):
        if node.tag != "tag:yaml.org,2002:seq":
            raise fault(f"the tag {node.tag}", "no tags")
        return [_value(each, (*where, place), document) for place, each in enumerate(node.value)]
    assert isinstance(node, MappingNode)
    if node.tag != "tag:yaml.org,2002:map":
        raise fault(f"the tag {node.tag}", "no tags")
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _value(key_node, (*where, "?"), document)
        document.lines.pop((*where, "?"), None)
        if not isinstance(key, str):
            raise fault(f"the key {key!r}", "keys are text: put it into quotes")
        document.lines[(*where, key)] = key_node.start_mark.line + 1
        if key in found:
            line = key_node.start_mark.line + 1
            raise fault(f"the key {key!r} a second time", "each key once")
        found[key] = _value(value_node, (*where, key), document)
    return found


def _tagged(node: ScalarNode) -> bool:
    """Whether a scalar has a tag of its own: what the parser found by itself is none."""
    return bool(node.ctag) and node.start_mark.buffer is not None and _text_at(node).startswith("!")


def _text_at(node: ScalarNode) -> str:
    mark = node.start_mark
    return str(mark.buffer[mark.pointer : mark.pointer + 1])


def _scalar(node: ScalarNode, fault: Any) -> Any:
    text = str(node.value)
    if node.style is not None:  # in quotes, or a block of text
        return text
    if _NULL.fullmatch(text):
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if _PADDED.fullmatch(text):
        raise fault(text, f"'{text}' in quotes if it is a name, {int(text)} if it is a number")
    if _WHOLE.fullmatch(text):
        return _int(text, 10, fault)
    if _OCTAL_OR_HEX.fullmatch(text):
        return _int(text, 0, fault)
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    if _NOT_FINITE.fullmatch(text) or _NUMBER.fullmatch(text):
        raise fault(text, "a finite number; null for one that is missing")
    return text


def _int(text: str, base: int, fault: Any) -> int:
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
