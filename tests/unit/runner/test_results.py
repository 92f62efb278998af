"""Reading what jobs left behind: the latest attempt counts, and no record leads out of its job's folder."""

import json
import os
import stat
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer_runner.attempt.execute import OUTCOME_INLINE_BYTES, publish
from explorer_runner.context import find_dependency
from explorer_runner.errors import (
    CorruptPayload,
    InvalidKey,
    NoSuchDependency,
    NoSuchOutput,
    NotFinished,
    StoreError,
)
from explorer_runner.format import outcome
from explorer_runner.format.keys import (
    FAILED,
    STOPPED,
    SUCCEEDED,
    AttemptId,
    OutcomeName,
    file_key,
    outcome_key,
    value_key,
)
from explorer_runner.format.outcome import Outcome
from explorer_runner.format.payload import DependencyRef
from explorer_runner.format.values import PREVIEW, encode, encode_inline
from explorer_runner.outputs import Collected, Output, Produced
from explorer_runner.results import Results, latest, outcome_names
from explorer_runner.stores.base import Store
from explorer_runner.stores.uri import open_store

ID = "2023-05-08T154506_age_17eb494f3d5349c88959bace7a6b7873"
NAMES = st.builds(
    OutcomeName,
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(1, 3),
    st.sampled_from([SUCCEEDED, FAILED, STOPPED]),
)


def end(
    store: Store, attempt: AttemptId, status: str = SUCCEEDED, files: Path | None = None, **values: Any
) -> Outcome:
    """Let an attempt end as the runner does."""
    made = Outcome(
        analysis=ID, index=attempt.index, round=attempt.round, attempt=attempt.attempt, status=status
    )
    files = files or Path("/nothing/there")
    paths = sorted(path for path in files.rglob("*") if path.is_file())
    produced = [
        Produced(path.relative_to(files).as_posix(), path, False, os.access(path, os.X_OK)) for path in paths
    ]
    folders = sorted({each.key.partition("/")[0] for each in produced if "/" in each.key})
    empty = [path for path in files.rglob("*") if path.is_dir() and not any(path.iterdir())]
    folders += [path.relative_to(files).as_posix() for path in empty]
    publish(
        store, made, Collected(produced, folders, {key: encode(key, value) for key, value in values.items()})
    )
    return made


@pytest.fixture
def store(store_uri: str) -> Store:
    return open_store(store_uri)


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    return tmp_path / "downloads"


def results(store: Store, downloads: Path, jobs: int = 1) -> Results:
    return Results(store, ID, name="age", jobs=jobs, array=jobs > 1, downloads=str(downloads))


def tampered(store: Store, **changes: Any) -> None:
    """Write an outcome of job 0 that no runner would have written."""
    made = json.loads(Outcome(analysis=ID, index=0, round=0, attempt=1, status=SUCCEEDED).to_json())
    store.create(outcome_key(ID, AttemptId(0, 0, 1), SUCCEEDED), json.dumps({**made, **changes}).encode())


@given(st.lists(NAMES))
def test_of_the_last_round_a_success_counts_else_the_last_attempt(names: list[OutcomeName]):
    found = latest(names)
    assert set(found) == {name.index for name in names}
    for index, name in found.items():
        own = [each for each in names if each.index == index]
        own = [each for each in own if each.round == max(each.round for each in own)]
        own = [each for each in own if each.status == SUCCEEDED] or own
        assert name.attempt == max(each.attempt for each in own)
        assert name in own


def test_later_rounds_and_attempts_win_but_over_a_success(store: Store, downloads: Path):
    end(store, AttemptId(0, 0, 9), value="first round")
    end(store, AttemptId(0, 1, 2), value="tenth attempt")
    end(store, AttemptId(0, 1, 10), value="eleventh attempt")
    assert results(store, downloads).get_output().value("value") == "eleventh attempt"
    end(store, AttemptId(0, 1, 11), STOPPED)  # its machine was taken away after the outcome, before its end
    assert results(store, downloads).get_output().value("value") == "eleventh attempt"
    assert results(store, downloads).values("value") == ["eleventh attempt"]
    end(store, AttemptId(0, 2, 1), FAILED)
    with pytest.raises(NotFinished):
        results(store, downloads).get_output()


def test_other_files_beside_the_outcomes_are_no_outcomes(store: Store):
    end(store, AttemptId(0, 0, 1))
    store.create(f"analyses/{ID}/outcomes/notes.txt", b"")
    assert outcome_names(store, ID) == [OutcomeName(0, 0, 1, SUCCEEDED)]


def test_small_and_large_values_are_read_alike(store: Store, downloads: Path):
    kept = {
        "small": [1, "é"],
        "pickled": (1, {2}),
        "large": "x" * 200_000,
        "large_pickle": (b"x" * 200_000,),
        "deep/k": None,
    }
    end(store, AttemptId(0, 0, 1), **kept)
    out = results(store, downloads).get_output()
    assert out.values() == kept
    with pytest.raises(NoSuchOutput, match=r"job 0 of .* kept no value 'x'; it kept: 'deep/k', 'large'"):
        out.value("x")


def test_what_is_shown_of_values_is_in_the_outcome(store: Store, downloads: Path):
    output = Output(str(downloads), str(downloads))
    kept = {"number": 1.5, "text": "x", "pair": (1, "x"), "path": Path("a"), "large": (b"x" * 200_000,)}
    for key, value in kept.items():
        output.value(key, value)
    output.value("number", (1,))
    output.value("number", 2.5)  # what is said of one that was replaced is gone with it
    made = Outcome(analysis=ID, index=0, round=0, attempt=1, status=SUCCEEDED)
    publish(store, made, output.collect())
    out = results(store, downloads).get_output()
    assert out.values() == {**kept, "number": 2.5}
    assert set(out.outcome.values["number"]) == {"json"}
    store.delete_tree(f"analyses/{ID}/values")  # it is not looked at
    shown = {key: out.glance(key) for key in kept}
    assert shown.pop("large").startswith("[\"b'xxx")
    assert shown == {"number": "2.5", "text": "'x'", "pair": "[1, 'x']", "path": "a"}
    assert "<td style='text-align:left'>[1, &#x27;x&#x27;]</td>" in out._repr_html_()


def test_previews_end_where_the_outcome_would_be_large(store: Store, downloads: Path):
    output = Output(str(downloads), str(downloads))
    for number in range(300):
        output.value(f"k{number}", ("x" * 900, number))
    publish(store, Outcome(analysis=ID, index=0, round=0, attempt=1, status=SUCCEEDED), output.collect())
    out = results(store, downloads).get_output()
    entries = out.outcome.values.values()
    size = sum(len(json.dumps(entry[PREVIEW])) for entry in entries if PREVIEW in entry)
    assert OUTCOME_INLINE_BYTES - 5000 < size <= OUTCOME_INLINE_BYTES
    assert PREVIEW not in out.outcome.values["k299"]
    assert out.value("k299") == ("x" * 900, 299)


def test_values_of_before_there_were_previews_are_shown_as_they_were(store: Store, downloads: Path):
    kind, data = encode("k", (1, 2))
    beside_it = {"kind": "pkl", "size": 1234, "sha256": "0" * 64}
    tampered(store, values={"small": json.loads(encode_inline(kind, data)), "large": beside_it})
    out = results(store, downloads).get_output()
    assert (out.glance("small"), out.glance("large")) == ("(a Python object)", "1,234 bytes of pkl")
    assert out.value("small") == (1, 2)


def test_a_preview_does_not_write_into_a_terminal(store: Store, downloads: Path):
    tampered(store, values={"k": {"pkl": "", "preview": "\x1b[2Jgone\n"}})
    assert results(store, downloads).get_output().glance("k") == "'\\x1b[2Jgone\\n'"


def test_files_and_folders_are_read_back(store: Store, downloads: Path, tmp_path: Path):
    files = tmp_path / "made"
    (files / "tree" / "deep").mkdir(parents=True)
    for name in ("a", "tree/b", "tree/deep/c d%é"):
        (files / name).write_text(name)
    end(store, AttemptId(0, 0, 1), files=files)
    out = results(store, downloads).get_output()
    assert set(out.files()) == {"a", "tree/b", "tree/deep/c d%é"}
    assert out.file("a").as_local().read_text() == "a"
    assert (out.file("a").size, len(out.file("a").sha256 or "")) == (1, 64)
    tree = out.file("tree").as_local()
    assert sorted(str(each.relative_to(tree)) for each in tree.rglob("*") if each.is_file()) == [
        "b",
        "deep/c d%é",
    ]
    assert out.file("tree").sha256 is None
    assert out.file("tree").size == sum(len(name.encode()) for name in ("tree/b", "tree/deep/c d%é"))
    with pytest.raises(NoSuchOutput, match="kept no file 'tre'; it kept: 'a', 'tree', 'tree/b'"):
        out.file("tre")


def test_executable_files_and_empty_folders_are_read_back(store: Store, downloads: Path, tmp_path: Path):
    files = tmp_path / "made"
    (files / "tree" / "empty" / "deep").mkdir(parents=True)
    (files / "tree" / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (files / "tree" / "run.sh").chmod(0o755)
    (files / "tree" / "data").touch()
    end(store, AttemptId(0, 0, 1), files=files)
    out = results(store, downloads).get_output()
    tree = out.file("tree").as_local()
    assert (tree / "empty" / "deep").is_dir()
    assert subprocess.run([tree / "run.sh"], capture_output=True, text=True, check=True).stdout == "ran\n"
    assert [out.file(f"tree/{name}").executable for name in ("run.sh", "data")] == [True, False]
    assert not os.stat(tree / "data").st_mode & stat.S_IXUSR


def test_a_file_is_fetched_once(store: Store, downloads: Path, tmp_path: Path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "a").write_text("1")
    end(store, AttemptId(0, 0, 1), files=tmp_path / "made")
    first = results(store, downloads).get_output().file("a").as_local()
    inode = first.stat().st_ino
    assert results(store, downloads).get_output().file("a").as_local().stat().st_ino == inode


class Elsewhere:
    """A store on another machine, of a folder; its files arrive in pieces, those of a moment together."""

    def __init__(self, store: Store, readers: int) -> None:
        self._store = store
        self._together = threading.Barrier(readers)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def local_path(self, key: str) -> None:
        return None

    def get_file(self, key: str, path: Path) -> None:
        with open(path, "wb", buffering=0) as file:
            for byte in self._store.read(key):
                self._together.wait(10)
                file.write(bytes([byte]))


def test_files_of_a_job_that_are_fetched_at_once_are_not_mixed_up(downloads: Path, tmp_path: Path):
    files = tmp_path / "made"
    files.mkdir()
    for name in "abcd":
        (files / name).write_text(4 * name)
    here = open_store(str(tmp_path / "store"))
    end(here, AttemptId(0, 0, 1), files=files)
    out = results(Elsewhere(here, 4), downloads).get_output()  # type: ignore[arg-type]
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda name: out.file(name).as_local(), "abcd"))
    assert [path.read_text() for path in paths] == [4 * name for name in "abcd"]
    assert sorted(each.name for each in paths[0].parent.iterdir()) == list("abcd")
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}


def test_a_file_that_is_not_the_one_that_the_job_wrote_is_refused(downloads: Path, tmp_path: Path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "a").write_text("1")
    here = open_store(str(tmp_path / "store"))
    made = end(here, AttemptId(0, 0, 1), files=tmp_path / "made")
    here.delete(file_key(ID, AttemptId(0, 0, 1), "a"))
    here.create(file_key(ID, AttemptId(0, 0, 1), "a"), b"2")
    file = results(Elsewhere(here, 1), downloads).get_output().file("a")  # type: ignore[arg-type]
    with pytest.raises(CorruptPayload, match=f"SHA-256 is [0-9a-f]{{64}}, .*says {made.files[0]['sha256']}"):
        file.as_local()
    assert [each for each in downloads.rglob("*") if each.is_file()] == []


def test_a_file_that_is_missing_from_the_store_says_so(store: Store, downloads: Path, tmp_path: Path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "a").write_text("1")
    end(store, AttemptId(0, 0, 1), files=tmp_path / "made")
    store.delete(file_key(ID, AttemptId(0, 0, 1), "a"))
    file = results(store, downloads).get_output().file("a")
    with pytest.raises((CorruptPayload, StoreError), match=r"a.* (is missing from|in) the store"):
        file.as_local()


def test_a_value_that_is_missing_or_changed_in_the_store_says_so(store: Store, downloads: Path):
    end(store, AttemptId(0, 0, 1), k="x" * 100_000)
    key = value_key(ID, AttemptId(0, 0, 1), "k", "json")
    out = results(store, downloads).get_output()
    store.delete(key)
    with pytest.raises(StoreError, match=r"no .*/k\.json in the store"):
        out.value("k")
    store.create(key, b'"' + b"y" * 100_000 + b'"')
    with pytest.raises(CorruptPayload, match="the value 'k' in the store is not the one that the job wrote"):
        out.value("k")


@pytest.mark.parametrize("key", ["../../../../../secret", "/etc/passwd", "a/../../x", "", "a//b"])
@pytest.mark.parametrize("where", ["files", "folders"])
def test_an_outcome_whose_keys_lead_out_of_its_folder_is_refused(
    store: Store, downloads: Path, where: str, key: str
):
    store.create("secret", b"x")
    tampered(store, **{where: [{"key": key, "size": 1, "sha256": "0" * 64}] if where == "files" else [key]})
    file = results(store, downloads).get_output().file(key)
    with pytest.raises(InvalidKey, match="output key"):
        file.as_local()
    assert not downloads.exists()


def test_a_tampered_folder_does_not_bring_in_files_from_elsewhere(store: Store, downloads: Path):
    tampered(store, folders=["tree"], files=[{"key": "tree/../../../x", "size": 1, "sha256": "0" * 64}])
    with pytest.raises(InvalidKey):
        results(store, downloads).get_output().file("tree").as_local()


def test_an_outcome_whose_value_leads_out_of_its_folder_is_refused(store: Store, downloads: Path):
    tampered(store, values={"../../x": {"kind": "json", "size": 1, "sha256": "0" * 64}})
    with pytest.raises(InvalidKey):
        results(store, downloads).get_output().value("../../x")


@pytest.mark.parametrize(
    "changes",
    [{"index": 1}, {"round": 3}, {"attempt": 2}, {"status": FAILED}, {"analysis": ID.replace("age", "old")}],
)
def test_an_outcome_of_another_attempt_is_refused(store: Store, downloads: Path, changes: dict[str, Any]):
    tampered(store, **changes)
    with pytest.raises(
        CorruptPayload, match=r"outcomes/0\.0-1\.SUCCEEDED\.json .* is the outcome of another attempt"
    ):
        results(store, downloads).get_output()


def test_what_is_no_outcome_is_refused(store: Store, downloads: Path):
    store.create(outcome_key(ID, AttemptId(0, 0, 1), SUCCEEDED), b"garbage")
    with pytest.raises(CorruptPayload, match="an outcome in the store cannot be read"):
        results(store, downloads).get_output()


def test_outputs_and_values_come_in_the_inputs_order(store: Store, downloads: Path):
    for index in (10, 2, 0, *range(3, 10), 1):
        end(store, AttemptId(index, 0, 1), x=index)
    of = results(store, downloads, jobs=11)
    assert [each.index for each in of.get_outputs()] == list(range(11))
    assert of.values("x") == list(range(11))


def test_a_missing_job_is_named_and_can_be_stood_in_for(store: Store, downloads: Path):
    end(store, AttemptId(0, 0, 1), x=0)
    end(store, AttemptId(1, 0, 1), FAILED, x=1)
    end(store, AttemptId(2, 0, 1), y=2)
    of = results(store, downloads, jobs=4)
    with pytest.raises(NotFinished, match=r"2 of 4 jobs \(1, 3\) did not succeed, so there is no output"):
        of.values("x")
    with pytest.raises(NotFinished, match=r"\(1, 3\)"):
        of.get_outputs()
    assert of.values("x", missing=None) == [0, None, None, None]
    end(store, AttemptId(1, 1, 1), x=1)
    end(store, AttemptId(3, 1, 1), x=3)
    with pytest.raises(NoSuchOutput, match=r"job 2 of .* kept no value 'x'"):
        of.values("x")
    assert of.values("x", missing=-1) == [0, 1, -1, 3]


def test_an_index_outside_the_range_is_refused(tmp_path: Path, downloads: Path):
    of = results(open_store(str(tmp_path)), downloads, jobs=3)
    for index in (-1, 3, 10**9):
        with pytest.raises(IndexError, match=rf"age has no job {index}: its jobs are 0 to 2"):
            of.get_output(index)
    for index in ("1", 1.0, True, [1]):
        with pytest.raises(TypeError, match="a job index is a whole number"):
            of.get_output(index)  # type: ignore[arg-type]


def test_get_output_of_an_array_reads_job_zero_and_warns(tmp_path: Path, downloads: Path):
    store = open_store(str(tmp_path / "store"))
    for index in range(2):
        end(store, AttemptId(index, 0, 1), x=index)
    with pytest.warns(UserWarning, match=r"age is an array of 2 jobs: get_output\(\) reads job 0") as warned:
        assert results(store, downloads, jobs=2).get_output().value("x") == 0
    assert warned[0].filename == __file__


def test_a_dependency_is_found_by_its_name(tmp_path: Path):
    store = open_store(str(tmp_path / "store"))
    refs = [DependencyRef(name="age", id=ID), DependencyRef(name="size", id=ID, array=True, jobs=3)]
    ref, found = find_dependency(refs, "size", store, str(tmp_path))
    assert (ref, found.jobs, found.array) == (refs[1], 3, True)
    with pytest.raises(NoSuchDependency, match="no dependency is called 'x'; there are: 'age', 'size'"):
        find_dependency(refs, "x", store, str(tmp_path))
    with pytest.raises(KeyError, match="there are: none"):
        find_dependency([], "x", store, str(tmp_path))


def test_a_failed_attempt_has_no_outputs(store: Store, downloads: Path):
    outcome.write(store, Outcome(analysis=ID, index=0, round=0, attempt=1, reason="no"))
    with pytest.raises(NotFinished, match=f"{ID}: its job did not succeed, so there is no output"):
        results(store, downloads).get_output()
