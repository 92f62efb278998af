"""A real Jupyter kernel."""

from collections.abc import Callable
from pathlib import Path

import nbclient
import nbformat
import pytest

Cells = Callable[..., list[str]]


@pytest.fixture
def cells(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cells:
    """A function that runs cells in a kernel and returns what each shows: streams, values and errors."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))

    def run(*sources: str) -> list[str]:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in sources])
        client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True)
        client.execute(cwd=str(tmp_path))
        return ["".join(map(_text, cell.outputs)) for cell in notebook.cells]

    return run


def _text(output: nbformat.NotebookNode) -> str:
    if output.output_type == "stream":
        return str(output.text) if output.name == "stdout" else ""
    if output.output_type == "error":
        return "\n".join(output.traceback)
    if output.output_type == "display_data":
        return ""  # a bar, if it took long enough
    return str(output.data.get("text/plain", ""))
