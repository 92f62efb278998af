"""What run() refuses, each before anything is written."""

import importlib
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis, GlobalConfig, JobDefinition, each
from gencove_explorer.errors import (
    CaptureError,
    ConfigError,
    DependencyError,
    ExplorerError,
    InvalidDefinition,
    InvalidName,
    JobFailed,
    PackageError,
    SubmissionError,
)

TABLE = json  # the standard library travels
HELPER_FACTOR = 3
BIG = bytearray(20 << 20)
LOCK = threading.Lock()
SMALL = JobDefinition(cpu=1, memory_mb=300)


def work(ac):
    pass


def helper(number):
    return number * HELPER_FACTOR


def written(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file() and "runtimes" not in path.parts]


def refused(home: Path, error: type[ExplorerError], message: str, an: Analysis) -> None:
    with pytest.raises(error, match=message):
        an.run()
    assert written(home) == []
    with pytest.raises(error, match=message):
        an.run_local()
    assert written(home) == []


def test_no_function(home: Path):
    refused(home, SubmissionError, "has no function to run", Analysis())
    refused(home, SubmissionError, "function=3 cannot be called", Analysis(function=3))  # type: ignore[arg-type]


def test_lists_that_are_no_arrays(home: Path):
    refused(home, SubmissionError, "array of no jobs", Analysis(function=work, input=[]))
    refused(
        home,
        SubmissionError,
        "10,001 elements, an array has at most 10,000",
        Analysis(function=work, input=list(range(10_001))),
    )


def test_names_that_batch_would_refuse(home: Path):
    for name in ("", "ä", "a b", "a/b", "x" * 78, "../x"):
        refused(home, InvalidName, "cannot name a job on AWS Batch", Analysis(function=work, name=name))
    an = Analysis(function=work, name="x" * 77)
    an.run()
    assert len(an.id) <= 128


def test_a_derived_name_is_cut_and_cleaned(home: Path):
    def ä_very(ac):
        pass

    ä_very.__name__ = "ä" + "x" * 200
    an = Analysis(function=ä_very)
    assert an.name == "_" + "x" * 76
    an.run()
    an.wait_done(timeout=60)


def test_an_input_that_cannot_be_pickled_is_named_with_its_path(home: Path):
    nested = [{"id": 1}, {"id": 2, "tools": [None, {"lock": LOCK}]}]
    refused(
        home,
        CaptureError,
        r"input\[1\]\['tools'\]\[1\]\['lock'\]: TypeError: cannot pickle",
        Analysis(function=work, input=nested),
    )
    refused(home, CaptureError, r"^input\['x'\]: TypeError", Analysis(function=work, input={"x": LOCK}))

    class Holder:
        def __init__(self):
            self.handle = LOCK

    refused(home, CaptureError, r"input\[0\]\.handle", Analysis(function=work, input=[Holder(), 1]))


def test_an_input_that_refers_to_a_package_the_job_lacks(home: Path):
    import rich.text

    refused(
        home,
        CaptureError,
        r'input\[1\].*the package .rich., .*pip_packages=\["rich==',
        Analysis(function=work, input=[1, rich.text.Text("x")]),
    )


def test_a_function_that_takes_along_what_cannot_travel(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import rich

    def uses_package(ac):
        rich.print("x")

    def uses_sdk(ac):
        Analysis()

    def uses_lock(ac):
        LOCK.acquire()

    def uses_big(ac):
        return len(BIG)

    def uses_helper(ac):
        def inner():
            return second()

        inner()

    def second():
        return LOCK

    refused(
        home,
        CaptureError,
        r'uses_package uses .rich.: the module rich is of the package .rich.*pip_packages=\["rich==',
        Analysis(function=uses_package),
    )
    refused(
        home, CaptureError, "uses_sdk uses 'Analysis': .* belongs to the SDK", Analysis(function=uses_sdk)
    )
    refused(
        home, CaptureError, "uses_lock uses 'LOCK': TypeError: cannot pickle", Analysis(function=uses_lock)
    )
    refused(
        home, CaptureError, "uses_big uses 'BIG', a bytearray of more than 8 MB", Analysis(function=uses_big)
    )
    refused(home, CaptureError, "uses_helper -> second uses 'LOCK'", Analysis(function=uses_helper))
    (tmp_path / "ownmodule.py").write_text("def f():\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import ownmodule

    def uses_own(ac):
        ownmodule.f()

    refused(
        home,
        CaptureError,
        rf"uses_own uses 'ownmodule': the module ownmodule is of a module of your own \({tmp_path}",
        Analysis(function=uses_own),
    )
    with open(tmp_path / "note", "w") as opened:

        def uses_file(ac):
            opened.write("x")

        refused(home, CaptureError, "uses_file uses 'opened'", Analysis(function=uses_file))
    sys.modules.pop("ownmodule")


def test_what_is_sure_to_work_travels(home: Path):
    small = {"a": [1, 2]}

    def uses(ac):
        ac.output.value("x", [helper(2), TABLE.dumps(small), ac.input])

    an = Analysis(function=uses, input=5)
    an.run()
    an.wait_done(timeout=60)
    assert an.get_output().value("x") == [6, '{"a": [1, 2]}', 5]


def test_a_function_of_a_users_own_module_travels_with_its_helpers(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "mywork.py").write_text(
        "import json\nLIMIT = 4\n"
        "def _helper(x):\n    return json.dumps([x, LIMIT])\n"
        "def work(ac):\n    ac.output.value('x', _helper(ac.input))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import mywork

    an = Analysis(function=mywork.work, input=3)
    an.run()
    an.wait_done(timeout=60)
    assert an.get_output().value("x") == "[3, 4]"
    sys.modules.pop("mywork")


def test_dependencies_that_cannot_be(home: Path):
    a, b = Analysis(function=work, name="a"), Analysis(function=work, name="b")
    a.depends_on, b.depends_on = [b], [a]
    refused(home, DependencyError, "in a circle: a -> b -> a", a)
    one, other = Analysis(function=work, name="same"), Analysis(function=work, name="same")
    refused(
        home, DependencyError, "two analyses called 'same'", Analysis(function=work, depends_on=[one, other])
    )
    two, three = (
        Analysis(function=work, name="two", input=[1, 2]),
        Analysis(function=work, name="three", input=[1, 2, 3], depends_on=[]),
    )
    three.depends_on = [each(two)]
    refused(home, DependencyError, "three has an array of 3, two has an array of 2", three)
    single = Analysis(function=work, name="single", depends_on=[each(two)])
    refused(home, DependencyError, "single has a single job", single)
    refused(home, DependencyError, "which is not an Analysis", Analysis(function=work, depends_on=["a"]))  # type: ignore[list-item]
    refused(home, DependencyError, "use a list", Analysis(function=work, depends_on=two))  # type: ignore[arg-type]
    many = [Analysis(function=work, name=f"n{n}") for n in range(21)]
    refused(
        home,
        DependencyError,
        "depends on 21 analyses that have not succeeded yet, AWS Batch allows 20",
        Analysis(function=work, depends_on=many),
    )


def test_an_error_in_the_last_of_a_chain_leaves_nothing_behind(home: Path):
    good = Analysis(function=work, name="good")
    refused(home, CaptureError, "input", Analysis(function=work, name="bad", input=LOCK, depends_on=[good]))
    assert repr(good) == "<Analysis good, not submitted>"


def test_definitions_that_can_never_fit(home: Path):
    refused(
        home,
        SubmissionError,
        "cpu=3, the local executor has 2",
        Analysis(function=work, job_definition=JobDefinition(cpu=3)),
    )
    refused(
        home,
        SubmissionError,
        "memory_mb=9999, the local executor has 4000",
        Analysis(function=work, job_definition=JobDefinition(cpu=1, memory_mb=9999)),
    )
    refused(home, SubmissionError, "gpu=1", Analysis(function=work, job_definition=JobDefinition(gpu=1)))
    for arguments, message in (
        ({"cpu": 0}, "use a number from 1"),
        ({"cpu": 1.5}, "whole number, not float"),
        ({"cpu": True}, "whole number, not bool"),
        ({"memory_mb": "4000"}, "whole number, not str"),
        ({"retries": 10}, "from 0 to 9"),
        ({"timeout_seconds": 0}, "from 1"),
        ({"environment": {"A B": "x"}}, "not the name of an environment variable"),
        ({"environment": {"A": 1}}, "not a string but int"),
        ({"environment": {"AWS_BATCH_X": "1"}}, "reserved"),
        ({"secrets": {"A": "hunter2"}}, "not the ARN"),
        ({"image": ""}, "name of an image"),
    ):
        with pytest.raises(InvalidDefinition, match=message) as caught:
            JobDefinition(**arguments)
        assert "hunter2" not in str(caught.value)


def test_the_default_definition_shrinks_to_the_machine(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EXPLORER_CPUS", "1")
    monkeypatch.setenv("EXPLORER_MEMORY_MB", "500")

    def show(ac):
        ac.output.value("x", [ac.job_definition.cpu, ac.job_definition.memory_mb])

    an = Analysis(function=show)
    an.run()
    an.wait_done(timeout=60)
    assert an.get_output().value("x") == [1, 500]


def test_arguments_of_the_wrong_kind(home: Path):
    refused(home, SubmissionError, "use JobDefinition", Analysis(function=work, job_definition={"cpu": 1}))  # type: ignore[arg-type]
    refused(home, SubmissionError, "use GlobalConfig", Analysis(function=work, global_config={"a": 1}))  # type: ignore[arg-type]
    refused(home, SubmissionError, "dictionary of strings", Analysis(function=work, labels={"a": 1}))  # type: ignore[dict-item]
    refused(home, PackageError, "use a list of strings", Analysis(function=work, pip_packages="pendulum"))
    refused(home, PackageError, "options belong", Analysis(function=work, pip_packages=["--index-url=x"]))
    refused(home, PackageError, "what pip takes", Analysis(function=work, pip_packages=["a\nb"]))


def test_a_batch_executor_that_is_half_configured_says_what_is_missing(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EXPLORER_BATCH__QUEUE", "queue")
    with pytest.raises(ConfigError, match="explorer doctor"):
        Analysis(function=work).run()


def test_many_large_inputs_do_not_fill_the_memory(home: Path):
    import resource

    def length(ac):
        ac.output.value("x", len(ac.input))

    class Lazy:
        def __init__(self, number):
            self.number = number

        def __reduce__(self):
            return (bytes, (1 << 20,))

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    an = Analysis(
        function=length,
        input=[Lazy(number) for number in range(300)],
        job_definition=JobDefinition(cpu=1, memory_mb=300),
    )
    an.run()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10
    an.terminate_all()
    an.wait_done(timeout=60)


def test_a_global_config_that_cannot_travel(home: Path):
    refused(
        home,
        CaptureError,
        "global_config.*lock",
        Analysis(function=work, global_config=GlobalConfig(lock=LOCK)),
    )


def test_imports_that_jobs_cannot_have(home: Path, monkeypatch: pytest.MonkeyPatch):
    def installed_here(ac):
        import psutil

        return psutil

    def nested(ac):
        def inner():
            from rich.table import Table

            return Table

        return inner()

    def nowhere(ac):
        import nosuchpackage

        return nosuchpackage

    monkeypatch.syspath_prepend(home.parent)
    (home.parent / "mymodule.py").write_text("x = 1")

    def own(ac):
        import mymodule

        return mymodule

    refused(
        home,
        CaptureError,
        r"imports 'psutil' \(line 2\): .* add pip_packages=\[\"psutil==",
        Analysis(function=installed_here),
    )
    refused(home, CaptureError, r"imports 'rich.table' \(line 3\)", Analysis(function=nested))
    refused(home, CaptureError, "add the package that brings it", Analysis(function=nowhere))
    refused(home, CaptureError, "a module of your own", Analysis(function=own))


def helper_with_an_import(x):
    import psutil

    return psutil, x


def test_imports_of_helpers_are_looked_at_too(home: Path):
    def work(ac):
        helper_with_an_import(1)

    refused(
        home,
        CaptureError,
        r"work -> helper_with_an_import imports 'psutil' \(line 2\): .* add pip_packages=\[\"psutil==",
        Analysis(function=work),
    )


def helper_with_a_branch(x, plot=False):
    if plot:
        import psutil

        return psutil
    return x


def test_a_helper_may_have_branches_that_this_analysis_never_takes(home: Path):
    def work(ac):
        ac.output.value("x", helper_with_a_branch(1))

    an = Analysis(function=work)
    an.run_local()
    assert an.get_output().value("x") == 1


def test_importing_the_sdk_in_a_job_is_answered_with_what_to_import(home: Path):
    def work(ac):
        from gencove_explorer.models import File

        return File

    refused(home, CaptureError, "from explorer_runner.models", Analysis(function=work))


def test_threads_may_submit_functions_of_one_module_at_once(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(home.parent)
    (home.parent / "ours.py").write_text(
        "def double(x):\n    return 2 * x\n\n\n"
        "def work(ac):\n    ac.output.value('x', double(ac.input['n']))\n"
    )
    ours = importlib.import_module("ours")

    def submit(number: int) -> Analysis:
        an = Analysis(function=ours.work, input=[{"n": number}] * 50)
        an.run()
        return an

    with ThreadPoolExecutor(8) as pool:
        submitted = list(pool.map(submit, range(16)))
    for number, an in enumerate(submitted):
        an.wait_done(timeout=120)
        assert an.values("x") == [2 * number] * 50


def test_imports_that_may_be_fine_are_let_pass(home: Path):
    def guarded(ac):
        try:
            import psutil
        except ImportError:
            psutil = None
        ac.output.value("there", psutil is not None)

    def by_name(ac):
        import importlib

        importlib.import_module("nosuchpackage_of_it")

    an = Analysis(function=guarded)
    an.run()
    an.wait_done(timeout=30)
    assert an.get_output().value("there") is False
    with pytest.raises(JobFailed, match="add the package of 'nosuchpackage_of_it'"):
        Analysis(function=by_name).run_local()


def test_dependencies_that_have_succeeded_do_not_count(home: Path):
    many = [Analysis(function=work, name=f"w{number}", job_definition=SMALL) for number in range(21)]
    for an in many:
        an.run()
    for an in many:
        an.wait_done(timeout=60)
    last = Analysis(function=work, name="last", depends_on=many, job_definition=SMALL)
    last.run()
    last.wait_done(timeout=30)
    assert last.status() == {"status": "SUCCEEDED"}
