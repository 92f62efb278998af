"""Text as people are shown it: safe to print, since what would steer a terminal is escaped, and short."""

import re
import reprlib
from typing import Any

_SHOWN = 60
_FEW = 3
_KEPT = "\n\t"
_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: escape sequences, backspaces, bells
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # the direction of writing
    "\u2028\u2029"  # ends of lines that few programs take for such
    "\ud800-\udfff"  # halves of a character, which no encoding takes
    "\ufff9-\ufffb\U000e0000-\U000e007f"  # invisible text
    "]"
)


def visible(text: str) -> str:
    """The text with control characters, but for ends of lines and tabs, as Python's escapes."""
    return _UNSAFE.sub(_escape_but_kept, text)


def visible_line(text: str) -> str:
    """Likewise of text that is to be one line, or one cell of a table: its ends of lines are escaped too."""
    return _UNSAFE.sub(_escape, text)


def _escape_but_kept(match: "re.Match[str]") -> str:
    return match[0] if match[0] in _KEPT else _escape(match)


def _escape(match: "re.Match[str]") -> str:
    return match[0].encode("unicode_escape", "backslashreplace").decode()


def shown(value: Any, most: int = _SHOWN) -> str:
    """A value as an error shows it: of a text ``most`` characters, of what holds much how much it holds."""
    if isinstance(value, str):
        return repr(value) if len(value) <= most else f"{value[:most]!r}..."
    if isinstance(value, list | dict) and len(value) > _FEW:
        return f"a {type(value).__name__} of {len(value):,}"
    text = reprlib.repr(value) if isinstance(value, list | dict) else repr(value)
    return text if len(text) <= most else f"{text[:most]}..."
