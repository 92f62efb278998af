"""What the demo's manifests gave: which of 30 measurements of a biopsy tells breast cancer best?

make demo        reconciles manifests/ on this machine, waits, and shows this
"""

import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gencove_explorer.job_manager import JobManager

PICTURE = Path("build/demo/ranking.png")


def main() -> int:
    manager = JobManager()
    scan = manager.get_analysis(manifest="feature-scan")
    rank = manager.get_analysis(manifest="rank-features")
    if rank.status()["status"] != "SUCCEEDED":
        say(f"{scan.failures()}\n{rank.failures()}")
        return 1
    show_ranking(rank.get_output().value("ranking"))
    show_samples(manager.get_analysis(manifest="read-report").get_output().value("samples"))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(rank.get_output().file("ranking.png").as_local(), PICTURE)
    explorer = Path(sys.executable).with_name("explorer")
    say(f"The plot: {PICTURE}\nAll of it stays to be looked at, from any process:")
    say(f"    {explorer} outputs {scan.id}\n    {explorer} history")
    say("Change a line of manifests/analyses/reads.py, and see what would run again:")
    say(f"    {explorer} plan")
    return 0


def show_ranking(ranking: list[dict]) -> None:
    """The features, a bar each."""
    table = Table(
        title="Area under the ROC curve of each feature alone, 569 biopsies", title_justify="left", box=None
    )
    table.add_column(justify="right")
    for heading in ("feature", "area", "95 % interval", ""):
        table.add_column(heading)
    for rank, row in enumerate(ranking, start=1):
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        bar = "█" * round((row["area"] - 0.5) * 40)
        table.add_row(str(rank), row["feature"], f"{row['area']:.3f}", interval, f"[blue]{bar}[/blue]")
    Console().print(table)


def show_samples(samples: list[dict]) -> None:
    """The sheet of samples, and what their reads gave."""
    table = Table(title="\nReads, sample by sample", title_justify="left", box=None)
    for heading in ("sample", "tissue", "reads", "GC", "mean quality"):
        table.add_column(heading)
    for row in samples:
        table.add_row(
            row["sample"], row["tissue"], str(row["reads"]), f"{row['gc']:.1%}", f"{row['quality']:.1f}"
        )
    Console().print(table)


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
