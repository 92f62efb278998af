"""From a notebook to git and back."""

from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis, AnalysisContext, GlobalConfig, JobDefinition, each
from gencove_explorer.errors import ManifestError, SubmissionError
from gencove_explorer.manifests.schema import check_document
from gencove_explorer.manifests.yaml_document import read_document
from gencove_explorer.models import File, Sample, read_samples
from support.repository import Repository

NOTEBOOK = """
import math as m
from gencove_explorer.analysis import Analysis, AnalysisContext, GlobalConfig, JobDefinition, each
from gencove_explorer.models import File, Sample
THRESHOLD = 3
UNUSED = object()

def helper(x):
    return m.floor(x) + THRESHOLD

def work(ac: AnalysisContext):
    ac.output.value("y", helper(ac.input["x"] + ac.global_config.plus))

def gather(ac: AnalysisContext):
    ac.output.value("sum", sum(ac.dependency("scan").values("y")))

scan = Analysis(
    function=work, input=[{"x": 1.5}, {"x": 2.5}], name="scan", labels={"team": "a"},
    job_definition=JobDefinition(cpu=1, memory_mb=300, timeout_seconds=90),
    global_config=GlobalConfig(plus=1),
)
small = JobDefinition(cpu=1, memory_mb=300)
all_of_it = Analysis(function=gather, name="all", depends_on=[scan], job_definition=small)
"""


def notebook(text: str = NOTEBOOK) -> dict[str, object]:
    """The names of a notebook in which a cell was run."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.run_cell(text, store_history=True).raise_error()
    return shell.user_ns


def test_from_a_notebook_to_git_and_back(study: Repository):
    names = notebook()
    folder = study.root / "written"
    assert names["all_of_it"].to_manifest(folder) == folder / "all.yaml"
    assert sorted(path.name for path in folder.iterdir()) == ["all.py", "all.yaml", "scan.py", "scan.yaml"]
    text = (folder / "scan.py").read_text()
    assert "import math as m" in text
    assert "THRESHOLD = 3" in text
    assert "UNUSED" not in text
    back = Analysis.from_manifest(folder / "all.yaml")
    assert [name.name for name in back.depends_on] == ["scan"]
    scan = back.depends_on[0]
    assert scan.input == [{"x": 1.5}, {"x": 2.5}]
    assert scan.labels == {"team": "a"}
    assert scan.job_definition == JobDefinition(cpu=1, memory_mb=300, timeout_seconds=90)
    assert scan.global_config == GlobalConfig(plus=1)
    back.run()
    back.wait_done(60)
    assert back.get_output().value("sum") == 5 + 6


def test_from_git_to_a_notebook_and_back(study: Repository):
    first = Analysis.from_manifest(study.folder / "first.yaml")
    folder = study.root / "again"
    written = check_document(read_document(first.to_manifest(folder), "first.yaml"))
    original = check_document(read_document(study.folder / "first.yaml", "first.yaml"))
    assert written == original.model_copy(update={"function": "../manifests/code.py:work"})
    assert not (folder / "first.py").exists()  # it is in the repository already


def work(ac: AnalysisContext) -> None:
    ac.output.value("id", ac.input.id)


@pytest.mark.parametrize(
    ("given", "files"),
    [
        (None, []),
        ("NO", []),
        ({"file": "x"}, []),
        ({"i": [1, 2]}, []),
        ([1.5, None, True, "007", "2024-01-01", "# no comment", "a: b", "[x", "'", '"', "\n", " x "], []),
        (list(range(100)), ["given.json"]),
        (File("s3://bucket/a.bam", [".bai"]), []),
        ([File("s3://bucket/a.bam"), File("s3://bucket/b.bam")], []),
        ([Sample("NO", "c", {"n": 1, "t": "x"}, {"bam": "s3://b/k"}), Sample("b")], ["given.jsonl"]),
    ],
)
def test_inputs_come_back_as_they_were(study: Repository, given: object, files: list[str]):
    text = "def work(ac):\n    ac.output.value('x', 1)\n"
    names = notebook(text)
    path = Analysis(function=names["work"], input=given, name="given").to_manifest(study.root / "written")
    assert sorted(each.name for each in path.parent.iterdir()) == sorted([*files, "given.py", "given.yaml"])
    back = Analysis.from_manifest(path).input
    assert back == given


def test_a_sheet_is_the_same_in_a_manifest_and_in_a_notebook(study: Repository):
    study.write("sheets/reads/a.txt", "ACGT")
    study.write("sheets/s.csv", "id,age,files.reads\na,3,reads/a.txt\n")
    study.replace("first.yaml", "[1, 2]", "{file: sheets/s.csv}")
    given = Analysis.from_manifest("manifests/first.yaml").input
    assert given == read_samples("manifests/sheets/s.csv")
    assert given[0].file("reads").as_local().read_text() == "ACGT"


def test_shell_commands_are_written_as_ipy(study: Repository):
    names = notebook("FOLDER = '.'\ndef work(ac):\n    x = !ls -d {FOLDER}\n    ac.output.value('x', x[0])\n")
    path = Analysis(function=names["work"], name="listing").to_manifest(study.root / "written")
    assert "FOLDER = '.'" in (path.parent / "listing.ipy").read_text()
    back = Analysis.from_manifest(path)
    back.run()
    back.wait_done(60)
    assert back.get_output().value("x") == "."


def test_what_cannot_be_written_down_is_named(study: Repository):
    folder = study.root / "written"
    names = notebook("handle = object()\ndef work(ac):\n    print(handle)\n")
    with pytest.raises(SubmissionError, match="work uses 'handle', a object, which cannot be written down"):
        Analysis(function=names["work"], name="a").to_manifest(folder)
    with pytest.raises(SubmissionError, match="has no name to be found by"):
        Analysis(function=lambda ac: None, name="a").to_manifest(folder)
    plain = notebook("def work(ac):\n    print(1)\n")["work"]
    with pytest.raises(SubmissionError, match="the input of a holds more than text"):
        Analysis(function=plain, input={1, 2}, name="a").to_manifest(folder)
    with pytest.raises(SubmissionError, match=r"global_config.x of a holds more"):
        Analysis(function=plain, global_config=GlobalConfig(x=object()), name="a").to_manifest(folder)
    assert list(folder.iterdir()) == []


def test_nothing_of_others_is_written_over(study: Repository):
    plain = notebook("def work(ac):\n    print(1)\n")["work"]
    with pytest.raises(ManifestError, match=r"code.py.*is there already|is the file of another"):
        Analysis(function=plain, name="code").to_manifest(study.folder)
    (study.folder / "mine.yaml").write_text((study.folder / "first.yaml").read_text())
    with pytest.raises(ManifestError, match="the file of another manifest"):
        Analysis(function=plain, name="mine").to_manifest(study.folder)


def test_pairs_stay_pairs(study: Repository):
    names = notebook("def work(ac):\n    print(1)\n")
    one = Analysis(function=names["work"], input=[1, 2], name="one")
    two = Analysis(function=names["work"], input=[1, 2], name="two", depends_on=[each(one)])
    assert "each: one" in two.to_manifest(study.root / "written").read_text()


def test_a_missing_dependency_and_a_missing_file(study: Repository, tmp_path: Path):
    study.replace("second.yaml", "[first]", "[frist]")
    with pytest.raises(ManifestError, match="there is no manifest 'frist'; allowed: did you mean first"):
        Analysis.from_manifest(study.folder / "second.yaml")
    with pytest.raises(ManifestError, match="is not a file"):
        Analysis.from_manifest(tmp_path / "none.yaml")
