"""What was measured of a paper on one corpus: all systems side by side, every seed, every class, every pair."""

from collections.abc import Collection, Iterator
from typing import Any

import pandas as pd

from merflow.corpora.labels import CLASSES
from merflow.evaluation.baselines import BASELINES
from merflow.evaluation.metrics import BINARY_METRICS, VERSUS
from merflow.tables.columns import (
    closing_columns,
    limits_column,
    note_column,
    ours_column,
    printed_cell,
    printed_column,
)
from merflow.tables.comparison import HEADERS, NAN, NEGATIVE, Comparison, Tested, flipped, formulas
from merflow.tables.render import (
    Column,
    Table,
    interval,
    number,
    p_value,
    percent,
    plain,
    points,
    spread,
    words,
)
from merflow.tables.reported import MISSING, Row, grouped

#: What McNemar's test adds to a row of differences.
MCNEMAR = ("accuracy", "mcnemar_smallest", "mcnemar_largest", "mcnemar_seeds", "mcnemar", "alone")
MCNEMAR_TOLD = (
    "McNemar's exact test compares two runs with one seed: p, two-sided, and how many utterances the first alone and the second alone"
    " got right (first : second). Of several seeds those with the smallest and with the largest p are shown; their mean would be no p. It"
    " takes utterances for independent draws, but those of a dialogue are alike, so it may find too much: the verdict is by the bootstrap."
)


def tables(view: Comparison, claimed: Collection[frozenset[str]] = ()) -> Iterator[Table]:
    """All of them, the most important first; `claimed`: pairs of systems that a claim of the paper compares."""
    yield test(view)
    yield dev(view)
    yield classes(view)
    yield seeds(view)
    yield paired(view, claimed)


def headlines(view: Comparison) -> Iterator[str]:
    """One sentence per protocol for each system that the paper sets beside cited ones; if none of them ran, for each that did."""
    frame = _rows(view, "test", view.metrics)
    if frame.empty:
        return
    with_cited = set(frame.loc[frame["kind"] == "cited", "table"])
    baseline = frame[frame["system"] == "majority"]
    ran = frame[frame["kind"] == "system"]
    chosen = ran[ran["table"].isin(with_cited)]
    for row in (chosen if len(chosen) else ran.drop_duplicates("system")).to_dict("records"):
        for protocol in view.protocols:
            main = f"{protocol}_{view.main}"
            if pd.isna(row[main]):
                continue
            start = (
                f" from {row['inputs']}" if row["inputs"] else ""
            )  # it need not be what the paper takes
            ours, limits = (
                spread(row[main], row[f"{main}_std"]),
                interval(row[f"{main}_low"], row[f"{main}_high"]),
            )
            count = (
                f"{row[f'{protocol}_seeds']:.0f} seed{'s' if row[f'{protocol}_seeds'] > 1 else ''}"
            )
            text = f"{row['system']}{start}, {plain(protocol)}: {HEADERS[view.main]} {ours} {limits}, {count}"
            text += f"; majority class {percent(baseline[main].iloc[0])}."
            yield text + _beside(view, row, protocol)


def _beside(view: Comparison, row: Row, protocol: str) -> str:
    if view.extra:
        return f" The paper has no figure on {view.corpus}."
    if row[f"printed_{view.main}_as"] == MISSING:
        return " The printed figure is not in our source of the paper."
    if pd.isna(row[f"printed_{view.main}"]):
        return (
            f" The paper prints no {HEADERS[view.main]} of it."
            if row["printed"]
            else " The paper prints no such system."
        )
    printed = f" The paper prints {percent(row[f'printed_{view.main}'], row[f'printed_{view.main}_decimals'])}"
    if view.demo:
        return f"{printed} (on the real corpus: no comparison)."
    if not view.comparable:
        return f"{printed} ({view.unlike}: no comparison)."
    return f"{printed}, a difference of {points(row[f'{protocol}_difference'])}."


def test(view: Comparison) -> Table:
    """Test results in the paper's order, cited systems and trivial baselines included."""
    frame = _rows(view, "test", view.metrics)
    prints = {row["metric"] for row in view.printed}
    columns = [words("row", "label"), *([] if view.extra else [number("table", "table")])]
    columns += [
        printed_column(HEADERS[metric], metric, "printed")
        for metric in view.metrics
        if metric in prints
    ]
    for protocol in view.protocols:
        group = f"{plain(protocol)}{', demo corpus' if view.demo else ''}"
        columns += [
            ours_column(HEADERS[metric], f"{protocol}_{metric}", group) for metric in view.metrics
        ]
        columns += _beside_columns(view, protocol, group)
    column, remarks = note_column(frame)
    main = HEADERS[view.main]
    notes = [
        f"Ours: mean ± standard deviation over seeds; [ ]: bootstrap interval of the mean {main} over dialogues."
    ]
    notes += [
        "n: utterances scored, the same for every seed.",
        "Majority and chance see the classes of the train split only.",
    ]
    notes += [formulas(view.metrics, view.multi_label), *([NEGATIVE] if view.multi_label else [])]
    if not view.extra:
        notes += [
            "Printed rows stand in the paper's order.",
            f"Difference: our {main} minus the printed one, in points.",
        ]
    caption = f"In percent{_averaged(view)}: {'' if view.extra else 'printed, and '}ours under each protocol."
    return view.table(
        "test",
        "Test results",
        caption,
        frame,
        [*columns, *closing_columns(), column],
        [*notes, *remarks],
    )


def _beside_columns(view: Comparison, protocol: str, group: str) -> list[Column]:
    limits = limits_column(view, f"{protocol}_{view.main}", group)
    difference = (
        [] if view.extra else [number("difference", f"{protocol}_difference", points, group)]
    )
    return [
        limits,
        *difference,
        number(
            "seeds", f"{protocol}_seeds", lambda count: f"{count:.0f}" if count > 0 else "", group
        ),
    ]


def dev(view: Comparison) -> Table:
    """Dev results of every setting (a paper's "training and validation results")."""
    prints = {row["metric"] for row in view.printed if row["split"] == "dev"}
    metrics = [metric for metric in HEADERS if metric in {*view.metrics, *prints}]
    columns = [words("row", "label"), *([] if view.extra else [number("table", "table")])]
    for metric in metrics:
        columns += [printed_column("printed", metric, HEADERS[metric])] if metric in prints else []
        columns += [
            ours_column(plain(protocol), f"{protocol}_{metric}", HEADERS[metric])
            for protocol in view.protocols
        ]
    frame, caption = (
        _rows(view, "dev", metrics),
        f"In percent{_averaged(view)}. Ours: mean ± standard deviation over seeds.",
    )
    return view.table(
        "dev", "Dev results", caption, frame, [*columns, words("source", "source")], folded=True
    )


def classes(view: Comparison) -> Table:
    """F1 of every class on test; each measure, where several classes may be present at once."""
    metrics = list(BINARY_METRICS) if view.multi_label else ["f1"]
    shown = (
        (view.means["split"] == "test")
        & view.means["metric"].isin(metrics)
        & view.means["class"].notna()
    )
    rows = view.means[shown].assign(
        key=lambda rows: rows["metric"] + "_" + rows["class"] if view.multi_label else rows["class"]
    )
    wide = rows.pivot(index=["system", "protocol"], columns="key", values="value").reindex(
        columns=list(dict.fromkeys(rows["key"]))
    )
    heads = rows.drop_duplicates("key")[["key", "metric", "class"]].itertuples(
        index=False, name=None
    )
    groups = [
        number(name, key, percent, HEADERS[metric] if view.multi_label else "")
        for key, metric, name in heads
    ]
    caption = "Test part, in percent, mean over seeds."
    if view.multi_label:
        caption += " Each class is a question of its own: is it present or absent?"
    title, columns = (
        "Each class" if view.multi_label else "F1 of each class",
        [*_names("system"), *groups, words("source", "source")],
    )
    return view.table(
        "classes", title, caption, _per_protocol(view, wide.reset_index()), columns, folded=True
    )


def seeds(view: Comparison) -> Table:
    """Every run: nothing hides behind a mean."""
    test_runs = view.runs[
        view.runs["fold"].isna() & (view.runs["split"] == "test") & view.runs["class"].isna()
    ]
    frame = test_runs.pivot(
        index=["system", "protocol", "seed"], columns="metric", values="value"
    ).reset_index()
    epochs = view.runs[view.runs["metric"] == "selected_epoch"].sort_values("fold", kind="stable")
    run = ["system", "protocol", "seed"]
    of_fold = epochs.groupby([*run, "fold"])["value"].agg(
        lambda values: "/".join(f"{value:.0f}" for value in values)
    )
    shown = of_fold.groupby(run).agg(", ".join).astype(object).rename("selected_epoch")
    frame = frame.merge(shown, on=run, how="left").fillna({"selected_epoch": ""})
    metrics = dict.fromkeys([*view.metrics, *(() if view.multi_label else ("macro_f1", "uar"))])
    columns = [
        *_names("system"),
        number("seed", "seed"),
        *(number(HEADERS[metric], metric, percent) for metric in metrics),
    ]
    columns += [number("epoch scored", "selected_epoch"), words("source", "source")]
    each = (
        f", and where each class has a network of its own per class: {'/'.join(CLASSES[view.corpus])}"
        if view.multi_label
        else ""
    )
    caption = f"Test part, in percent{_averaged(view)}. Epoch scored: one number per fold{each}; counted from 1; fusions have none."
    return view.table(
        "seeds", "Every seed", caption, _per_protocol(view, frame), columns, folded=True
    )


def paired(view: Comparison, claimed: Collection[frozenset[str]] = ()) -> Table:
    """Differences between systems on the same utterances, and whether they are significant: by two tests, where there is one class each.

    Of many pairs those are shown that the paper sets side by side or compares in a claim, and variants beside what they are variants of.
    """
    shown = (view.differences["metric"] == view.main) & view.differences["class"].isna()
    rows = view.differences.loc[shown, ["system", "protocol", "value", "low", "high", "p", "n"]]
    oriented = [_oriented(view, row) for row in rows.to_dict("records")]
    frame = _per_protocol(
        view,
        pd.DataFrame(
            [row | _by_mcnemar(view, row) for row in oriented], columns=[*rows.columns, *MCNEMAR]
        ),
    )
    frame["verdict"] = [_verdict(row) for row in frame.to_dict("records")]
    meant = [_meant(view, system, claimed) for system in frame["system"]]
    frame["shown"] = pd.Series(meant, dtype=bool) | (not any(meant))
    main = HEADERS[view.main]
    columns = [*_names("first - second"), number("difference", "value", points, main)]
    columns.append(
        Column(view.interval, lambda row: interval(row["low"], row["high"], points), main)
    )
    columns += [number("p", "p", p_value, main), words("verdict", "verdict", group=main)]
    notes = [
        "Paired bootstrap over dialogues of the mean over seeds, on the utterances that both predicted; p: two-sided."
    ]
    if not frame["shown"].all():
        notes.append(
            f"{frame['shown'].sum()} of {len(frame)} pairs: those that a table of the paper sets side by side or a claim compares, and a"
            " system beside its variant. The CSV has all."
        )
    notes += [
        "A verdict needs an interval that leaves out 0.",
        "Nothing here is corrected for the number of pairs.",
    ]
    if not view.multi_label:
        columns += [number("difference", "accuracy", points, "accuracy")]
        columns += [
            number(header, key, group="accuracy")
            for header, key in (("McNemar's p", "mcnemar"), ("right alone", "alone"))
        ]
        notes.insert(-1, MCNEMAR_TOLD)
    columns += [number("n", "n"), words("source", "source")]
    title, caption = (
        "Differences between systems",
        f"{main} on test{_averaged(view)}, in points, and whether they are significant.",
    )
    return view.table("differences", title, caption, frame, columns, notes, folded=True)


def _meant(view: Comparison, pair: str, claimed: Collection[frozenset[str]]) -> bool:
    """Whether the paper compares the two, or one is a variant of the other."""
    first, second = pair.split(VERSUS)
    tables = [
        {row["table"] for row in view.printed if row["system"] == system}
        for system in (first, second)
    ]
    variants = view.variant_of(second) == first or view.variant_of(first) == second
    return bool(tables[0] & tables[1]) or variants or frozenset((first, second)) in claimed


def _by_mcnemar(view: Comparison, row: dict) -> dict[str, Any]:
    """Difference of accuracy over all seeds, and McNemar's test of single ones: its smallest and its largest p, and their counts."""
    first, second = row["system"].split(VERSUS)
    tests = view.mcnemar(first, second, row["protocol"])
    found = view.difference(first, second, row["protocol"], "accuracy") if tests else None
    ends = list(dict.fromkeys([tests[0], tests[-1]])) if tests else []
    cells = {
        "mcnemar": " to ".join(dict.fromkeys(p_value(one.p) for one in ends)),
        "alone": " to ".join(map(_alone, ends)),
    }
    limits = {"mcnemar_smallest": tests[0].p, "mcnemar_largest": tests[-1].p} if tests else {}
    return {
        "accuracy": found["value"] if found else NAN,
        **limits,
        "mcnemar_seeds": len(tests),
        **cells,
    }


def _alone(tested: Tested) -> str:
    return f"{tested.first_alone} : {tested.second_alone}"


def _rows(view: Comparison, split: str, metrics: list[str]) -> pd.DataFrame:
    """One row per printed (table, system), then our systems that no table prints, then baselines."""
    printed = [
        row
        for row in view.printed
        if row["split"] == split and row["metric"] in metrics and not row["class"]
    ]
    rows = [
        _row(view, split, metrics, system, lines)
        for (_, system), lines in grouped(printed, "table", "system").items()
    ]
    rows += [_row(view, split, metrics, system, []) for system in view.unprinted(split, printed)]
    return pd.DataFrame(rows)


def _row(
    view: Comparison, split: str, metrics: list[str], system: str, lines: list[Row]
) -> dict[str, Any]:
    about = view.about(system, lines, split, view.protocols)
    row: dict[str, Any] = {
        "label": about.pop("label"),
        "table": lines[0]["table"] if lines else "",
        **about,
    }
    note = row.pop("note")
    for metric in metrics:
        row |= printed_cell(
            metric, next((line for line in lines if line["metric"] == metric), None)
        )
    for protocol in view.protocols:
        for metric in metrics:
            row |= {
                f"{protocol}_{metric}{ending}": value
                for ending, value in view.figures(system, protocol, metric, split=split).items()
            }
        row[f"{protocol}_seeds"] = view.n_seeds(system, protocol, split)
        if view.main in metrics:
            difference = row[f"{protocol}_{view.main}"] - row[f"printed_{view.main}"]
            row[f"{protocol}_difference"] = difference if view.comparable else NAN
    return row | {"note": note}


def _averaged(view: Comparison) -> str:
    return ", mean over the classes" if view.multi_label else ""


def _oriented(view: Comparison, row: dict) -> dict:
    """A difference with the system that the paper names later first: later ones are meant to be better."""
    first, second = row["system"].split(VERSUS)
    one, other = view.rank(row["system"])
    if one > other:
        return row
    return flipped(row) | {"system": f"{second}{VERSUS}{first}"}


def _per_protocol(view: Comparison, frame: pd.DataFrame) -> pd.DataFrame:
    """Systems in the paper's order, protocols in theirs; adds the source and the kind of each row."""
    frame = frame.assign(
        source=view.source,
        kind=["baseline" if name in BASELINES else "system" for name in frame["system"]],
    )
    places = list(
        zip(
            map(view.rank, frame["system"]),
            map(view.protocols.index, frame["protocol"]),
            strict=True,
        )
    )
    return frame.iloc[sorted(range(len(frame)), key=places.__getitem__)].reset_index(drop=True)


def _names(first: str) -> list[Column]:
    return [words(first, "system"), words("protocol", "protocol", plain)]


def _verdict(row: Row) -> str:
    first, second = row["system"].split(VERSUS)
    if row["low"] > 0:
        return f"{first} is better"
    return f"{second} is better" if row["high"] < 0 else "inconclusive"
