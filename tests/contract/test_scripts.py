"""What a script may do, a work function may: threads, pools, exit codes, links among its files."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis, JobDefinition
from support.waiting import WAIT


@dataclass
class Row:
    number: int


def double(row: Row) -> Row:
    return Row(row.number * 2)


def run(function, **given) -> Analysis:
    an = Analysis(function=function, **given)
    an.run()
    an.wait_done(timeout=WAIT)
    return an


def write_by_thread(ac):
    import threading
    import time

    def write() -> None:
        with open(ac.output.file("rows.txt").as_local(), "w") as file:
            for number in range(5):
                file.write(f"{number}\n")
                file.flush()
                time.sleep(0.1)

    threading.Thread(target=write).start()


def write_by_pool(ac):
    import time
    from concurrent.futures import ThreadPoolExecutor

    path = ac.output.file("rows.txt").as_local()

    def write(number: int) -> None:
        time.sleep(0.1)
        with open(path, "a") as file:
            file.write(f"{number}\n")

    pool = ThreadPoolExecutor(1)
    for number in range(5):
        pool.submit(write, number)


@pytest.mark.parametrize("write", [write_by_thread, write_by_pool])
def test_threads_that_still_run_are_waited_for(home: Path, write):
    an = run(write)
    assert an.get_output().file("rows.txt").as_local().read_text().split() == list("01234")


def use_pools(ac):
    """Pools of every kind, whose workers find ``double`` and ``Row`` by their names."""
    import multiprocessing
    import pickle
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context(ac.input)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        rows = list(pool.map(double, [Row(1), Row(2)]))
    with context.Pool(2) as pool:
        rows += pool.map(double, [Row(3)])
    left_open = context.Pool(1)
    rows += left_open.map(double, [Row(4)])
    ac.output.value("numbers", [row.number for row in pickle.loads(pickle.dumps(rows))])


METHODS = ["fork", "spawn", "forkserver"]


@pytest.mark.in_containers
def test_processes_find_what_came_along_with_the_function(home: Path, capsys: pytest.CaptureFixture[str]):
    """forkserver is the default of Python 3.14."""
    an = run(use_pools, input=METHODS)
    assert an.values("numbers") == [[2, 4, 6, 8]] * len(METHODS), an.failures()
    for index in range(len(METHODS)):
        an.logs(index, since="1h")
    assert "leaked" not in capsys.readouterr().out
    an.run_local()
    assert an.values("numbers") == [[2, 4, 6, 8]] * len(METHODS)
    partial = run(functools.partial(use_pools), input="spawn")
    assert partial.get_output().value("numbers") == [2, 4, 6, 8]


def test_a_jobs_main_has_no_file_for_those_who_start_no_process(home: Path):
    def work(ac):
        import sys

        main = sys.modules["__main__"]
        ac.output.value("main", [hasattr(main, "__file__"), "__file__" in vars(main), os.listdir()])

    assert run(work).get_output().value("main") == [False, False, []]


def test_temporary_files_lie_in_the_jobs_own_folder(home: Path):
    def work(ac):
        import tempfile

        ac.output.value("here", os.path.samefile(tempfile.gettempdir(), "."))

    an = run(work)
    assert an.get_output().value("here") is True
    an.run_local()
    assert an.get_output().value("here") is True


@pytest.mark.in_containers
def test_variables_that_a_process_reads_when_it_starts_hold(home: Path):
    def work(ac):
        import subprocess
        import sys
        import time

        code = "print(hash('abc'))"
        child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        ac.output.value("same", int(child.stdout) == hash("abc"))
        ac.output.value("zone", time.timezone)
        ac.output.value("optimize", sys.flags.optimize)

    environment = {"TZ": "XYZ-9", "PYTHONHASHSEED": "7", "PYTHONOPTIMIZE": "1"}
    an = run(work, job_definition=JobDefinition(cpu=1, memory_mb=200, environment=environment))
    assert an.get_output().values() == {"same": True, "zone": -9 * 3600, "optimize": 1}


def test_a_job_whose_variables_keep_python_from_starting_says_so(home: Path):
    definition = JobDefinition(cpu=1, memory_mb=200, environment={"PYTHONHASHSEED": "abc"})
    an = run(lambda ac: None, job_definition=definition)
    reason = an.status()["reason"]
    assert "Python does not start with the job's environment variables (" in reason
    assert "PYTHONHASHSEED must be" in reason


@pytest.mark.in_containers
def test_an_exit_code_that_the_system_would_cut_to_success_is_a_failure(home: Path):
    def work(ac):
        raise SystemExit(os.system("false"))

    def after(ac):
        pass

    an = Analysis(function=work)
    an.run()
    later = run(after, depends_on=[an])
    assert "sys.exit(256)" in an.status()["reason"]
    assert later.status()["status"] == "FAILED"


def test_one_file_under_two_names_is_kept_under_both(home: Path):
    def work(ac):
        folder = ac.output.file("models").as_local()
        folder.mkdir()
        (folder / "best.pt").write_text("weights")
        (folder / "last.pt").symlink_to("best.pt")
        os.mkdir("results")
        with open("results/table.csv", "w") as file:
            file.write("a,b\n")
        ac.output.file("all", path_local="results")
        ac.output.file("table.csv", path_local="results/table.csv")

    output = run(work).get_output()
    for key in ("models/best.pt", "models/last.pt"):
        assert output.file(key).as_local().read_text() == "weights"
    for key in ("all/table.csv", "table.csv"):
        assert output.file(key).as_local().read_text() == "a,b\n"


def test_what_was_printed_without_a_newline_is_in_the_log_of_a_failure(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    def work(ac):
        print("half a line", end="")
        raise ValueError("x")

    an = run(work)
    capsys.readouterr()
    an.logs()
    said = capsys.readouterr().out
    assert said.index("half a line") < said.index("Traceback")


def print_by_c(ac):
    import ctypes

    print("Python", flush=True)
    ctypes.CDLL(None).printf(b"C library: converged in 12 iterations\n")
    if ac.input == "fail":
        raise ValueError("after the C library")


@pytest.mark.in_containers
def test_what_c_code_printed_and_did_not_flush_is_in_the_log(home: Path, capsys: pytest.CaptureFixture[str]):
    an = run(print_by_c, input=["succeed", "fail"])
    an.logs(0, since="1h")
    assert capsys.readouterr().out == "Python\nC library: converged in 12 iterations\n"
    an.logs(1, since="1h")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Python"
    assert {"ValueError: after the C library", "C library: converged in 12 iterations"} <= set(lines)
    Analysis(function=print_by_c).run_local()
    assert "converged in 12 iterations" in capsys.readouterr().out


def return_something(ac):
    if ac.input == "keep":
        ac.output.value("kept", 1)
    return None if ac.input == "nothing" else 1.5


def test_a_returned_value_that_is_not_kept_is_said_in_the_log(home: Path, capsys: pytest.CaptureFixture[str]):
    an = run(return_something, input=["drop", "keep", "nothing"])
    logs = []
    for index in range(3):
        an.logs(index, since="1h")
        logs.append(capsys.readouterr().out)
    assert logs == [
        "explorer: the work function returned a float, which is not kept: "
        'ac.output.value("key", ...) keeps a value\n',
        "",
        "",
    ]
