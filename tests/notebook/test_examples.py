"""The notebooks of examples/, run as a user would, in a kernel."""

from pathlib import Path

import nbclient
import nbformat
import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
SHOWN = {
    "first-steps": [
        "rich: 100.0%",
        "'jobs': {'SUCCEEDED': 3}",
        "{'short': 0.4444444444444444",
        "poor: 0.0%",
        "gc_content",
    ],
    "shell-commands": [
        "[5, 7, 7]",
        "lines 500 kinds 7",
        "No such file or directory",
        "reached",
        "hello from /",
    ],
    "samples-and-failures": [
        "Sample(id='s2', client_id='A-18', metadata={'age': None}",
        "s3 has bases that are not known",
        "'changed': ['another function']",
        "[8, 2, 3]",
    ],
}


def test_all_of_them_are_looked_at():
    assert {path.stem for path in EXAMPLES.glob("*.ipynb")} == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_an_example_runs_and_shows_what_it_is_about(
    name: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=str(tmp_path))
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", ())]
    said = "\n".join(str(each.get("text") or each.get("data", {}).get("text/plain", "")) for each in outputs)
    assert [text for text in SHOWN[name] if text not in said] == []
