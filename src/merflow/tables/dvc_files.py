"""Files that ``dvc metrics`` and ``dvc plots`` show, unrounded; dvc.yaml names them.

metrics.json          paper -> corpus -> protocol -> system -> its main metric on test
plots/<corpus>.csv    systems of all papers under `clean`, a row each
plots/protocols.csv   systems that ran under both protocols
"""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from merflow.corpora.labels import CLASSES
from merflow.tables.comparison import Comparison
from merflow.tables.measured import PROTOCOLS

COLUMNS = ["corpus", "protocol", "system", "metric", "score"]


def files(comparisons: Sequence[Comparison]) -> dict[str, str]:
    """Content of each file by name; all exist, with or without rows.

    Args:
        comparisons: of all papers on all corpora.
    """
    metrics: dict[str, Any] = {}
    rows = []
    for comparison in comparisons:
        paper, corpus, metric = comparison.paper, comparison.corpus, comparison.main_metric
        for protocol in comparison.measured.protocols:
            scores: dict[str, Any] = {}
            for system in comparison.measured.systems:
                if mean := comparison.measured.mean(system, protocol, metric):
                    scores[system] = {metric: mean.value}
                    rows.append([corpus, protocol, f"{paper}/{system}", metric, mean.value])
            metrics.setdefault(paper, {}).setdefault(corpus, {})[protocol] = scores
    frame = pd.DataFrame(rows, columns=COLUMNS)
    text = json.dumps(metrics, indent=1, allow_nan=False) + "\n"
    return {"metrics.json": text, **_plots(frame)}


def _plots(frame: pd.DataFrame) -> dict[str, str]:
    clean = frame[frame["protocol"] == "clean"].sort_values("score", ascending=False, kind="stable")
    key = ["corpus", "system", "metric"]
    by_protocol = frame.pivot(index=key, columns="protocol", values="score")
    both = by_protocol.reindex(columns=list(PROTOCOLS)).dropna().reset_index()
    plots = {
        corpus: clean.loc[clean["corpus"] == corpus, ["system", "metric", "score"]]
        for corpus in CLASSES
    }
    return {
        f"plots/{name}.csv": table.to_csv(index=False, lineterminator="\n")
        for name, table in (plots | {"protocols": both}).items()
    }
