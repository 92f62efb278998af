"""Text from jobs and stores, made safe to print: what would steer a terminal or hide itself is escaped."""

import re

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
