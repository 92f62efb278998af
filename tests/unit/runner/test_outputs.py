"""What a work function hands over: every misuse is refused in words, and nobody's data is taken away."""

import os
import re
import socket
import threading
from pathlib import Path

import pytest

from explorer_runner.attempt.execute import publish
from explorer_runner.errors import InvalidKey, OutputError
from explorer_runner.format.keys import SUCCEEDED
from explorer_runner.format.outcome import Outcome
from explorer_runner.outputs import Collected, Output
from explorer_runner.stores.uri import open_store


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Output:
    """The outputs of a job whose scratch is the working directory."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.chdir(scratch)
    return Output(str(tmp_path / "scratch.files" / "outputs"), str(tmp_path / "scratch"))


def stored(collected: Collected, tmp_path: Path) -> dict[str, str]:
    """Key -> text of what a folder store keeps of it."""
    store = open_store(str(tmp_path / "store"))
    outcome = Outcome(analysis="a", index=0, round=0, attempt=1, status=SUCCEEDED)
    publish(store, outcome, collected)
    return {
        each["key"]: store.read(f"analyses/a/files/0/0-1/{each['key']}").decode() for each in outcome.files
    }


def keys(collected: Collected) -> list[str]:
    return [each.key for each in collected.files]


def test_files_that_were_written_are_collected_in_order(output: Output, tmp_path: Path):
    output.file("b").as_local().write_text("1")
    output.file("deep/er/a").as_local().write_text("2")
    Path("mine").write_text("3")
    output.file("c", path_local="mine")
    assert keys(output.collect()) == ["b", "deep/er/a", "c"]
    assert stored(output.collect(), tmp_path) == {"b": "1", "deep/er/a": "2", "c": "3"}


def test_the_same_key_again_is_the_same_file(output: Output):
    output.file("k").as_local().write_text("1")
    assert output.file("k").as_local().read_text() == "1"
    assert keys(output.collect()) == ["k"]


def test_a_file_handed_over_under_the_same_key_replaces_it(output: Output, tmp_path: Path):
    output.file("k").as_local().write_text("1")
    Path("mine").write_text("2")
    output.file("k", path_local=Path("mine"))
    assert stored(output.collect(), tmp_path) == {"k": "2"}


def test_a_path_handed_over_means_the_folder_of_that_moment(output: Output, tmp_path: Path):
    Path("mine").write_text("here")
    output.file("k", path_local="mine")
    os.mkdir("other")
    os.chdir("other")
    assert stored(output.collect(), tmp_path) == {"k": "here"}


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../x", "a/../../x", ".", "a//b", "a/", "a\0", "a\nb", "\ud800", None, 3]
)
def test_a_key_that_leads_elsewhere_is_refused_for_files_and_values(output: Output, key: str):
    with pytest.raises(InvalidKey, match="output key"):
        output.file(key)
    with pytest.raises(InvalidKey, match="output key"):
        output.file(key, path_local=".")
    with pytest.raises(InvalidKey, match="output key"):
        output.value(key, 1)
    assert output.collect() == Collected([], [], {})


@pytest.mark.parametrize(("first", "second"), [("k", "k/1"), ("k/1", "k"), ("a/b", "a/b/c/d")])
def test_a_key_cannot_be_a_file_and_a_folder(output: Output, first: str, second: str):
    output.file(first)
    with pytest.raises(OutputError, match=re.escape(f"output keys {first!r} and {second!r} cannot both be")):
        output.file(second)
    with pytest.raises(OutputError, match="cannot both be"):
        output.file(second, path_local=".")


def test_keys_that_only_begin_alike_are_no_conflict(output: Output):
    for key in ("k", "k1", "k-1/x", "k.1"):
        output.file(key).as_local().write_text(key)
    assert keys(output.collect()) == ["k", "k1", "k-1/x", "k.1"]


def test_values_of_a_key_and_below_it_are_no_conflict(output: Output):
    output.value("k", 1)
    output.value("k/1", 2)
    output.file("k").as_local().touch()
    assert output.collect().values == {"k": ("json", b"1"), "k/1": ("json", b"2")}


def test_a_file_handed_over_that_is_not_there_is_refused_at_once(output: Output):
    with pytest.raises(
        OutputError, match=r"output\.file\('k', path_local='gone\.csv'\): no such file or folder"
    ) as refused:
        output.file("k", path_local="gone.csv")
    assert f"looked in {os.getcwd()}" in str(refused.value)
    assert output.collect().files == []


@pytest.mark.parametrize("key", ["k", "deep/k"])
def test_a_file_that_was_asked_for_and_never_written_is_refused(output: Output, key: str):
    output.file(key)
    with pytest.raises(OutputError, match=f"the output file '{key}' was asked for and never written"):
        output.collect()


def test_a_file_handed_over_and_then_removed_is_refused(output: Output):
    Path("mine").touch()
    output.file("k", path_local="mine")
    Path("mine").unlink()
    with pytest.raises(OutputError, match="'k' was asked for and never written"):
        output.collect()


def test_a_folder_is_kept_as_a_tree(output: Output, tmp_path: Path):
    tree = output.file("tree").as_local()
    (tree / "b" / "c").mkdir(parents=True)
    for name in ("z", "a", "b/y", "b/c/x"):
        (tree / name).write_text(name)
    collected = output.collect()
    assert collected.folders == ["tree"]
    assert keys(collected) == ["tree/a", "tree/z", "tree/b/y", "tree/b/c/x"]
    assert stored(collected, tmp_path) == {f"tree/{name}": name for name in ("a", "z", "b/y", "b/c/x")}


def test_an_empty_folder_is_a_folder(output: Output):
    output.file("empty").as_local().mkdir()
    assert output.collect() == Collected([], ["empty"], {})


def test_empty_folders_of_a_tree_are_collected(output: Output):
    tree = output.file("tree").as_local()
    for name in ("empty", "full/deep/empty"):
        (tree / name).mkdir(parents=True)
    (tree / "full" / "a").touch()
    collected = output.collect()
    assert collected.folders == ["tree", "tree/empty", "tree/full/deep/empty"]
    assert keys(collected) == ["tree/full/a"]


def test_an_empty_folder_needs_a_name_that_every_store_can_hold(output: Output):
    (output.file("tree").as_local() / "a\nb").mkdir(parents=True)
    with pytest.raises(InvalidKey, match="output key"):
        output.collect()


@pytest.mark.parametrize(("mode", "kept"), [(0o755, True), (0o500, True), (0o644, False), (0o611, False)])
def test_what_its_owner_may_execute_is_executable(output: Output, tmp_path: Path, mode: int, kept: bool):
    output.file("tool").as_local().touch(mode)
    (output.file("tree").as_local()).mkdir()
    (output.file("tree").as_local() / "tool").touch()
    for path in (output.file("tool").as_local(), output.file("tree").as_local() / "tool"):
        path.chmod(mode)
    outcome = Outcome(analysis="a", index=0, round=0, attempt=1, status=SUCCEEDED)
    publish(open_store(str(tmp_path / "store")), outcome, output.collect())
    assert [each.get("executable") for each in outcome.files] == [True if kept else None] * 2


def test_a_file_of_a_folder_needs_a_name_that_every_store_can_hold(output: Output):
    tree = output.file("tree").as_local()
    tree.mkdir()
    (tree / "a\nb").touch()
    with pytest.raises(InvalidKey, match="control character"):
        output.collect()


def test_a_file_whose_name_is_no_text_is_refused(output: Output):
    tree = output.file("tree").as_local()
    tree.mkdir()
    os.close(os.open(os.fsencode(tree) + b"/\xff", os.O_CREAT | os.O_WRONLY))
    with pytest.raises(InvalidKey, match="is not valid Unicode"):
        output.collect()


def test_a_link_to_a_file_is_kept_as_what_it_leads_to_which_stays(output: Output, tmp_path: Path):
    data = tmp_path / "data"
    data.write_text("mine")
    output.file("written").as_local().symlink_to(data)
    Path("link").symlink_to(data)
    output.file("handed", path_local="link")
    tree = output.file("tree").as_local()
    tree.mkdir()
    (tree / "inner").symlink_to(data)
    assert stored(output.collect(), tmp_path) == {"written": "mine", "handed": "mine", "tree/inner": "mine"}
    assert data.read_text() == "mine"
    assert data.stat().st_mode & 0o200


def test_a_folder_that_is_a_link_inside_a_tree_is_refused(output: Output):
    os.mkdir("elsewhere")
    tree = output.file("tree").as_local()
    tree.mkdir()
    (tree / "inner").symlink_to(os.path.abspath("elsewhere"))
    with pytest.raises(OutputError, match="the output folder 'tree' holds a link to a folder, 'inner'"):
        output.collect()


@pytest.mark.parametrize("key", ["k", "tree"])
def test_a_link_that_leads_nowhere_is_refused(output: Output, key: str):
    path = output.file(key).as_local()
    if key == "tree":
        path.mkdir()
        path = path / "inner"
    path.symlink_to("gone")
    with pytest.raises(OutputError, match=f"'{key}.*(never written|leads nowhere)"):
        output.collect()


def test_a_hard_link_is_copied_and_the_other_name_keeps_its_file(output: Output, tmp_path: Path):
    data = tmp_path / "data"
    data.write_text("mine")
    os.link(data, output.file("k").as_local())
    tree = output.file("tree").as_local()
    tree.mkdir()
    os.link(data, tree / "inner")
    assert not any(each.movable for each in output.collect().files)
    assert stored(output.collect(), tmp_path) == {"k": "mine", "tree/inner": "mine"}
    data.write_text("changed")
    assert open_store(str(tmp_path / "store")).read("analyses/a/files/0/0-1/k") == b"mine"


def test_one_file_under_two_keys_is_kept_twice(output: Output, tmp_path: Path):
    Path("mine").write_text("1")
    Path("link").symlink_to("mine")
    output.file("a", path_local="mine")
    output.file("b", path_local=os.path.abspath("mine"))
    output.file("c", path_local="link")
    assert stored(output.collect(), tmp_path) == {"a": "1", "b": "1", "c": "1"}


def test_one_folder_under_two_keys_is_kept_twice(output: Output, tmp_path: Path):
    os.mkdir("mine")
    Path("mine/x").write_text("1")
    output.file("a", path_local="mine")
    output.file("b", path_local="mine")
    assert stored(output.collect(), tmp_path) == {"a/x": "1", "b/x": "1"}


@pytest.mark.parametrize("inside", [False, True])
def test_what_is_neither_file_nor_folder_is_refused(output: Output, inside: bool):
    path = output.file("k").as_local()
    if inside:
        path.mkdir()
        path = path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OutputError, match="is neither a file nor a folder"):
        output.collect()


def test_a_socket_is_refused(output: Output):
    output.file("k")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        output.file("k", path_local="s")
        with pytest.raises(OutputError, match="'k' is neither a file nor a folder"):
            output.collect()


def test_a_value_is_kept_as_it_is_now(output: Output):
    value = [1]
    output.value("k", value)
    value.append(2)
    assert output.collect().values == {"k": ("json", b"[1]")}


def test_the_same_value_again_replaces_it(output: Output):
    output.value("k", 1)
    output.value("k", (2,))
    assert output.collect().values["k"][0] == "pkl"


def test_a_value_that_cannot_be_pickled_is_refused_by_its_key(output: Output):
    with pytest.raises(OutputError, match=r"the value 'k' cannot be kept: _thread\.lock cannot be pickled"):
        output.value("k", threading.Lock())
    assert output.collect().values == {}


def test_outputs_are_shown_by_their_key(output: Output):
    assert repr(output.file("a/b")) == "OutputFile('a/b')"
