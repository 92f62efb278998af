"""The ranking of all measurements, and its plot."""

from gencove_explorer.analysis import AnalysisContext


def work(ac: AnalysisContext) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    scan = ac.dependency("feature-scan").get_outputs()
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
