"""Text from jobs and stores is escaped where people see it: nothing steers a terminal or hides itself."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer_runner.errors import CommandFailed, NoSuchDependency, NoSuchOutput
from explorer_runner.text import visible, visible_line
from gencove_explorer.errors import ExplorerError, JobFailed, NoSuchAnalysis, WaitTimeout
from gencove_explorer.monitoring.reports import FailureGroup, Failures, Status

EVIL = "a\x1b[2J\x9b31m\x07\x08\r\u202e\ud800b"
ESCAPED = "a\\x1b[2J\\x9b31m\\x07\\x08\\r\\u202e\\ud800b"


@given(st.text(st.characters()))
def test_what_is_shown_has_no_control_characters_and_can_be_printed(text: str):
    shown = visible(text)
    shown.encode()
    assert all(char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cs") for char in shown)
    assert all(unicodedata.category(char) != "Cc" for char in visible_line(text))
    assert visible(shown) == shown


@pytest.mark.parametrize("text", ["", "plain", "ünïcödé 漢字 👩‍🔬", "[/x] {y} \\n", "a\tb\nc"])
def test_what_is_harmless_stays_as_it_is(text: str):
    assert visible(text) == text


def test_a_line_stays_one():
    assert visible_line("a\nb\tc") == "a\\nb\\tc"


@pytest.mark.parametrize("kind", [ExplorerError, JobFailed, NoSuchAnalysis, NoSuchOutput, NoSuchDependency])
def test_errors_say_it_escaped(kind: type[ExplorerError]):
    assert str(kind(f"{EVIL}\nmore")) == f"{ESCAPED}\nmore"
    assert ESCAPED in "".join(kind(EVIL)._render_traceback_())


def test_so_do_errors_that_are_made_of_parts_and_those_of_the_system():
    assert ESCAPED in str(CommandFailed("x", 1, EVIL))
    assert str(WaitTimeout(EVIL)) == ESCAPED


def test_failures_and_status_show_it_escaped():
    group = FailureGroup(EVIL, "X", 1, [0], f"Traceback\n  {EVIL}\n", "logs()")
    failures = Failures([group])
    for text in (repr(failures), failures._repr_html_()):
        assert ESCAPED in text
        assert "\x1b" not in text
    status = Status(status="FAILED", reason=f"{EVIL}<b>")
    assert f"{ESCAPED}&lt;b&gt;" in status._repr_html_()
    assert status["reason"] == f"{EVIL}<b>"  # programs get it as it is
