"""Changes to results on disk: what training could have written, and what it must not."""

import json

from merflow import artifacts
from merflow.store import read_metadata, read_table, write_table


def predictions(folder, change, **metadata):
    path = folder / "predictions.parquet"
    rows, meta = read_table(path, artifacts.PREDICTIONS), read_metadata(path, artifacts.PREDICTIONS)
    write_table(path, change(rows), artifacts.PREDICTIONS, meta | metadata)


def run(folder, change):
    path = folder / "run.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def leave_out(folder, ids, name="tokens"):
    """The system lacks an input of `ids`: no predictions for them, and run.json says so."""
    predictions(folder, lambda rows: rows[~rows["utterance_id"].isin(ids)])
    run(folder, lambda content: content["left_out"].update({name: sorted(ids)}))


def regroup(folder, class_of):
    """The system tells apart the classes of `class_of`, and predicts only what is in scope then."""

    def change(rows):
        rows = rows[rows["labels"].str[0].isin(class_of)]
        fallback = next(iter(class_of.values()))
        return rows.assign(
            labels=[[class_of[labels[0]]] for labels in rows["labels"]],
            predicted=[[class_of.get(labels[0], fallback)] for labels in rows["predicted"]],
        )

    predictions(folder, change, classes=list(dict.fromkeys(class_of.values())))
    run(folder, lambda content: content.update(classes=class_of))
