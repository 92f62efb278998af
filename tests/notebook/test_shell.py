"""Shell commands and magics in work functions, as the description has them, in a real kernel."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from gencove_explorer.job_manager import JobManager

SETUP = """
from gencove_explorer.analysis import Analysis, JobDefinition
small = JobDefinition(cpu=1, memory_mb=500)

def show(function, **arguments):
    an = Analysis(function=function, job_definition=small, **arguments)
    an.run_local()
    print("-- run")
    an.run()
    an.wait_done()
    an.logs()
"""

# What a work function does, and what it prints: the description's own examples first.
EXAMPLES = {
    "substitution": (
        'where = "shell"\n!echo "Hello World from {where}"',
        "Hello World from shell\n",
    ),
    "doubled braces and dollars": (
        """two = "dos"\n! echo "1 {two} 3" | awk '{{print $$2}}'""",
        "dos\n",
    ),
    "single braces, incorrect": (
        """two = "dos"\n! echo "1 {two} 3" | awk '{print $2}'""",
        "{two}\n",
        "'print $2' is no Python expression",
    ),
    "single braces, doubled dollar, incorrect": (
        """two = "dos"\n! echo "1 {two} 3" | awk '{print $$2}'""",
        "1 {two} 3\n",
        "'print $$2' is no Python expression",
    ),
    "shell variable": (
        """two = "dos"\n! localcopy="-> {two} <-"; echo $$localcopy""",
        "-> dos <-\n",
    ),
    "shell variable, incorrect": (
        """two = "dos"\n! localcopy="-> {two} <-"; echo $localcopy""",
        "-> {two} <-\n",
        "'localcopy' is no Python expression that can be evaluated here (name 'localcopy' is not defined)",
    ),
    "braces of the shell alone": ("!echo a b | awk '{print $2}'", "b\n"),
    "a pipe that is closed early": (
        "!yes | head -n 1\nx = !yes no | head -n 2\nprint(x)",
        "y\n['no', 'no']\n",
    ),
    "output as a list": (
        "x = !printf 'a\\nb\\n'\nprint(x, x.s)",
        "['a', 'b'] a b\n",
    ),
    "environment": ("%env FOO=bar\n!echo $$FOO", "env: FOO=bar\nbar\n"),
    "folder": ("%cd -q /\n!pwd", "/\n"),
    "line magic with a result": ("w = %sx echo hi\nprint(w)", "['hi']\n"),
    "an expression": ("!echo {1 + 1} {len('abc')}", "2 3\n"),
    "a nested function": (
        'def inner():\n    q = "nested"\n    !echo {q} $q\ninner()',
        "nested nested\n",
    ),
    "a name of the function around": (
        'two = "dos"\ndef inner():\n    !echo {two}\ninner()\n'
        '(lambda: get_ipython().system("echo lambda {two}"))()',
        "dos\nlambda dos\n",
    ),
    "a comprehension": (
        'two = "dos"\nprint([get_ipython().getoutput("echo {two} {n}")[0] for n in range(2)])',
        "['dos 0', 'dos 1']\n",
    ),
    "what opts out of failing": (
        "!false || true\n!set +o pipefail; false | cat\n!(false || true) | cat\nprint('on')",
        "on\n",
    ),
}
"""What it does, what it prints, and of what the log warns."""


def test_examples_print_what_they_say(cells):
    works = [f"def work(ac):\n{textwrap.indent(body, '    ')}\nshow(work)" for body, *_ in EXAMPLES.values()]
    _, *shown = cells(SETUP, *works)
    for (name, (_, expected, *note)), text in zip(EXAMPLES.items(), shown, strict=True):
        printed, _, log = text.partition("-- run\n")
        assert printed == expected, name
        lines = log.splitlines(keepends=True)
        notes = [line for line in lines if line.startswith("explorer: nothing was replaced in the command")]
        assert "".join(line for line in lines if line not in notes) == expected, name
        assert len(notes) == len(note), name
        assert all(text in line and "{{ }} and $$" in line for text, line in zip(note, notes, strict=True)), (
            name
        )


def test_a_pipeline_fails_with_any_of_its_commands(cells):
    """``zcat missing.gz | wc -l`` would give a count of 0, and a wrong result nobody notices."""
    count = "def work(ac):\n    {}\n"
    reason = (
        "an = Analysis(function=work, job_definition=small)\nan.run(); an.wait_done(); print(an.status())"
    )
    pipes = [
        "!zcat /nowhere.gz | wc -l > n.txt",
        "n = !zcat /nowhere.gz | wc -l",
        "!exit 3 | head -c 10",
        "%sx false | cat",
        "!cat /nowhere | awk '{{print $$1}}' | sort | uniq -c",
    ]
    _, *shown = cells(SETUP, *(count.format(pipe) + reason for pipe in pipes))
    for text in shown:
        assert "'status': 'FAILED'" in text
        assert "of one command of its pipeline" in text
        assert "set +o pipefail" in text
    assert "nowhere.gz" in shown[0]


def test_names_that_occur_only_in_commands_travel(cells):
    _, shown = cells(
        SETUP,
        "height = 42\nimport math\ndef helper():\n    !echo helper {height} {math.floor(2.5)}\n"
        "def work(ac):\n    !echo {height} $height\n    helper()\nshow(work)",
    )
    expected = "42 42\nhelper 42 2\n"
    assert shown == f"{expected}-- run\n{expected}"


def test_what_a_command_names_and_cannot_travel_is_refused(cells):
    _, shown = cells(
        SETUP,
        "import threading\nlock = threading.Lock()\ndef work(ac):\n    !echo {lock}\n"
        "Analysis(function=work).run()",
    )
    assert "CaptureError: work uses 'lock'" in shown


def test_a_failing_command_fails_the_job_with_what_it_said(cells):
    _, _, shown, out = cells(
        SETUP,
        "def reason(work):\n    an = Analysis(function=work, job_definition=small)\n    an.run()\n"
        "    an.wait_done()\n    print(an.status()['reason'])",
        "def work(ac):\n    !echo about to fail >&2; ls /nowhere; exit 3\n    print('after')\nreason(work)",
        "def work(ac):\n    x = !echo partial; exit 4\nreason(work)",
    )
    assert "ended with exit code 3" in shown
    assert "about to fail" in shown
    assert "(line 2, in work)" in shown
    assert "ended with exit code 4" in out


def test_children_of_the_shell_end_with_the_job_and_nothing_is_written_to_ipythons_folder(cells, tmp_path):
    shown = cells(
        SETUP,
        "def work(ac):\n    !sleep 1000 & echo $! > {ac.output.file('pid').as_local()}\n"
        "an = Analysis(function=work, job_definition=small)\nan.run(); an.wait_done()",
        "import psutil, time\npid = int(an.get_output().file('pid').as_local().read_text())\n"
        "for _ in range(500):\n    if not psutil.pid_exists(pid): break\n    time.sleep(0.01)\n"
        "print(psutil.pid_exists(pid))",
        "def look(ac):\n    %cd -q .\n    !ls -A\n    print(__import__('os').listdir())\nshow(look)",
    )
    assert shown[2] == "False\n"
    assert shown[3] == "[]\n-- run\n[]\n"
    assert not (tmp_path / "ipython" / "profile_default" / "history.sqlite-journal").exists()


def test_a_function_without_magics_never_imports_ipython(cells):
    _, shown = cells(
        SETUP,
        "def work(ac):\n    import sys\n    print([each for each in sys.modules if 'IPython' in each])\n"
        "show(work)",
    )
    assert shown == "[]\n-- run\n[]\n"


FILE = """
from gencove_explorer.analysis import Analysis, JobDefinition

def work(ac):
    x = !echo {ac.input} | tr a-z A-Z
    ac.output.value("shouted", x.s)

if __name__ == "__main__":
    an = Analysis(function=work, input=["foo", "bar"], job_definition=JobDefinition(cpu=1, memory_mb=500))
    an.run()
    an.wait_done()
    print(an.values("shouted"))
"""


def test_an_ipy_file_runs_in_ipython_and_by_the_command(home: Path, tmp_path: Path):
    (tmp_path / "shout.ipy").write_text(FILE)
    here = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")}
    programs = Path(sys.executable).parent
    script = [programs / "ipython", "--colors=nocolor", "shout.ipy"]
    done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path, env=here)
    assert done.stdout.endswith("['FOO', 'BAR']\n"), done.stdout + done.stderr
    command = [programs / "explorer", "run", "shout.ipy:work", "--input", '["baz"]', "--wait", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = JobManager().list_jobs(name="work")[0]
    assert found.values("shouted") == ["BAZ"]
    assert "!echo {ac.input}" in found.source


def test_the_users_pins_win_over_the_runners_libraries(cells):
    work = """
        def work(ac):
            import boto3, cloudpickle, pydantic
            from importlib.metadata import version
            !echo shell {version("ipython")}
            ac.output.value("versions", [boto3.__version__, cloudpickle.__version__, pydantic.VERSION])
            ac.output.value("pair", (1, 2))
            import IPython
            print(IPython.__version__, len(boto3.session.Session().get_available_services()) > 100)
        show(work, pip_packages=["pydantic<2", "boto3<1.38", "cloudpickle==3.0.0", "ipython==8.20.0"])
    """
    read = "print(JobManager().list_jobs()[0].get_output().values())"
    _, shown, values = cells(
        SETUP, textwrap.dedent(work), f"from gencove_explorer.job_manager import JobManager\n{read}"
    )
    assert shown == "shell 8.20.0\n8.20.0 True\n-- run\nshell 8.20.0\n8.20.0 True\n"
    assert re.fullmatch(
        r"\{'versions': \['1\.37\.\d+', '3\.0\.0', '1\.10\.\d+'\], 'pair': \(1, 2\)\}\n", values
    )


def test_without_bash_the_log_says_what_pipelines_mean(cells, tmp_path: Path):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "false"):
        (folder / name).symlink_to(shutil.which(name) or name)
    _, shown = cells(
        SETUP,
        "def work(ac):\n    import os\n    os.environ['PATH'] = ac.input\n"
        "    !false | cat\n    !echo on | cat\n"
        f"an = Analysis(function=work, input={str(folder)!r}, job_definition=small)\n"
        "an.run(); an.wait_done(); an.logs()",
    )
    warning = (
        "explorer: there is no bash here: sh runs the commands, and a pipeline fails with its last one only\n"
    )
    assert shown == f"{warning}on\n"
