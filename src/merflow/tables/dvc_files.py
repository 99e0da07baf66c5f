"""What ``dvc metrics`` and ``dvc plots`` show of the scores, unrounded: dvc.yaml names the files.

metrics.json          paper -> corpus -> protocol -> system -> its score on test in the main measure of the corpus
plots/<corpus>.csv    the systems of all papers under `clean`, one row each
plots/protocols.csv   systems that ran under both protocols
"""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from merflow.corpora.labels import CLASSES
from merflow.tables.comparison import PROTOCOLS, Comparison


def files(views: Sequence[Comparison]) -> dict[str, str]:
    """Name -> content of each; all exist, with or without rows.

    Args:
        views: of all papers on all corpora.
    """
    metrics: dict[str, Any] = {}
    for view in views:
        for protocol in view.protocols:
            found = {
                system: view.figures(system, protocol, view.main)[""] for system in view.systems
            }
            scores = {
                system: {view.main: value} for system, value in found.items() if value == value
            }  # without NaN: not under this one
            metrics.setdefault(view.paper, {}).setdefault(view.corpus, {})[protocol] = scores
    rows = [
        {
            "corpus": corpus,
            "protocol": protocol,
            "system": f"{paper}/{system}",
            "metric": metric,
            "score": score,
        }
        for paper, corpora in metrics.items()
        for corpus, protocols in corpora.items()
        for protocol, systems in protocols.items()
        for system, measured in systems.items()
        for metric, score in measured.items()
    ]
    frame = pd.DataFrame(rows, columns=["corpus", "protocol", "system", "metric", "score"])
    clean = frame[frame["protocol"] == "clean"].sort_values("score", ascending=False, kind="stable")
    key = ["corpus", "system", "metric"]
    both = (
        frame.pivot(index=key, columns="protocol", values="score")
        .reindex(columns=list(PROTOCOLS))
        .dropna()
        .reset_index()
    )
    plots = {
        corpus: clean.loc[clean["corpus"] == corpus, ["system", "metric", "score"]]
        for corpus in CLASSES
    } | {"protocols": both}
    written = {
        f"plots/{name}.csv": rows.to_csv(index=False, lineterminator="\n")
        for name, rows in plots.items()
    }
    return {"metrics.json": json.dumps(metrics, indent=1, allow_nan=False) + "\n", **written}
