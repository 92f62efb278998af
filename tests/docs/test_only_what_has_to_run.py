"""The pages of "only what has to run": each block runs as it stands, and prints what it says."""

from pathlib import Path

import pytest

from support.blocks import blocks, run

PAGES = Path(__file__).parents[2] / "docs" / "only-what-has-to-run"
SEEN = {
    "reuse": "print(an.values('squared'), an.status()['reused'])",
    "canary": "print(len(an.values('squared')))",
    "max-failures": "print(len(an.values('squared')))",
    "parallel": "print(len(an.values('squared')))",
    "memory": "print(an.values('memory'))",
    "finished": "print(an.get_output().value('all'), an.get_output().value('failed'))",
    "checkpoint": "print(an.values('sum'))",
}
SHOWN = {
    "reuse": "[9, 16, 1, 4] 3\n",
    "canary": "100\n",
    "max-failures": "100\n",
    "parallel": "100\n",
    "memory": "[200, 200, 200]\n",
    "finished": "[1.0, None, 0.25] [[1, 'ZeroDivisionError']]\n",
    "checkpoint": "[30]\n",
}


def test_each_page_has_its_block():
    assert {page.stem for page in PAGES.glob("*.md")} == {*SEEN, "README"}


@pytest.mark.parametrize("page", SEEN)
def test_a_block_runs_as_it_stands(home: Path, tmp_path: Path, page: str):
    [code] = blocks(PAGES / f"{page}.md")
    assert run(tmp_path, f"{code}\n{SEEN[page]}\n").endswith(SHOWN[page])
