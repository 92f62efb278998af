"""The environment of a job: what of the caller's variables it has, and its packages, built once on a host."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from explorer_runner.attempt import environment
from explorer_runner.attempt.environment import environment_name, find_uv, job_variables
from explorer_runner.definition import JobDefinition
from explorer_runner.errors import PackageError
from explorer_runner.stores.base import Store
from explorer_runner.stores.uri import open_store
from support.waiting import eventually

LOCK = b'lock-version = "1.0"\ncreated-by = "test"\npackages = []\n'
ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf"

PASSED_ON = """HOME USER LOGNAME SHELL PATH LANG LANGUAGE TZ TERM LC_ALL LC_CTYPE SSL_CERT_FILE SSL_CERT_DIR
REQUESTS_CA_BUNDLE CURL_CA_BUNDLE HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy
AWS_PROFILE AWS_REGION AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
XDG_CACHE_HOME XDG_CONFIG_HOME"""
KEPT_BACK = """PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONUNBUFFERED VIRTUAL_ENV CONDA_PREFIX LD_LIBRARY_PATH
LD_PRELOAD TMPDIR MY_TOKEN DATABASE_URL PS1 PWD OLDPWD EXPLORER_HOME EXPLORER_STORE EXPLORER_DIGEST
AWS_BATCH_JOB_ID AWS_BATCH_JOB_ARRAY_INDEX JPY_PARENT_PID OMP_NUM_THREADS_X LCX AWSX UV_INDEX_URL
PIP_INDEX_URL PATHX Path"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def test_what_makes_a_machine_work_is_passed_on_and_nothing_else():
    caller = {name: f"of {name}" for name in f"{PASSED_ON} {KEPT_BACK}".split()}
    variables = job_variables(JobDefinition(), caller)
    del variables["OMP_NUM_THREADS"], variables["PIP_REQUIRE_VIRTUALENV"]
    assert variables == {name: f"of {name}" for name in PASSED_ON.split()}


def test_virtual_environments_of_whoever_submits_are_on_no_path(tmp_path: Path):
    for name in ("project", "tools"):
        (tmp_path / name / "bin").mkdir(parents=True)
    (tmp_path / "project" / "pyvenv.cfg").touch()
    given = f"{tmp_path}/project/bin:/usr/bin:{tmp_path}/tools/bin:{tmp_path}/none"
    path = job_variables(JobDefinition(), {"PATH": given})["PATH"]
    assert path == f"/usr/bin:{tmp_path}/tools/bin:{tmp_path}/none"


def test_libraries_start_as_many_threads_as_the_job_has_cpus():
    caller = {"OMP_NUM_THREADS": "64"}
    assert job_variables(JobDefinition(cpu=3), caller)["OMP_NUM_THREADS"] == "3"
    chosen = JobDefinition(environment={"OMP_NUM_THREADS": "1"})
    assert job_variables(chosen, caller)["OMP_NUM_THREADS"] == "1"


def test_the_definition_wins_over_the_caller():
    variables = job_variables(
        JobDefinition(environment={"LANG": "C", "COLOUR": "blue"}), {"LANG": "de_CH", "COLOUR": "red"}
    )
    assert (variables["LANG"], variables["COLOUR"]) == ("C", "blue")


def test_secrets_are_taken_from_the_callers_variables_of_the_same_name():
    definition = JobDefinition(secrets={"MY_TOKEN": ARN})
    variables = job_variables(definition, {"MY_TOKEN": "hunter2", "OTHER_TOKEN": "x"})
    assert variables["MY_TOKEN"] == "hunter2"
    assert "OTHER_TOKEN" not in variables


def test_a_secret_that_the_caller_has_not_set_is_named():
    with pytest.raises(KeyError, match=r"^'MY_TOKEN'$"):
        job_variables(JobDefinition(secrets={"MY_TOKEN": ARN}), {"PATH": "/bin"})


def test_the_callers_variables_stay_as_they_are():
    caller = {"PATH": "/bin"}
    environment.prepend_python(job_variables(JobDefinition(environment={"A": "b"}), caller))
    assert caller == {"PATH": "/bin"}


def test_commands_find_this_python_first():
    variables = {"PATH": "/bin"}
    environment.prepend_python(variables)
    assert variables == {"VIRTUAL_ENV": sys.prefix, "PATH": f"{os.path.dirname(sys.executable)}:/bin"}
    without: dict[str, str] = {}
    environment.prepend_python(without)
    assert without["PATH"].endswith(os.defpath)


def test_the_name_of_an_environment_changes_with_its_lock():
    assert environment_name(LOCK) == environment_name(bytes(LOCK))
    assert environment_name(LOCK) != environment_name(LOCK + b"\n")
    assert environment_name(b"") != environment_name(LOCK)
    assert environment_name(LOCK).isalnum()


def test_the_name_of_an_environment_changes_with_the_interpreter(tmp_path: Path):
    copy = tmp_path / "python"
    copy.symlink_to(os.path.realpath(sys.executable))
    code = "import sys; sys.executable = sys.argv[1]\n"
    code += "from explorer_runner.attempt.environment import environment_name\n"
    code += "print(environment_name(b''), end='')"

    def name(executable: Path) -> str:
        command = [sys.executable, "-c", code, str(executable)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert name(copy) == environment_name(b"")
    assert name(tmp_path / "another") != environment_name(b"")


def test_an_environment_is_built_once(tmp_path: Path, store: Store):
    folder = environment.ensure(tmp_path / "environments", LOCK, store, find_uv())
    assert folder.name == environment_name(LOCK)
    assert (folder / "bin" / "python").exists()
    (folder / "kept").touch()
    assert environment.ensure(tmp_path / "environments", LOCK, store, "/no/such/uv") == folder
    assert (folder / "kept").exists()


def test_an_environment_that_was_left_unfinished_is_built_afresh(tmp_path: Path, store: Store):
    half = tmp_path / environment_name(LOCK)
    half.mkdir()
    (half / "half").touch()
    folder = environment.ensure(tmp_path, LOCK, store, find_uv())
    assert folder == half
    assert not (folder / "half").exists()
    assert (folder / "bin" / "python").exists()


def test_a_builder_that_is_killed_leaves_nothing_that_harms(tmp_path: Path, store: Store):
    begun = tmp_path / "begun"
    stuck = tmp_path / "uv"
    stuck.write_text(f'#!/bin/sh\n[ $1 = venv ] && exec {find_uv()} "$@"\ntouch {begun}\nexec sleep 600\n')
    stuck.chmod(0o700)
    code = "import sys; from pathlib import Path; from explorer_runner.attempt.environment import ensure\n"
    code += "from explorer_runner.stores.uri import open_store\n"
    code += "ensure(Path(sys.argv[1]), sys.argv[2].encode(), open_store('.'), sys.argv[3])\n"
    command = [sys.executable, "-c", code, str(tmp_path / "e"), LOCK.decode()]
    builder = subprocess.Popen([*command, str(stuck)], start_new_session=True)
    eventually(begun.exists)
    waiting = subprocess.Popen([*command, find_uv()])
    os.killpg(builder.pid, signal.SIGKILL)
    builder.wait()
    assert waiting.wait(60) == 0
    folder = environment.ensure(tmp_path / "e", LOCK, store, "/no/such/uv")
    assert sorted(os.listdir(tmp_path / "e")) == [folder.name, f"{folder.name}.lock"]


def test_processes_that_ask_at_once_get_one_environment(tmp_path: Path, store: Store):
    code = "import sys; from pathlib import Path; from explorer_runner.attempt.environment import ensure\n"
    code += "from explorer_runner.stores.uri import open_store\n"
    code += "folder = ensure(Path(sys.argv[1]), sys.argv[2].encode(), open_store('.'), sys.argv[3])\n"
    code += "print((folder / 'bin' / 'python').lstat().st_ino)"
    command = [sys.executable, "-c", code, str(tmp_path), LOCK.decode(), find_uv()]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    found = {process.communicate(timeout=60)[0] for process in asking}
    assert len(found) == 1
    assert [process.returncode for process in asking] == [0, 0, 0]


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        (b"no lock at all", "the lock of this analysis cannot be read"),
        (b"a = " + b"[" * 20_000, "nested too deeply"),
        (b"#" * (9 << 20), "at most 8,388,608 are read"),
        (b"packages = [3]", "packages holds what is not"),
        (b"[[packages]]\nwheels = [{path = 3}]", "packages holds what is not"),
        (
            LOCK.replace(
                b"[]",
                b'[{name = "absent", version = "1", wheels = [{url = "file:///absent-1-py3-none-any.whl"}]}]',
            ),
            "absent",
        ),
    ],
    ids=["garbage", "deep", "large", "a number", "a wheel by number", "wheel that is not there"],
)
def test_packages_that_cannot_be_installed_say_what_uv_said(
    tmp_path: Path, store: Store, lock: bytes, said: str
):
    with pytest.raises(PackageError, match="of this analysis c") as failed:
        environment.ensure(tmp_path, lock, store, find_uv())
    assert said in str(failed.value)
    assert not (tmp_path / environment_name(lock) / ".complete").exists()


def test_an_environment_goes_before_the_runners_own_libraries(tmp_path: Path, store: Store):
    folder = environment.ensure(tmp_path, LOCK, store, find_uv())
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "cloudpickle").mkdir()
    (packages / "cloudpickle" / "__init__.py").write_text("mine = True\n")
    (packages / "of_the_user.py").write_text("x = 1\n")
    code = f"""
import os, subprocess, sys
from pathlib import Path
import cloudpickle, cloudpickle.cloudpickle
from explorer_runner.attempt import environment
folder = Path({str(folder)!r})
environment.activate(folder)
import of_the_user
environment.prefer_user_pins(folder)
if "cloudpickle.cloudpickle" in sys.modules:
    sys.exit("the runner's cloudpickle is still there")
import cloudpickle
found = [sys.prefix, sys.executable, os.environ["VIRTUAL_ENV"], os.environ["PATH"].split(":")[0]]
if not cloudpickle.mine or found != [str(folder), f"{{folder}}/bin/python", str(folder), f"{{folder}}/bin"]:
    sys.exit(str(found))
subprocess.run(["python", "-c", "import of_the_user"], check=True)
import obstore
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
