"""The step ``report``: one static folder of HTML that works from disk, without network, on a phone and by keyboard."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.errors import StoreError
from merflow.evaluation.formulas import accuracy
from merflow.evaluation.predictions import Prepared, Result, name_of, read_result
from merflow.store import read_metadata, write_folder
from merflow.tables.figures import attention, confusion, fusion_weights, learning_curves, recalls, tokens_against
from merflow.tables.frame_sheet import DONE, PICTURE
from merflow.tables.render import TEMPLATES, Table, html, number, plain, words

SPLITS = ("train", "dev", "test")
FORMATS = ("md", "csv", "tex")


def write(tables: Path, results: Sequence[Path], prepared: Sequence[Path], sheets: Sequence[Path], out: Path) -> None:
    """Write the report: index.html, figures/ and tables/ for download.

    Args:
        tables: results/tables as written by merflow.tables.compare.
        results: folders results/<paper>/<system>/<corpus>-<protocol>.
        prepared: folders data/corpora/<corpus>.
        sheets: folders as written by merflow.tables.frame_sheet.
        out: folder to write.

    Raises:
        StoreError: tables or a sheet are absent, or `out` cannot be written.
        EvaluationError: predictions do not fit the corpus.
    """
    index = _read(tables / "index.json")
    sections, refused = index["sections"], {line.partition(":")[0] for line in index["missing"]}
    corpora = {folder.name: Prepared.read(folder) for folder in sorted(prepared)}
    sources = {folder.name: _metadata(folder).get("source", "unknown") for folder in prepared}
    found = [read_result(folder, corpora) for folder in sorted(results, key=_natural) if name_of(folder) not in refused]
    files: dict[str, str | bytes] = {}
    drawn = [_sheet(folder, files) for folder in sheets]
    for section in sections:
        for table in section["tables"]:
            stem = f"{section['paper']}/{table['name']}"
            table["html"] = (tables / f"{stem}.html").read_text(encoding="utf-8")
            for suffix in FORMATS:
                files[f"tables/{stem}.{suffix}"] = (tables / f"{stem}.{suffix}").read_text(encoding="utf-8")
        members = [one for one in found if (one.run["paper"], one.run["corpus"]) == (section["paper"], section["corpus"])]
        section["figures"] = [*_figures(members, files), *_compression(members, files)]
        ours = [(one.run["paper"], one.run["system"], one.run["corpus"]) for one in members]
        section["sheets"] = [one for one in drawn if (one["paper"], one["system"], one["corpus"]) in ours]
    corpus_tables = [_corpora(prepared, corpora), *filter(None, (_defects(folder) for folder in sorted(prepared)))]
    files["index.html"] = TEMPLATES.get_template("report.html.j2").render(
        sections=sections,
        demo=sorted({*(one["corpus"] for one in sections if one["demo"]), *(name for name, source in sources.items() if source == "demo")}),
        corpora=[html(table) for table in corpus_tables],
        cost=[html(table) for table in (_cost(found), _left_out(found)) if len(table.frame)],
        environment=_environment(found),
        totals={"systems": len({(r.run["paper"], r.run["system"]) for r in found}), "runs": sum(len(r.run["runs"]) for r in found)},
        formats=FORMATS,
    )
    write_folder(out, files)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); build it with `snakemake --cores 2 -- {path}`") from error


def _natural(path: Path) -> list[tuple[int, str]]:
    """text_bert_8 before text_bert_16."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", str(path))]


def _metadata(folder: Path) -> dict[str, Any]:
    return read_metadata(folder / "utterances.parquet", artifacts.UTTERANCES)


def _figures(members: Iterable[Result], files: dict[str, str | bytes]) -> Iterable[dict[str, str]]:
    """Draw the pictures of each result into `files`."""
    for result in members:
        run = result.run
        stem = f"figures/{run['paper']}/{run['system']}-{run['corpus']}-{run['protocol']}"
        title = f"{run['system']}, {plain(run['protocol'])}"
        counts = result.counts("test").sum(axis=(0, 1))
        kind, draw = ("recalls", recalls) if counts.ndim == 3 else ("confusion", confusion)  # several classes at once, or one
        svg, told = draw(counts, result.classes)
        files[f"{stem}-{kind}.svg"] = svg
        yield {"src": f"{stem}-{kind}.svg", "title": f"{title}: {kind} on test", "words": told, "kind": kind}
        if run.get("attention"):
            test = result.predictions[result.predictions["split"] == "test"]
            of_class = result.task.one_hot[test["true"]]
            present = of_class if of_class.ndim == 2 else of_class[..., 1]
            svg, told = attention(np.stack(test["attention"]), present, result.classes, tuple(run["attention"]))
            files[f"{stem}-attention.svg"] = svg
            yield {"src": f"{stem}-attention.svg", "title": f"{title}: attention on test", "words": told, "kind": "attention"}
        weighted = [one for one in run["runs"] if one.get("weights")]
        if weighted:
            svg, told = fusion_weights(weighted)
            files[f"{stem}-weights.svg"] = svg
            yield {"src": f"{stem}-weights.svg", "title": f"{title}: weights", "words": told, "kind": "weights"}
        histories = [one["history"] for one in run["runs"] if one["history"]]
        if histories:
            svg, told = learning_curves(histories)
            files[f"{stem}-curves.svg"] = svg
            yield {"src": f"{stem}-curves.svg", "title": f"{title}: learning curves", "words": told, "kind": "curves"}


def _compression(members: Sequence[Result], files: dict[str, str | bytes]) -> Iterable[dict[str, str]]:
    """Tokens against accuracy, of systems that leave tokens of a picture out."""
    systems = []
    for result in members:
        counted = [sum(one["tokens"]) for one in result.run["runs"] if "tokens" in one]
        if counted:
            right = float(accuracy(result.counts("test").sum(axis=(0, 1))))
            systems.append(_about(result) | {"tokens": sum(counted) / len(counted), "score": right})
    if systems:
        stem = f"figures/{members[0].run['paper']}/{members[0].run['corpus']}-tokens.svg"
        files[stem], told = tokens_against(systems, "accuracy")
        yield {"src": stem, "title": "Tokens kept and accuracy", "words": told, "kind": "tokens"}


def _sheet(folder: Path, files: dict[str, str | bytes]) -> dict[str, Any]:
    """What a frame sheet says; its picture goes into `files`."""
    sheet: dict[str, Any] = _read(folder / DONE)
    sheet["src"] = f"figures/{sheet['paper']}/{sheet['system']}-{sheet['corpus']}-frames.jpg"
    files[sheet["src"]] = (folder / PICTURE).read_bytes()
    return sheet


def _corpora(prepared: Sequence[Path], corpora: dict[str, Prepared]) -> Table:
    rows = []
    for folder in sorted(prepared):
        corpus = corpora[folder.name]
        metadata = _metadata(folder)
        modalities = ", ".join(f"{name} {count}" for name, count in metadata.get("modalities", {}).items())
        about = {"corpus": corpus.name, "source": metadata.get("source", "unknown"), "utterances": len(corpus.utterances)}
        about |= {"dialogues": corpus.utterances["dialogue_id"].nunique(), "modalities": modalities}
        for scheme, members in corpus.splits.groupby("scheme"):
            sizes = members.groupby(["split", "fold"]).size()
            spans = {split: f"{sizes[split].min()}–{sizes[split].max()}" if split in sizes else "" for split in SPLITS}
            spans = {split: span.split("–")[0] if len(set(span.split("–"))) == 1 else span for split, span in spans.items()}
            rows.append(about | {"scheme": scheme, "folds": members["fold"].nunique()} | spans)
    columns = [words("corpus", "corpus"), words("source", "source"), number("utterances", "utterances"), number("dialogues", "dialogues")]
    columns += [words("scheme", "scheme"), number("folds", "folds"), *(number(split, split) for split in SPLITS)]
    columns.append(words("modalities", "modalities"))
    caption = "Utterances, and who is train, dev and test under each split scheme (smallest–largest fold)."
    return Table("corpora-table", "Corpora.", caption, pd.DataFrame(rows), tuple(columns))


def _defects(folder: Path) -> Table | None:
    defects = pd.read_csv(folder / "defects.csv", dtype=str, keep_default_na=False)
    if defects.empty:
        return None
    frame = defects.groupby(["kind", "action"], sort=True).agg(count=("kind", "size"), example=("detail", "first")).reset_index()
    columns = (words("kind", "kind"), number("count", "count"), words("what was done", "action"), words("example", "example"))
    return Table(f"defects-{folder.name}", f"Defects of {folder.name}.", "What is wrong in the corpus, by kind.", frame, columns)


def _about(result: Result) -> dict[str, Any]:
    return {key: result.run[key] for key in ("system", "corpus", "protocol")}


ABOUT = (words("system", "system"), words("corpus", "corpus"), words("protocol", "protocol", plain))


def _cost(found: Sequence[Result]) -> Table:
    rows = []
    for result in found:
        runs = result.run["runs"]
        row = _about(result) | {"runs": len(runs), "minutes": sum(one["wall_s"] for one in runs) / 60}
        row |= {
            "device": ", ".join(sorted({one["device"] for one in runs})),
            "inputs": ", ".join(dict.fromkeys(result.run["inputs"].values())),
        }
        rows.append(row)
    columns = [*ABOUT, number("runs", "runs"), number("minutes", "minutes", "{:.1f}".format)]
    columns += [words("device", "device"), words("inputs", "inputs")]
    caption = f"Wall time of training and prediction: {sum(row['minutes'] for row in rows):.1f} minutes in all."
    return Table("cost", "Cost.", caption, pd.DataFrame(rows), tuple(columns))


def _left_out(found: Sequence[Result]) -> Table:
    """Utterances in scope that a system could not take, or not whole."""
    rows = []
    for result in found:
        about = _about(result)
        lacking = {name: ids for name, ids in result.run["left_out"].items() if ids}
        rows += [about | {"input": name, "what": "absent", "utterances": len(ids), "first": min(ids)} for name, ids in lacking.items()]
        cut = {name: count for name, count in result.run.get("cut", {}).items() if count}
        rows += [about | {"input": name, "what": "cut", "utterances": count, "first": ""} for name, count in cut.items()]
    columns = [*ABOUT, words("input", "input"), words("what", "what"), number("utterances", "utterances"), words("first", "first")]
    caption = (
        "Utterances in scope whose input is absent: no prediction, no score, though the trivial baselines are scored on them too; or is"
        " longer than the longest that the system takes, and was cut."
    )
    return Table("not-scored", "Not scored, or cut.", caption, pd.DataFrame(rows), tuple(columns))


def _environment(found: Sequence[Result]) -> list[tuple[str, str]]:
    """Library versions that the runs name; several where runs differ."""
    pairs = {(name, version) for result in found for name, version in result.run.get("versions", {}).items()}
    return [(name, ", ".join(sorted(version for key, version in pairs if key == name))) for name in sorted({name for name, _ in pairs})]
