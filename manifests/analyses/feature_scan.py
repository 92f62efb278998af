"""How well does one measurement of a biopsy alone tell breast cancer? One job a measurement.

scikit-learn ships 569 real biopsies of the Wisconsin breast cancer data set, each with 30 features of its
cell nuclei. A job cross-validates a classifier on one of them, and puts a bootstrap interval around its
area under the ROC curve.
"""

from gencove_explorer.analysis import AnalysisContext


def work(ac: AnalysisContext) -> None:
    import csv

    import numpy as np
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_breast_cancer()
    feature = str(data.feature_names[ac.input["column"]])
    malignant = (data.target == 0).astype(int)
    values = data.data[:, [ac.input["column"]]]
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
