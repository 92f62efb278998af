"""What people write: files, names, lengths of time, commands. Any text is taken, or refused by us."""

import json
import math
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from explorer_runner.errors import PackageError
from explorer_runner.format.keys import (
    check_key,
    parse_closed_name,
    parse_log_name,
    parse_number,
    parse_outcome_name,
)
from explorer_runner.format.names import check_name, derive_name, parse_id
from fuzz.damage import EFFORT, damaged, damaged_bytes
from gencove_explorer.cli import explorer
from gencove_explorer.errors import ConfigError, ExplorerError, SheetError
from gencove_explorer.manifests.function_source import SourceError, SourceFile
from gencove_explorer.manifests.load import load_folder
from gencove_explorer.manifests.lock_file import check_lock
from gencove_explorer.manifests.schema import Manifest, check_document
from gencove_explorer.manifests.yaml_document import parse_document
from gencove_explorer.models.sheets import read_samples, read_table
from gencove_explorer.packages.requirements import check_requirements
from gencove_explorer.settings import Settings
from gencove_explorer.utils.durations import format_duration, parse_duration

pytestmark = pytest.mark.filterwarnings(
    "ignore:Generating overly large repr", "ignore:invalid escape sequence"
)

TOML = b"""home = "/x"
executor = "local"
store = "s3://bucket/x"
cpus = 2
memory_mb = 4000
idle_seconds = 1.5
[batch]
queue = "q"
"""
CSV = b"id,client_id,files.bam,age\na,b,s3://b/k.bam,3\nc,,,4\n"
LINES = b"""{"id": "a", "files": {"bam": "s3://b/k"}, "metadata": {"x": 1}}
{"id": "b", "files.x": "/y", "n": [1]}
"""
YAML = b"""version: 1
name: age
labels: {a: b}
function: code.py:work
input: {file: rows.csv}
global_config: {folds: 5, ref: {files: "s3://b/k"}}
pip_packages: ["lab>=1,<2"]
job_definition: {cpu: 1, memory_mb: 2000, timeout_seconds: 900, retries: 1}
depends_on: [other, {each: more}]
on_failure: hold
"""
CODE = b'import os\n\ndef work(ac):\n    ac.output.value("x", [os.name, {**{}}])\n'
LOCK = b"""lock-version = "1.0"
[[packages]]
name = "lab"
version = "1.0"
wheels = [{ path = "x", hashes = { sha256 = "0" } }]
"""
DEEP = [
    b"[" * 20_000,
    b"a: [" * 2000,
    b"(" * 20_000,
    b"{" * 20_000,
    b"a." * 20_000,
    b'"' * 20_000,
    b"- " * 5000,
]


def texts(valid: bytes) -> st.SearchStrategy[bytes]:
    """A file as it is, damaged, anything at all, or nested without end."""
    return st.one_of(
        st.just(valid),
        damaged_bytes(valid),
        st.binary(max_size=100),
        st.text(max_size=100).map(str.encode),
        st.sampled_from(DEEP).map(lambda deep: valid + b"\nx = " + deep),
        st.sampled_from(DEEP),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("texts")


@EFFORT
@given(texts(TOML))
def test_files_of_settings(folder: Path, raw: bytes):
    (folder / "explorer.toml").write_bytes(raw)
    try:
        found = Settings.load({"XDG_CONFIG_HOME": str(folder / "none")}, folder)
    except ConfigError as error:
        said = str(error)
    else:
        assert math.isfinite(found.idle_seconds)
        return
    assert "explorer.toml" in said
    assert len(said) < 1000


@EFFORT
@given(
    st.dictionaries(
        st.sampled_from(
            ["EXPLORER_HOME", "EXPLORER_CPUS", "EXPLORER_IDLE_SECONDS", "EXPLORER_STORE", "EXPLORER_CPU"]
        ),
        st.text(st.characters(exclude_characters="\0")),
    )
)
def test_variables_of_settings(folder: Path, variables: dict[str, str]):
    try:
        Settings.load({**variables, "XDG_CONFIG_HOME": str(folder / "none")}, Path("/"))
    except ConfigError:
        pass


@pytest.mark.parametrize("read", [read_samples, read_table])
@pytest.mark.parametrize(("name", "valid"), [("s.csv", CSV), ("s.tsv", CSV), ("s.jsonl", LINES)])
def test_sheets(folder: Path, read: Callable[[Path], object], name: str, valid: bytes):
    @EFFORT
    @given(texts(valid))
    def attempt(raw: bytes) -> None:
        (folder / name).write_bytes(raw)
        try:
            read(folder / name)
        except SheetError as error:
            said = str(error)
        else:
            return
        assert name in said

    attempt()


class Nothing:
    """A bucket of nothing."""

    def list(self, bucket: str, prefix: str) -> list[tuple[str, str]]:
        return []


@EFFORT
@given(texts(YAML))
def test_manifests(raw: bytes):
    try:
        check_document(parse_document(raw.decode(), "m.yaml"))
    except (ExplorerError, UnicodeDecodeError):
        pass


@EFFORT
@given(manifest=texts(YAML), code=texts(CODE), rows=texts(CSV), lock=texts(LOCK))
def test_folders_of_manifests(
    tmp_path_factory: pytest.TempPathFactory, manifest: bytes, code: bytes, rows: bytes, lock: bytes
):
    folder = tmp_path_factory.mktemp("manifests")
    for name, raw in (("m.yaml", manifest), ("code.py", code), ("rows.csv", rows), ("age.lock", lock)):
        (folder / name).write_bytes(raw)
    for fault in load_folder(folder, Nothing()).faults:
        assert fault.file == "m.yaml"


@EFFORT
@given(texts(CODE), st.sampled_from(["work", "x", ""]))
def test_functions_of_files(raw: bytes, name: str):
    try:
        found = SourceFile(Path("code.py"), raw.decode()).function(name)
        found.problem()
        assert found.text
    except (SourceError, UnicodeDecodeError):
        pass


MANIFEST = Manifest.model_validate(
    {"version": 1, "name": "age", "function": "code.py:work", "pip_packages": ["lab>=1", "./folder", "x; y"]}
)


@EFFORT
@given(texts(LOCK))
def test_committed_locks(raw: bytes):
    try:
        check_lock(raw, "age.lock", MANIFEST)
    except PackageError as error:
        said = str(error)
    else:
        return
    assert "age.lock" in said


REQUIREMENTS = st.text(st.sampled_from("lab[]><=!~;@ ./-er git+https:\x1b\n\0'\"é"), max_size=60)


@EFFORT
@given(
    st.one_of(st.lists(st.one_of(REQUIREMENTS, st.text(), st.none()), max_size=3), st.text(), st.integers())
)
def test_requirements(given_: Any):
    try:
        check_requirements(given_)
    except PackageError:
        pass


# -- names, keys, lengths of time -------------------------------------------------------------------

NAMES = st.one_of(
    st.text(),
    st.text(st.sampled_from("0123456789.-_+ \u0661jsontxFAILEDSUC"), max_size=30),
    st.from_regex(r"\d+\.\d+-\d+\.(FAILED|SUCCEEDED|STOPPED)\.json", fullmatch=True),
    st.from_regex(r"\d+(\.\d+)?-\d+\.(json|txt)", fullmatch=True),
)


@EFFORT
@given(NAMES)
def test_names_in_the_store_are_those_that_we_write(name: str):
    outcome = parse_outcome_name(name)
    if outcome is not None:
        assert name == f"{outcome.index}.{outcome.round}-{outcome.attempt}.{outcome.status}.json"
    attempt = parse_log_name(name)
    assert attempt is None or name == f"{attempt.stem}.txt"
    number = parse_number(name)
    assert number is None or name == f"{number}.json"
    round = parse_closed_name(name)
    assert round is None or name.startswith(f"{round}-")


@EFFORT
@given(st.one_of(st.text(st.characters()), st.binary(), st.integers(), st.none()))
def test_keys_names_and_ids(given_: Any):
    for check in (check_key, check_name, parse_id):
        try:
            check(given_)
        except ExplorerError as error:
            said = str(error)
        else:
            continue
        said.encode()
        assert len(said) < 6000
    if isinstance(given_, str):
        check_name(derive_name(given_))


@EFFORT
@given(
    st.one_of(
        st.text(),
        st.from_regex(r"\s*\d+(\.\d+)?\s*[smhdwx]\s*", fullmatch=True),
        st.integers(),
        st.floats(),
        st.timedeltas(),
        st.booleans(),
        st.none(),
        st.just(10**400),
        st.just("9" * 500 + "w"),
    )
)
def test_lengths_of_time(given_: Any):
    try:
        found = parse_duration(given_)
    except ExplorerError:
        return
    assert 0 <= found < 1e11
    assert parse_duration(format_duration(found)) >= 0


# -- the command -------------------------------------------------------------------------------------

WORDS = st.one_of(
    st.sampled_from(
        ["last", "measure", "x", "0", "-1", "99999999999999999999", "--json", "--since", "--date", "--name"]
    ),
    st.sampled_from(
        ["--user", "--limit", "--grep", "--failed", "--all", "--yes", "--to", "--timeout", "--cpu", "1h"]
    ),
    st.sampled_from(
        ["2023-05", "2023-99-99", "(", "[", "1e9", "nan", "inf", "-", "--", "--help", "\udcff", "\x1b[31m"]
    ),
    st.text(string.printable, max_size=5),
)
COMMANDS = ("list", "status", "logs", "outputs", "failures", "wait", "terminate", "retry", "delete", "config")


@EFFORT
@given(st.sampled_from([*COMMANDS, "validate", "history", "completion"]), st.lists(WORDS, max_size=4))
def test_arguments_of_the_command(home: Path, command: str, words: list[str]):
    done = CliRunner().invoke(explorer, [command, *words])
    error = done.exception
    assert error is None or isinstance(error, SystemExit | ExplorerError | OSError), done.exc_info
    if "--json" in words and done.exit_code == 0 and "--help" not in words:
        json.loads(done.stdout or "null")


@EFFORT
@given(damaged(json.dumps({"revision": 1, "choice": {"select": []}, "rows": [{"name": "a"}]}).encode()))
def test_saved_plans_and_files_of_input(home: Path, tmp_path: Path, raw: bytes):
    (tmp_path / "file").write_bytes(raw)
    (tmp_path / "code.py").write_text("def work(ac): pass\n")
    (tmp_path / "manifests").mkdir(exist_ok=True)
    for arguments in (
        ["reconcile", "manifests", "--plan", str(tmp_path / "file")],
        ["run", f"{tmp_path / 'code.py'}:nothing", "--input-file", str(tmp_path / "file")],
        ["run", f"{tmp_path / 'file'}:work"],
    ):
        error = CliRunner().invoke(explorer, arguments).exception
        assert isinstance(error, SystemExit | ExplorerError), error
