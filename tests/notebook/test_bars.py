"""Bars in a notebook: displays of the cell that runs, updated in their place."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

SETUP = """
from gencove_explorer.analysis import Analysis, JobDefinition
small = JobDefinition(cpu=1, memory_mb=300)

def work(ac):
    import time
    time.sleep(ac.input)

an = Analysis(function=work, input=[0, 1, 3], name="sleepy", job_definition=small)
an.run()
"""
TRANSFER = """
import threading, time
from gencove_explorer.utils.progress import progress

def transfer():
    with progress("fetching [x].bam", 3_000_000) as advance:
        for _ in range(3):
            time.sleep(0.6)
            advance(1_000_000)

thread = threading.Thread(target=transfer)
thread.start()
thread.join()
"""

Messages = list[dict[str, Any]]


class Client(nbclient.NotebookClient):
    """Keeps what the kernel says, updates too: a notebook has the last picture only."""

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        self.said.append(msg)
        return super().process_message(msg, cell, cell_index)


@pytest.fixture
def run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Messages]]:
    """A function that runs cells in a kernel: returns the last one's outputs, and all messages."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))

    def run(*sources: str) -> tuple[Any, Messages]:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in sources])
        client = Client(notebook, timeout=120, kernel_name="python3")
        client.said = []
        client.execute(cwd=str(tmp_path))
        return notebook.cells[-1].outputs, client.said

    return run


def pictures(messages: Messages) -> list[str]:
    """The texts of a display and its updates, which are of one display."""
    shown = [each["content"] for each in messages if each["msg_type"].endswith("display_data")]
    assert [each["msg_type"] for each in messages if each["msg_type"].endswith("display_data")] == [
        "display_data",
        *["update_display_data"] * (len(shown) - 1),
    ]
    assert len({each["transient"]["display_id"] for each in shown}) == 1
    return [each["data"]["text/plain"] for each in shown]


def test_waiting_shows_a_bar_with_the_states(run):
    (output,), messages = run(SETUP, "an.wait_done()")
    first, *_, last = pictures(messages)
    assert re.fullmatch(r"sleepy ━*[╸╺]?━* +[0-2]/3 0:00:0\d .*\d (RUNNING|RUNNABLE|STARTING).*", first), (
        first
    )
    assert re.fullmatch(r"sleepy ━{40} 3/3 0:00:\d\d 3 SUCCEEDED", last), last
    assert output.data["text/plain"] == last
    html = output.data["text/html"]
    assert html.startswith("<pre")
    assert "3 SUCCEEDED" in html
    assert "color: #" in html


def test_a_transfer_shows_a_bar_from_whatever_thread(run):
    (output,), messages = run(TRANSFER)
    first, *_, end = pictures(messages)
    assert first.startswith("fetching [x].bam")
    assert "1.0/3.0 MB" in first
    assert output.data["text/plain"] == end == "", "one is gone where there may be thousands"


def test_what_is_done_at_once_shows_nothing(run):
    outputs, _ = run(TRANSFER.replace("time.sleep(0.6)", ""))
    assert outputs == []
