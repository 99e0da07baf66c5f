"""Where the figures of a paper come from: per system, corpus and protocol what run.json says of code, parameters, machine and runs."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import pandas as pd

from merflow.evaluation.predictions import Result
from merflow.records import Run
from merflow.tables.render import Table, html, number, plain, runs_anchor, words


def provenance(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Per system ``system``, ``anchor`` and ``corpora``; of each ``corpus``, ``anchor`` and ``results``; of each the facts.

    Args:
        results: of one paper, those of a system side by side.
    """
    return [
        {
            "system": system,
            "anchor": runs_anchor(system),
            "corpora": [
                {
                    "corpus": corpus,
                    "anchor": runs_anchor(system, corpus),
                    "results": [_told(one) for one in here],
                }
                for corpus, here in groupby(members, key=lambda one: one.record.corpus)
            ],
        }
        for system, members in groupby(results, key=lambda one: one.record.system)
    ]


def _told(result: Result) -> dict[str, Any]:
    record = result.record
    runs = record.runs
    facts = {
        "files": f"{record.name}/",
        "source of the corpus": record.source,
        "code digest": record.code,
        "split scheme": record.scheme,
        "epoch selected on": record.select,
        "classes": ", ".join(dict.fromkeys(record.class_of.values())),
        "seeds": ", ".join(str(seed) for seed in sorted({run.seed for run in runs})),
        "device": ", ".join(sorted({run.device for run in runs})),
        "wall time": f"{sum(run.wall_s for run in runs):.1f} s, all runs together",
    }
    facts |= {f"input {name}": told for name, told in record.input_labels.items()}
    facts |= {
        f"left out for want of {name}": f"{len(ids)} utterances"
        for name, ids in record.left_out.items()
        if ids
    }
    anchor = runs_anchor(record.system, record.corpus, record.protocol)
    return {
        "anchor": anchor,
        "protocol": plain(record.protocol),
        "demo": record.source == "demo",
        "facts": facts,
        "settings": dict(_flat(record.params)) or {"none": "nothing is trained or set"},
        "versions": record.versions,
        "table": html(_runs(f"runs-{anchor}", runs)),
    }


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Keys of params.yaml below the system's, with dots, and their values."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        elif not isinstance(value, Mapping):
            yield f"{above}{key}", "none" if value is None else str(value)


def _runs(name: str, runs: Sequence[Run]) -> Table:
    rows = [
        {
            "fold": run.fold,
            "seed": run.seed,
            "epoch": "/".join(map(str, run.selected_epochs)),
            "epochs": len(run.history) or "",
            "wall_s": run.wall_s,
            "device": run.device,
            "precision": run.precision,
        }
        for run in runs
    ]
    columns = [
        number("fold", "fold"),
        number("seed", "seed"),
        number("epoch scored", "epoch"),
        number("epochs trained", "epochs"),
    ]
    columns += [
        number("wall time, s", "wall_s", "{:.1f}".format),
        words("device", "device"),
        words("precision", "precision"),
    ]
    return Table(
        name,
        f"{len(rows)} run{'s' if len(rows) > 1 else ''}.",
        "",
        pd.DataFrame(rows),
        tuple(columns),
    )
