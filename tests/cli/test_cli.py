"""The explorer command, as a person types it."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.cli import explorer as command
from gencove_explorer.cli.common import json_text
from gencove_explorer.job_manager import JobManager

EXPLORER = str(Path(sys.executable).with_name("explorer"))


def explorer(*arguments: str, code: int = 0, **options: object) -> str:
    done = subprocess.run([EXPLORER, *arguments], capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload]
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "gencove_explorer/" not in done.stderr, "a traceback of ours"
    return done.stdout if code == 0 else done.stdout + done.stderr


def commands(
    group: click.Group = command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, found in group.commands.items():
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))
        else:
            yield (*path, name), found


@pytest.fixture
def analysis_file(tmp_path: Path) -> Path:
    path = tmp_path / "analysis.py"
    path.write_text(
        """
FACTOR = 2

def work(ac):
    print("input", ac.input)
    if ac.input == "bad":
        raise ValueError("bad input")
    ac.output.value("double", ac.input * FACTOR)
    ac.output.value("object", (1, 2))
    ac.output.file("deep/file.txt").as_local().write_text("text")
    (ac.output.file("tree").as_local() / "empty").mkdir(parents=True)
    (ac.output.file("tree").as_local() / "tool").touch(0o700)

def config(ac):
    ac.output.value("folds", ac.global_config.folds)
"""
    )
    return path


def test_every_command_has_help_an_example_and_json():
    for path, found in commands():
        text = " ".join(path)
        assert found.help, text
        if path not in {("executor",)}:
            assert f"explorer {text}" in found.help, f"{text} has no example"
        names = {name for each in found.params for name in each.opts}
        if path != ("completion",):
            assert "--json" in names, f"{text} has no --json"
        for option in found.params:
            if isinstance(option, click.Option):
                assert option.help, f"{text} {option.name}"


def test_help_names_every_command(home: Path):
    text = explorer("--help")
    for path, _ in commands():
        assert path[0] in text
    assert "Examples:" in text
    assert re.match(r"explorer, version \d", explorer("--version"))


def test_a_whole_life(home: Path, analysis_file: Path):
    out = explorer(
        "run",
        f"{analysis_file}:work",
        "--input",
        '["foo", "bad"]',
        "--cpu",
        "1",
        "--memory-mb",
        "300",
        "--wait",
        code=1,
    )
    identifier = re.search(r"\d{4}-\S+_work_[0-9a-f]{32}", out)[0]
    assert "FAILED" in out
    assert "1 of 2 jobs failed; job 1: ValueError: bad input" in out
    assert explorer("status", "last").startswith(f"{identifier}: FAILED\n")
    assert explorer("status", identifier[-8:], "0") == f"{identifier}: SUCCEEDED\n"
    assert "1 job (1): ValueError: bad input (line 7, in work)" in explorer("failures", "last")
    assert explorer("logs", "last", "0") == "input foo\n"
    outputs = explorer("outputs", "last")
    assert "'foofoo'" in outputs
    assert re.search(r"object +value +\[1, 2\] *\n", outputs)
    assert "4 bytes" in outputs
    explorer("outputs", "last", "0", "--to", "copied")
    assert Path("copied/0/deep/file.txt").read_text() == "text"
    assert list(Path("copied/0/tree/empty").iterdir()) == []
    assert [os.access(f"copied/0/{name}", os.X_OK) for name in ("tree/tool", "deep/file.txt")] == [
        True,
        False,
    ]
    assert "1 SUCCEEDED, 1 FAILED" in explorer("list")
    assert "running 1 failed job again" in explorer("retry", "last", "--memory-mb", "400")
    explorer("wait", "last", code=1)
    assert "round 1: 1 failed job run again" in explorer("status", "last")
    assert "--yes" in explorer("delete", "--help")
    assert "Aborted" in explorer("delete", "last", code=1, input="n\n")
    explorer("delete", "last", "--yes")
    assert explorer("list") == "no analyses\n"


def test_one_job_of_an_array_is_told_from_all(home: Path):
    an = Analysis(function=lambda ac: ac.output.value("x", ac.input), name="part", input=[1, 2, 3])
    an.run_local(1)
    assert re.search(r"1 of 3 +SUCCEEDED\n$", explorer("list"))
    assert explorer("status", "last") == f"{an.id}: SUCCEEDED\n       1 SUCCEEDED\n       2 NOT_RUN\n"
    assert explorer("wait", "last") == f"{an.id}: SUCCEEDED, 1 of 3 jobs\n"
    [listed] = json.loads(explorer("list", "--json"))
    assert listed["status"]["jobs"] == {"SUCCEEDED": 1, "NOT_RUN": 2}


def test_more_memory_for_what_still_runs_is_refused_and_the_advice_works(home: Path, tmp_path: Path):
    def waits(ac):
        import os
        import time

        while not os.path.exists(ac.input):
            time.sleep(0.01)
        raise ValueError("no")

    small = JobDefinition(cpu=1, memory_mb=200)
    an = Analysis(function=waits, input=str(tmp_path / "flag"), job_definition=small)
    an.run()
    refused = explorer("retry", "last", "--memory-mb", "300", code=1)
    assert "1 of 1 have not ended: the job_definition is used for none of them" in refused
    assert f"Here: explorer wait {an.id}, then the same" in refused
    (tmp_path / "flag").touch()
    explorer("wait", an.id, code=1)
    assert "running 1 failed job again" in explorer("retry", "last", "--memory-mb", "300")
    explorer("wait", an.id, code=1)


def test_json_of_everything(home: Path, analysis_file: Path):
    ran = json.loads(
        explorer(
            "run", f"{analysis_file}:work", "--input", '["foo", "bar"]', "--json", "--label", "team=demo"
        )
    )
    identifier = ran["id"]
    assert json.loads(explorer("wait", identifier, "--json")) == {
        "id": identifier,
        "status": "SUCCEEDED",
        "jobs": {"SUCCEEDED": 2},
    }
    status = json.loads(explorer("status", identifier, "--json"))
    assert status["rounds"][0]["jobs"] == 2
    listed = json.loads(explorer("list", "--json"))
    assert listed[0]["id"] == identifier
    assert listed[0]["labels"] == {"team": "demo"}
    assert listed[0]["status"]["status"] == "SUCCEEDED"
    log = json.loads(explorer("logs", identifier, "1", "--json"))
    assert log == {"id": identifier, "index": 1, "log": "input bar\n", "notes": []}
    outputs = json.loads(explorer("outputs", identifier, "--json"))
    assert outputs[1]["values"] == {"double": "barbar", "object": [1, 2]}
    assert outputs[1]["objects"] == ["object"]
    assert Path(outputs[1]["files"]["deep/file.txt"]).read_text() == "text"
    assert json.loads(explorer("failures", identifier, "--json")) == []
    assert json.loads(explorer("retry", identifier, "--json")) == {"id": identifier, "jobs": 0}
    assert json.loads(explorer("terminate", identifier, "--all", "--json"))["id"] == identifier
    assert json.loads(explorer("config", "--json"))["cpus"] == {"value": 2, "source": "EXPLORER_CPUS"}
    assert json.loads(explorer("executor", "status", "--json"))["running"] is True
    assert json.loads(explorer("executor", "stop", "--json"))
    assert json.loads(explorer("executor", "status", "--json"))["running"] is False
    assert json.loads(explorer("executor", "start", "--json"))
    assert json.loads(explorer("delete", identifier, "--yes", "--json"))["id"] == identifier


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([math.nan, math.inf, -math.inf, 1.5], "[null, null, null, 1.5]"),
        ({"deep": [{"x": (math.nan, None)}]}, '{"deep": [{"x": [null, null]}]}'),
        ({math.nan: math.inf}, '{"nan": null}'),
        ({"path": Path("a"), "number": math.inf}, '{"path": "a", "number": null}'),
    ],
)
def test_what_is_printed_as_json_is_json(data: object, text: str):
    assert json.loads(json_text(data), parse_constant=pytest.fail) == json.loads(text)


def test_json_of_numbers_that_json_does_not_have(home: Path, tmp_path: Path):
    path = tmp_path / "numbers.py"
    path.write_text("""
def work(ac):
    ac.output.value("nan", float("nan"))
    ac.output.value("list", [1.5, float("inf"), {"x": -float("inf")}])
    ac.output.value("long", list(range(20_000)))
    ac.output.value("set", {float("nan")})
""")
    explorer("run", f"{path}:work", "--local")
    [output] = json.loads(explorer("outputs", "last", "--json"), parse_constant=pytest.fail)
    assert output["values"] == {
        "nan": None,
        "list": [1.5, None, {"x": None}],
        "long": list(range(20_000)),
        "set": [None],
    }
    assert output["objects"] == ["set"]


def test_run_here(home: Path, analysis_file: Path):
    out = explorer("run", f"{analysis_file}:work", "--input", '"x"', "--local")
    assert out.startswith("input x\n")
    assert out.endswith("SUCCEEDED\n")
    assert "ValueError: bad input" in explorer(
        "run", f"{analysis_file}:work", "--input", '"bad"', "--local", code=1
    )
    Path("input.json").write_text('["a"]')
    explorer("run", f"{analysis_file}:work", "--input-file", "input.json", "--local", "--name", "named")
    assert JobManager().list_jobs()[0].name == "named"
    explorer("run", f"{analysis_file}:config", "--global-config", '{"folds": 5}', "--local")
    assert JobManager().list_jobs()[0].get_output().value("folds") == 5


def test_mistakes_of_a_person_are_one_line(home: Path, analysis_file: Path):
    Path("broken.py").write_text("def work(:\n")
    Path("raises.py").write_text("import nosuchmodule\n")
    for arguments, code, message in (
        (("run", "analysis.py"), 2, "write FILE:FUNCTION"),
        (("run", "missing.py:work"), 2, "missing.py is not a file"),
        (("run", "broken.py:work"), 2, "broken.py is not Python"),
        (("run", "raises.py:work"), 1, "raises.py could not be loaded"),
        (("run", f"{analysis_file}:wrok"), 2, "it has: config, work"),
        (("run", f"{analysis_file}:work", "--input", "foo"), 2, "a text needs quotes"),
        (("run", f"{analysis_file}:work", "--global-config", "[1]"), 2, "use a JSON object"),
        (("run", f"{analysis_file}:work", "--label", "x"), 2, "write NAME=TEXT"),
        (("run", f"{analysis_file}:work", "--cpu", "99"), 1, "cpu=99, the local executor has 2"),
        (("run", f"{analysis_file}:work", "--cpu", "-1"), 1, "use a number from 1"),
        (("run", f"{analysis_file}:work", "--input", "[]"), 1, "array of no jobs"),
        (("status", "last"), 1, "there is no analysis yet"),
        (("status", "zzz"), 1, "no analysis has 'zzz' in its id"),
        (("list", "--since", "1x"), 2, "is not a length of time"),
        (("list", "--since", "99999999w"), 2, "is not a length of time"),
        (("list", "--date", "soon"), 2, "use a day"),
        (("list", "--limit", "0"), 2, "0 is not in the range"),
        (("frobnicate",), 2, "No such command"),
    ):
        assert message in explorer(*arguments, code=code), arguments
    an = Analysis(function=lambda ac: None, input=[1, 2], job_definition=JobDefinition(cpu=1, memory_mb=300))
    an.run()
    an.wait_done(timeout=60)
    for arguments, code, message in (
        (("logs", "last"), 2, "say which job, 0 to 1: explorer logs last 0"),
        (("logs", "last", "7"), 2, "its jobs are 0 to 1"),
        (("logs", "last", "0", "--since", "x"), 2, "is not a length of time"),
        (("terminate", "last"), 2, "say which job, 0 to 1 or --all: explorer terminate last 0"),
        (("terminate", "last", "0", "--all"), 2, "--all takes no INDEX"),
        (("wait", "last", "--timeout", "-1"), 2, "-1.0 is not in the range"),
        (("wait", "last", "--timeout", "nan"), 2, "use a number of seconds"),
        (("outputs", "last", "2"), 2, "its jobs are 0 to 1"),
        (("status", "lambda", "9"), 2, "its jobs are 0 to 1"),
    ):
        assert message in explorer(*arguments, code=code), arguments


def test_what_has_ended_cannot_be_asked_to_end(home: Path):
    def work(ac):
        1 / ac.input

    an = Analysis(function=work, input=[1, 0], job_definition=JobDefinition(cpu=1, memory_mb=300))
    an.run()
    an.wait_done(timeout=60)
    assert explorer("terminate", "last", "--all") == f"{an.id}: had ended already: FAILED\n"
    assert explorer("terminate", "last", "0") == f"{an.id}: job 0 had ended already: SUCCEEDED\n"
    an.run_local(job_index=0)
    assert explorer("terminate", an.id, "1") == f"{an.id}: job 1 was not run: there is nothing to end\n"


def test_an_old_log_is_shown_by_the_command_that_is_advised(home: Path):
    an = Analysis(function=lambda ac: print("\x1b[1mhello"), input=[1, 2])
    an.run()
    an.wait_done(timeout=60)
    log = json.loads(explorer("logs", an.id, "1", "--since", "0s", "--json"))
    assert log["log"] == ""
    advised = re.search(rf"ago: explorer (logs {an.id} 1 --since \w+) shows its log", log["notes"][0])
    assert advised, log
    assert explorer(*advised[1].split()) == "\x1b[1mhello\n"


def test_a_part_of_an_id_that_several_have(home: Path):
    for _ in range(2):
        an = Analysis(function=lambda ac: None)
        an.run()
    assert "2 analyses have 'lambda' in their ids, say which:" in explorer("status", "lambda", code=1)
    assert explorer("status", "last").startswith(an.id)


def test_settings_that_cannot_be(home: Path):
    Path("explorer.toml").write_text('exekutor = "local"\n')
    assert "exekutor is not a setting; did you mean executor?" in explorer("config", code=1)
    Path("explorer.toml").write_text("cpus = \n")
    assert "explorer.toml" in explorer("list", code=1)


def test_completion_offers_commands_and_ids(home: Path):
    for shell in ("bash", "zsh", "fish"):
        assert "_EXPLORER_COMPLETE" in explorer("completion", shell)
    an = Analysis(function=lambda ac: None)
    an.run()
    for words, expected in (("explorer sta", "status"), (f"explorer status {an.id[:6]}", an.id)):
        environment = {
            **os.environ,
            "_EXPLORER_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        }
        assert expected in explorer(env=environment)


def test_an_interrupted_wait_leaves_the_jobs_alone(home: Path):
    def slow(ac):
        import os
        import time

        while not os.path.exists(ac.input):
            time.sleep(0.05)

    end = home / "end"
    an = Analysis(function=slow, input=str(end))
    an.run()
    waiting = subprocess.Popen([EXPLORER, "wait", an.id], stderr=subprocess.PIPE, text=True)
    assert waiting.stderr.readline().endswith(f"{an.id}: 1 RUNNING\n")
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert f"explorer wait {an.id}" in err
    end.touch()
    an.wait_done(timeout=60)
    assert an.status() == {"status": "SUCCEEDED"}


def test_nothing_is_printed_twice_when_a_pipe_closes(home: Path):
    an = Analysis(function=lambda ac: None)
    an.run()
    done = subprocess.run(f"{EXPLORER} list | head -n 0", shell=True, capture_output=True, text=True)
    assert done.stderr == ""


EVIL = "\x1b[31mX"


@pytest.mark.parametrize(
    "typed",
    [
        [EVIL],
        [f"--{EVIL}"],
        ["status", EVIL],
        ["status", "last", EVIL],
        ["status", "last", "1", EVIL],
        ["status", f"--{EVIL}"],
        ["list", "--limit", EVIL],
        ["outputs", "last", "--to", EVIL],
        ["config", EVIL],
        ["plan", EVIL],
    ],
)
def test_no_word_that_was_typed_steers_the_terminal(home: Path, tmp_path: Path, typed: list[str]):
    (tmp_path / EVIL).touch()
    done = subprocess.run([EXPLORER, *typed], capture_output=True, text=True, timeout=120)
    assert done.returncode in (1, 2), done
    assert "\x1b" not in done.stdout + done.stderr
    assert "\\x1b[31mX" in done.stderr or typed[0] == "outputs", done.stderr


def test_a_run_is_reused_and_two_are_compared(home: Path, analysis_file: Path):
    explorer("run", f"{analysis_file}:work", "--input", '["a", "b"]', "--wait")
    explorer("run", f"{analysis_file}:work", "--input", '["b", "c"]', "--reuse", "--parallel", "2", "--wait")
    assert "1 of them reused" in explorer("status", "last")
    assert "2 (1 reused)" in explorer("list")
    assert "reused: job 1 of" in explorer("status", "last", "0")
    first, last = (an.id for an in reversed(JobManager().list_jobs()))
    assert explorer("diff", first, last) == (
        "input: 1 only in the first (job 0), 1 only in the second (job 1)\n"
    )
    [difference] = json.loads(explorer("diff", first, last, "--json"))["differences"]
    assert (difference["part"], difference["matters"]) == ("input", True)
    analysis_file.write_text(analysis_file.read_text().replace("FACTOR = 2", "FACTOR = 3"))
    explorer("run", f"{analysis_file}:work", "--input", '["b"]', "--reuse", "--wait")
    assert "what it takes from outside itself is other" in explorer("diff", last, "last")
    assert "leave out --reuse" in explorer("run", f"{analysis_file}:work", "--local", "--reuse", code=2)
    for given in ("x", "0", "101%", "-5%"):
        assert "max" in explorer("run", f"{analysis_file}:work", "--max-failures", given, code=2)
