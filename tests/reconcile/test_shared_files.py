"""Files and samples in global_config: what jobs read of them, and what is compared."""

from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis, GlobalConfig
from gencove_explorer.errors import ManifestError
from gencove_explorer.job_manager import JobManager
from gencove_explorer.models import File, Sample
from gencove_explorer.reconcile.plan import PlanOptions
from support.repository import Repository

CODE = """\
def work(ac):
    shared = ac.global_config
    text = shared.reference.as_local().read_text()
    index = open(f"{shared.reference.as_local()}.fai").read()
    controls = [each.file("reads").as_local().read_text() for each in [shared.control, *shared.controls]]
    ac.output.value("seen", [text, index, *controls, shared.folds])
"""
MANIFEST = """\
version: 1
name: align
function: align.py:work
global_config:
  reference: {files: ../data/ref.fa, secondary_files: [.fai]}
  control: {sample: {id: c, files: {reads: ../data/c.txt}}}
  controls: {file: ../data/controls.csv}
  folds: 5
"""
ONLY = PlanOptions(select=["align"])


@pytest.fixture
def aligned(study: Repository) -> Repository:
    (study.root / "data").mkdir()
    data = {"ref.fa": "ACGT", "ref.fa.fai": "1", "c.txt": "C", "d.txt": "D"}
    for name, text in {**data, "controls.csv": "id,files.reads\nd,d.txt\n"}.items():
        (study.root / "data" / name).write_text(text)
    study.write("align.py", CODE)
    study.write("align.yaml", MANIFEST)
    study.commit()
    return study


def test_jobs_read_them_and_they_are_compared_by_content(
    aligned: Repository, monkeypatch: pytest.MonkeyPatch
):
    aligned.reconcile(wait=True, select=["align"])
    run = JobManager().get_analysis(manifest="align")
    assert run.get_output().value("seen") == ["ACGT", "1", "C", "D", 5]
    assert aligned.plan(select=["align"]) == {"align": "unchanged"}
    (aligned.root / "data/controls.csv").write_text('"id",files.reads\r\nd,d.txt\r\n')  # the same samples
    assert aligned.plan(select=["align"]) == {"align": "unchanged"}
    for name, changed in (
        ("ref.fa", "reference"),
        ("ref.fa.fai", "reference"),
        ("c.txt", "control"),
        ("d.txt", "controls"),
    ):
        path = aligned.root / "data" / name
        before = path.read_text()
        path.write_text("G")
        row = aligned.reconciler().plan(ONLY).rows[0]
        assert (row.action, row.reason) == ("supersede", f"global_config: {changed}")
        path.write_text(before)


def test_it_is_what_a_notebook_would_have_built(aligned: Repository):
    data = aligned.root / "data"
    made = Analysis.from_manifest(aligned.folder / "align.yaml").global_config
    assert made == GlobalConfig(
        reference=File(str(data / "ref.fa"), [".fai"]),
        control=Sample("c", files={"reads": str(data / "c.txt")}),
        controls=[Sample("d", files={"reads": str(data / "d.txt")})],
        folds=5,
    )


def test_another_machine_sees_no_change(aligned: Repository, tmp_path: Path):
    aligned.reconcile(select=["align"])
    aligned.git("clone", "--quiet", str(aligned.root), str(tmp_path / "clone"))
    assert Repository(tmp_path / "clone").plan(select=["align"]) == {"align": "unchanged"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ref.fa", "none.fa", "align.yaml:5: global_config.reference: data/none.fa cannot be read"),
        ("[.fai]", "[.fai, .gzi]", "align.yaml:5: global_config.reference: data/ref.fa.gzi cannot be read"),
        ("files: ../data/ref.fa", "files: ../../x", "reference: ../../x leads out of the repository"),
        ("../data/ref.fa", "file:///etc/hostname", "reference: /etc/hostname leads out of the repository"),
        ("../data/c.txt", "file:///etc/hostname", "control: /etc/hostname leads out of the repository"),
        ("files: ../data/ref.fa", "file: ../data/ref.fa", "reference.secondary_files: is not a key here"),
        ("controls.csv", "ref.fa", "a file that jobs read is written {files: ../data/ref.fa}"),
        (
            "{id: c,",
            "{name: c,",
            "control.sample.name: is not a key here; allowed: id, client_id, metadata, files",
        ),
        ("sample: {id: c,", "sample: {", "align.yaml:6: global_config.control.sample.id: is missing"),
        (
            "files: ../data/ref.fa",
            "files: []",
            "reference.files: found a list; allowed: an address, or a list",
        ),
        ("{file: ../data/controls.csv}", "{output: {manifest: first, value: x}}", "an output is an input"),
    ],
)
def test_faults_are_said_with_their_place(aligned: Repository, old: str, new: str, message: str):
    aligned.replace("align.yaml", old, new)
    with pytest.raises(ManifestError) as caught:
        Analysis.from_manifest(aligned.folder / "align.yaml")
    assert message in str(caught.value)


def test_values_are_what_they_were(study: Repository):
    study.replace("first.yaml", "{b: 1, a: 2}", "{b: {sample: NA1, depth: 3}, a: {value: {file: x}}, c: []}")
    config = Analysis.from_manifest(study.folder / "first.yaml").global_config
    assert config == GlobalConfig(b={"sample": "NA1", "depth": 3}, a={"file": "x"}, c=[])
