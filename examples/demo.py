"""The demo: which of 30 measurements of a biopsy tells breast cancer best?

scikit-learn ships 569 real biopsies of the Wisconsin breast cancer data set, each with 30 features
of its cell nuclei. An array of 30 jobs, one a feature, cross-validates a classifier on that feature
alone and puts a bootstrap interval around its area under the ROC curve; a second analysis depends
on it, ranks the features and draws the plot.

    make demo
"""

import shutil
import sys
import time
from pathlib import Path

from gencove_explorer.analysis import Analysis, AnalysisContext, GlobalConfig, JobDefinition

FEATURES = 30
PICTURE = Path("build/demo/ranking.png")


def feature_scan(ac: AnalysisContext) -> None:
    import csv

    import numpy as np
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_breast_cancer()
    feature = str(data.feature_names[ac.input])
    malignant = (data.target == 0).astype(int)
    values = data.data[:, [ac.input]]
    print(f"{feature}: {len(values)} biopsies, {malignant.sum()} malignant")

    folds = StratifiedKFold(ac.global_config.folds, shuffle=True, random_state=0)
    classifier = make_pipeline(StandardScaler(), LogisticRegression())
    scores = cross_val_predict(classifier, values, malignant, cv=folds, method="predict_proba")[:, 1]

    def area_under_roc(truth: np.ndarray, score: np.ndarray) -> float:
        # The probability that a malignant biopsy scores higher than a benign one, ties counting half.
        positive, negative = np.sort(score[truth == 1]), score[truth == 0]
        below = np.searchsorted(positive, negative, side="left")
        upto = np.searchsorted(positive, negative, side="right")
        return float(1 - (below + upto).sum() / (2 * len(positive) * len(negative)))

    dice = np.random.default_rng(ac.job_index)
    resamples = dice.integers(0, len(scores), (ac.global_config.resamples, len(scores)))
    areas = [area_under_roc(malignant[each], scores[each]) for each in resamples]
    low, high = np.quantile(areas, [0.025, 0.975])
    area = area_under_roc(malignant, scores)
    print(f"area under the ROC curve {area:.3f} ({low:.3f} to {high:.3f})")

    ac.output.value("feature", feature)
    ac.output.value("area", area)
    ac.output.value("low", float(low))
    ac.output.value("high", float(high))
    with open(ac.output.file("scores.csv").as_local(), "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["biopsy", "malignant", "score"])
        rows = zip(malignant.tolist(), scores.round(6).tolist(), strict=True)
        table.writerows([biopsy, *row] for biopsy, row in enumerate(rows))


def rank_features(ac: AnalysisContext) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    scan = ac.dependency("feature_scan").get_outputs()
    rows = sorted((output.values() for output in scan), key=lambda row: -row["area"])
    ac.output.value("ranking", rows)

    best_first = rows[::-1]
    figure, axes = plt.subplots(figsize=(8, 8.5))
    for height, row in enumerate(best_first):
        axes.plot(
            [row["low"], row["high"]], [height, height], color="#9db8d2", linewidth=5, solid_capstyle="round"
        )
        axes.plot(row["area"], height, "o", color="#1f4e79")
    axes.axvline(0.5, color="grey", linewidth=1, linestyle=":")
    axes.set_yticks(range(len(rows)), [row["feature"] for row in best_first])
    axes.set_xlabel("area under the ROC curve, with its 95 % bootstrap interval (0.5 is chance)")
    axes.set_title(
        "Which single measurement tells malignant from benign?\n569 biopsies, 5-fold cross-validation"
    )
    axes.margins(y=0.02)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(ac.output.file("ranking.png").as_local(), dpi=120)


def main() -> int:
    scan = Analysis(
        function=feature_scan,
        input=list(range(FEATURES)),
        job_definition=JobDefinition(cpu=1, memory_mb=700),
        global_config=GlobalConfig(folds=5, resamples=1000),
        pip_packages=["scikit-learn>=1.5,<2"],
    )
    rank = Analysis(
        function=rank_features,
        job_definition=JobDefinition(cpu=1, memory_mb=700),
        pip_packages=["matplotlib>=3.9,<4"],
        depends_on=[scan],
    )
    begin = time.monotonic()
    say(f"Submitting {FEATURES} jobs, one a feature, and one that ranks them.")
    say("The first time their packages are installed (scikit-learn, matplotlib), which takes a minute.")
    rank.run()
    scan.wait_done()
    rank.wait_done()
    if rank.status()["status"] != "SUCCEEDED":
        say(f"{scan.failures()}\n{rank.failures()}")
        return 1
    show(rank.get_output().value("ranking"))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(rank.get_output().file("ranking.png").as_local(), PICTURE)
    say(f"\nDone in {time.monotonic() - begin:.0f} s. The plot: {PICTURE}")
    say("Its jobs stay to be looked at, from any process:")
    say(f"    {Path(sys.executable).with_name('explorer')} outputs {scan.id}")
    return 0


def show(ranking: list[dict]) -> None:
    """Print the ranking, a bar a feature."""
    from rich.console import Console
    from rich.table import Table

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


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
