"""Every block of the description runs as it stands, on every executor."""

from pathlib import Path

import pytest

from support.blocks import DESCRIPTION, blocks, name_of, run_to_the_end


@pytest.mark.in_containers
@pytest.mark.parametrize("code", blocks(DESCRIPTION), ids=name_of)
def test_a_block_of_the_description(home: Path, tmp_path: Path, code: str):
    run_to_the_end(tmp_path, code)
