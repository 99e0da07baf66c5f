"""Page about a paper's runs: parameters, code, machine, time and epochs behind each result.

Rows of tables and figures link to it. It shows what run.json beside the predictions records.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import pandas as pd

from merflow.evaluation.predictions import Result
from merflow.records import Record, Run
from merflow.tables.html import fragment
from merflow.tables.render import Table, number, plain, words
from merflow.tables.rendered import SystemRuns


class Provenance(NamedTuple):
    """Provenance of one result, with a table of its runs as HTML."""

    anchor: str
    protocol: str
    demo: bool
    facts: dict[str, str]
    params: dict[str, str]
    versions: dict[str, str]
    table: str


class OnCorpus(NamedTuple):
    """Results of a system on one corpus, one per protocol."""

    corpus: str
    anchor: str
    results: list[Provenance]


class SystemSection(NamedTuple):
    """Section of the page: a system, by corpus."""

    system: str
    anchor: str
    corpora: list[OnCorpus]


def runs_page(paper: str) -> str:
    """File name of the page about a paper's runs."""
    return f"{paper}-runs.html"


def anchor_of(system: str, corpus: str = "", protocol: str = "") -> str:
    """Id on that page of a system, or of one of its results."""
    return "-".join(filter(None, (system, corpus, protocol)))


def runs_address(runs: SystemRuns) -> str:
    """Address of runs in the report."""
    return f"{runs_page(runs.paper)}#{anchor_of(runs.system, runs.corpus, runs.protocol)}"


def addresses(results: Sequence[Result]) -> set[str]:
    """Addresses that the pages about these results have."""
    return {
        runs_address(SystemRuns(paper=record.paper, system=record.system, **place))
        for record in (result.record for result in results)
        for place in (
            {},
            {"corpus": record.corpus},
            {"corpus": record.corpus, "protocol": record.protocol},
        )
    }


def provenance(results: Sequence[Result]) -> list[SystemSection]:
    """Sections of the page about a paper's results, sorted by system."""
    return [
        SystemSection(system, anchor_of(system), list(_by_corpus(system, group)))
        for system, group in groupby(results, key=lambda result: result.record.system)
    ]


def _by_corpus(system: str, results: Iterator[Result]) -> Iterator[OnCorpus]:
    for corpus, group in groupby(results, key=lambda result: result.record.corpus):
        rows = [_provenance(result.record) for result in group]
        yield OnCorpus(corpus, anchor_of(system, corpus), rows)


def _provenance(record: Record) -> Provenance:
    anchor = anchor_of(record.system, record.corpus, record.protocol)
    return Provenance(
        anchor=anchor,
        protocol=plain(record.protocol),
        demo=record.source == "demo",
        facts=_facts(record),
        params=dict(_flat(record.params)) or {"none": "nothing is trained or set"},
        versions=record.versions,
        table=fragment(_runs(f"runs-{anchor}", record.runs).rendered),
    )


def _facts(record: Record) -> dict[str, str]:
    runs = record.runs
    facts = {
        "files": f"{record.name}/",
        "source of the corpus": record.source,
        "code digest": record.code,
        "split scheme": record.scheme,
        "classes": ", ".join(dict.fromkeys(record.class_of.values())),
        "seeds": ", ".join(str(seed) for seed in sorted({run.seed for run in runs})),
        "device": ", ".join(sorted({run.device for run in runs})),
        "wall time": f"{sum(run.wall_s for run in runs):.1f} s, all runs together",
    }
    if any(run.selected_epochs for run in runs):
        facts["epoch selected on"] = record.select
    if chosen_on := runs[0].strengths_chosen_on:
        inside = "cross-validation over the dialogues of train"
        facts["strength chosen on"] = inside if chosen_on == "train" else chosen_on
    facts |= {f"input {name}": label for name, label in record.input_labels.items()}
    return facts | {
        f"left out, without {name}": f"{len(ids)} utterances"
        for name, ids in record.left_out.items()
        if ids
    }


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Keys of nested parameters, joined by dots, and their values."""
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", "none" if value is None else str(value)


def _runs(name: str, runs: Sequence[Run]) -> Table:
    rows = [
        {
            "fold": run.fold,
            "seed": run.seed,
            "epoch": "/".join(map(str, run.selected_epochs)),
            "epochs": len(run.history) or "",
            "strength": "/".join(f"{strength:g}" for strength in run.strengths),
            "wall_s": run.wall_s,
            "device": run.device,
            "precision": run.precision,
        }
        for run in runs
    ]
    columns = (
        number("fold", "fold"),
        number("seed", "seed"),
        number("epoch scored", "epoch"),
        number("epochs trained", "epochs"),
        *([number("strength chosen", "strength")] if any(run.strengths for run in runs) else []),
        number("wall time, s", "wall_s", "{:.1f}".format),
        words("device", "device"),
        words("precision", "precision"),
    )
    title = f"{len(rows)} run{'s' if len(rows) > 1 else ''}."
    return Table(name, title, "", pd.DataFrame(rows), columns)
