"""Where the figures of a paper come from: per system, corpus and protocol what run.json says of code, parameters, machine and runs."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from merflow.evaluation.predictions import Result
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
                for corpus, here in groupby(members, key=lambda one: one.run["corpus"])
            ],
        }
        for system, members in groupby(results, key=lambda one: one.run["system"])
    ]


def _told(result: Result) -> dict[str, Any]:
    run = result.run
    runs = run["runs"]
    where = f"{run['paper']}/{run['system']}/{run['corpus']}-{run['protocol']}"
    facts = {
        "files": f"results/{where}/",
        "source of the corpus": run["source"],
        "code digest": run.get("code", "not recorded"),
        "split scheme": run["scheme"],
        "epoch selected on": run.get("select", "not recorded"),
        "classes": ", ".join(dict.fromkeys(run["classes"].values())),
        "seeds": ", ".join(str(seed) for seed in sorted({one["seed"] for one in runs})),
        "device": ", ".join(sorted({one["device"] for one in runs})),
        "wall time": f"{sum(one['wall_s'] for one in runs):.1f} s, all runs together",
    }
    facts |= {f"input {name}": told for name, told in run["inputs"].items()}
    facts |= {
        f"left out for want of {name}": f"{len(ids)} utterances"
        for name, ids in run["left_out"].items()
        if ids
    }
    anchor = runs_anchor(run["system"], run["corpus"], run["protocol"])
    return {
        "anchor": anchor,
        "protocol": plain(run["protocol"]),
        "demo": run["source"] == "demo",
        "facts": facts,
        "settings": dict(_flat(run["settings"])) or {"none": "nothing is trained or set"},
        "versions": run.get("versions", {}),
        "table": html(_runs(f"runs-{anchor}", runs)),
    }


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Keys of params.yaml below the system's, with dots, and their values."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        elif not isinstance(value, Mapping):
            yield f"{above}{key}", "none" if value is None else str(value)


def _runs(name: str, runs: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        {
            "fold": one["fold"],
            "seed": one["seed"],
            "epoch": ""
            if one["selected_epoch"] is None
            else "/".join(map(str, np.atleast_1d(one["selected_epoch"]))),
            "epochs": len(one.get("history") or ()) or "",
            "wall_s": one["wall_s"],
            "device": one["device"],
            "precision": one.get("precision", ""),
        }
        for one in runs
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
