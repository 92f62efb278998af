"""What helps when jobs fail, and warnings about what will hurt later."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.cli import explorer
from gencove_explorer.errors import CaptureError

SMALL = JobDefinition(cpu=1, memory_mb=300)
TABLE = bytearray(3 << 20)


def unlucky(ac):
    print("reading", ac.input)
    if ac.input % 3 == 0:
        print("disk: No space left")
        raise OSError("cannot go on")
    if ac.input == 1:
        raise ValueError("negative")
    ac.output.value("x", 1)


def test_logs_of_failed_jobs_are_searched(home: Path):
    an = Analysis(function=unlucky, input=[0, 1, 2, 3], job_definition=SMALL)
    an.run()
    an.wait_done(timeout=30)
    ask = ["logs", an.id, "--failed"]
    whole = CliRunner().invoke(explorer, ask)
    assert whole.exit_code == 0
    assert "[0] reading 0\n" in whole.output
    assert "[1] ValueError: negative\n" in whole.output
    assert "[2]" not in whole.output
    found = CliRunner().invoke(explorer, [*ask, "--grep", "No space|negative$"])
    assert found.output.splitlines() == [
        "[0] disk: No space left",
        "[1] ValueError: negative",
        "[3] disk: No space left",
    ]
    nothing = CliRunner().invoke(explorer, [*ask, "--grep", "xyz"])
    assert "no line of a failed job matches" in nothing.output
    for wrong in (["logs", an.id, "--grep", "x"], [*ask, "--grep", "("], ["logs", an.id, "1", "--failed"]):
        assert CliRunner().invoke(explorer, wrong).exit_code == 2
    as_json = CliRunner().invoke(explorer, [*ask, "--grep", "No space", "--json"])
    assert '"[3] disk: No space left"' in as_json.output


def test_analyses_and_failures_show_themselves_in_a_notebook(home: Path):
    an = Analysis(function=unlucky, input=[0, 1, 2, 3], job_definition=SMALL, name="a-b")
    assert an._repr_html_() is None
    an.run()
    an.wait_done(timeout=30)
    shown = an._repr_html_()
    assert shown is not None
    assert an.id in shown
    assert "1 SUCCEEDED, 3 FAILED" in shown
    folded = an.failures()._repr_html_()
    assert folded.count("<details>") == 2
    assert "2 jobs (0, 3): OSError: cannot go on" in folded
    assert "&quot;negative&quot;" in folded


def test_what_will_hurt_later_is_said_at_submission(home: Path, warned: Callable[[], list[str]]):
    Analysis(function=lambda ac: ac.output, input=[b"", bytes(11 << 20)]).run()
    assert warned() == ["input[1] is 11 MB when pickled: files that jobs read cost less"]

    Analysis(function=lambda ac: ac.output.value("n", len(TABLE))).run()
    [large] = warned()
    assert "uses 'TABLE', 3.0 MB that every job loads" in large

    Analysis(function=lambda ac: print(ac.input), input=[1, 2], name="silent").run()
    assert warned() == ["silent keeps no output: nothing will come back of it but what it prints"]

    own = JobDefinition(cpu=1, memory_mb=300, image="my-image:1")
    Analysis(function=lambda ac: None, job_definition=own).run()
    assert warned() == ["the image my-image:1 is not used on this machine: run_local(container=True) does"]

    def imports(ac):
        import rich

        rich.print("x")

    with pytest.raises(CaptureError, match="rich"):  # which the image may have, but no job here
        Analysis(function=imports, job_definition=own).run()
    warned()

    def keeps(context):
        context.output.value("x", 1)

    Analysis(function=lambda ac: keeps(ac), input=[1, 2]).run()
    assert warned() == []
