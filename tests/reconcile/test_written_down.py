"""Whatever an Analysis holds: its manifest says the same, or it is refused in words."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gencove_explorer.analysis import Analysis, GlobalConfig
from gencove_explorer.errors import SubmissionError
from gencove_explorer.models import File, Sample
from support.repository import Repository

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=40,
)
ADDRESSES = st.sampled_from(["s3://b/k", "https://example.org/x", "data/a.txt", "data/deep/b.txt"])
FILES = st.builds(File, ADDRESSES, st.just((".idx",)))
SAMPLES = st.builds(
    Sample,
    id=st.text(min_size=1),
    client_id=st.text(),
    metadata=st.dictionaries(
        st.sampled_from(["id", "client_id", "files", "metadata", "files.x"]) | st.text(), PLAIN, max_size=4
    ),
    files=st.dictionaries(st.text(), ADDRESSES, max_size=3),
)
VALUES = (
    PLAIN
    | FILES
    | SAMPLES
    | st.lists(FILES, min_size=1, max_size=4)
    | st.lists(SAMPLES, min_size=1, max_size=4, unique_by=lambda sample: sample.id)
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("study"))
    made.git("init", "--quiet")
    for name in ("a.txt", "a.txt.idx", "deep/b.txt", "deep/b.txt.idx"):
        path = made.root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    made.write("code.py", "def work(ac):\n    print(ac.input)\n")
    made.write("code.yaml", "version: 1\nname: code\nfunction: code.py:work\n")
    return made


@pytest.fixture(autouse=True)
def _there(study: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study.root)


def whole(value: Any) -> Any:
    """A value with the addresses in it as they hold from anywhere."""

    def address(uri: str) -> str:
        return uri if "://" in uri else str(Path(uri).resolve())

    if isinstance(value, list):
        return [whole(each) for each in value]
    if isinstance(value, File):
        return replace(value, uri=address(value.uri))
    if isinstance(value, Sample):
        return replace(value, files={name: address(uri) for name, uri in value.files.items()})
    return value


def analysis(study: Repository, **arguments: Any) -> Analysis:
    return Analysis(
        function=Analysis.from_manifest(study.folder / "code.yaml").function, name="a", **arguments
    )


@settings(max_examples=100, deadline=None)
@given(VALUES.filter(lambda value: value != []))
@example({"\x85": None, "\U00010000": None, "ä": "\ufeff\x7f\\u1234"})
@example({"1E5": "0E0", "\U00010000": [1, 1.0, True]})
def test_an_input_comes_back_as_it_was(study: Repository, value: Any):
    folder = tempfile.mkdtemp(dir=study.root)
    back = Analysis.from_manifest(analysis(study, input=value).to_manifest(folder)).input
    assert repr(back) == repr(whole(value))  # 1, 1.0 and True are not the same


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "file", "value", "ä", "_x1"]), VALUES, max_size=3))
@example({"a": {"value": 1}, "file": {"sample": "NA12878"}, "ä": []})
def test_a_global_config_comes_back_as_it_was(study: Repository, values: dict[str, Any]):
    folder = tempfile.mkdtemp(dir=study.root)
    made = analysis(study, global_config=GlobalConfig(**values))
    back = vars(Analysis.from_manifest(made.to_manifest(folder)).global_config)
    assert repr(back) == repr({name: whole(value) for name, value in values.items()})


def test_files_are_written_as_every_clone_has_them(study: Repository):
    folder = study.root / "written" / "deeper"
    given = [
        File("data/a.txt"),
        File(str(study.root / "data/a.txt")),
        File(f"file://{study.root}/data/a.txt"),
    ]
    path = analysis(study, input=given).to_manifest(folder)
    assert "files: [../../data/a.txt, ../../data/a.txt, ../../data/a.txt]" in path.read_text()
    analysis(study, input=[Sample("s", files={"text": "data/a.txt"})]).to_manifest(folder)
    assert (folder / "a.jsonl").read_text() == '{"id": "s", "files": {"text": "../../data/a.txt"}}\n'


def test_a_link_keeps_what_lies_beside_it(study: Repository):
    (study.root / "links").mkdir()
    (study.root / "links/b.txt").symlink_to("../data/a.txt")
    path = analysis(study, input=[File("links/b.txt", [".idx"])]).to_manifest(study.root / "written")
    assert "files: [../links/b.txt]" in path.read_text()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "an empty list"),
        (float("nan"), "holds more than text"),
        ("\ud800", "holds more than text"),
        ((1, 2), "holds more than text"),
        (File("data/none.txt"), "the input of a: there is no file /.*/data/none.txt"),
        (File("data"), "there is no file"),
        (
            File("../outside.txt"),
            "outside.txt is outside of /.*, where no other machine has it: put it there",
        ),
        (Sample("s", files={"x": "../outside.txt"}), "is outside of"),
        (Sample("s", files={"x": ""}), "there is no file"),
        ([Sample("s"), Sample("s")], "has sample 's' twice"),
        (Sample(""), "whose id is ''"),
    ],
)
def test_what_a_manifest_cannot_say_is_refused(study: Repository, value: Any, message: str):
    (study.root.parent / "outside.txt").write_text("x")
    with pytest.raises(SubmissionError, match=message):
        analysis(study, input=value).to_manifest(study.root / "written")


def test_a_folder_is_wanted(study: Repository):
    for path in ("written/a.yaml", "data/a.txt"):
        with pytest.raises(
            SubmissionError, match=rf"{path} is the name of a file: give the folder that a.yaml"
        ):
            analysis(study).to_manifest(path)
    assert not (study.root / "written/a.yaml").is_dir()
