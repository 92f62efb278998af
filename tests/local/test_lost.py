"""Which jobs of a round that is in no queue still have a process."""

import os
from pathlib import Path

from explorer_runner import claim
from gencove_explorer.local.lost import living


def test_jobs_live_whose_claim_is_held_in_that_round(tmp_path: Path):
    for name in ("0.1-1", "2.1-1", "2.1-2", "3.0-1", "4.1-1", "12.1-1"):
        (tmp_path / f"{name}.txt").touch()
    (tmp_path / "0.1-1.marks").touch()
    held = [claim.claim(str(tmp_path), str(tmp_path / f"{name}.txt")) for name in ("1.1-1", "2.1-3", "5.1-1")]
    held.append(claim.claim(str(tmp_path), str(tmp_path / "3.0-2.txt")))  # of another round
    claim.running(held[0])
    assert living(str(tmp_path), 1, {0, 1, 2, 3, 4}) == {1, 2}
    for each in held:
        os.close(each)
    assert living(str(tmp_path), 1, {0, 1, 2, 3, 4}) == set()
    assert living(str(tmp_path / "none"), 1, {0}) == set()
