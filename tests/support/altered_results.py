"""Changes to results on disk: some that training could write, some that it must not."""

import numpy as np

from merflow import artifacts
from merflow.records import Record
from merflow.store import read_metadata, read_table, write_table


def predictions(folder, change, **metadata):
    path = folder / "predictions.parquet"
    rows = read_table(path, artifacts.PREDICTIONS)
    before = read_metadata(path, artifacts.PREDICTIONS)
    write_table(path, change(rows), artifacts.PREDICTIONS, before | metadata)


def record(folder, change):
    """Rewrite run.json; `change` gets the record and returns new fields, which nothing checks."""
    before = Record.read(folder)
    before.model_copy(update=change(before)).write(folder)


def run(folder, number, **fields):
    """Change fields of one run in run.json."""

    def change(before):
        runs = list(before.runs)
        runs[number] = runs[number].model_copy(update=fields)
        return {"runs": tuple(runs)}

    record(folder, change)


def leave_out(folder, ids, name="tokens"):
    """The system lacks an input of `ids`: no predictions for them, and run.json says so."""
    predictions(folder, lambda rows: rows[~rows["utterance_id"].isin(ids)])
    record(folder, lambda before: {"left_out": before.left_out | {name: tuple(sorted(ids))}})


def regroup(folder, class_of):
    """The system has the classes of `class_of`, and predicts only utterances in scope."""

    classes = list(dict.fromkeys(class_of.values()))

    def change(rows):
        rows = rows[rows["labels"].str[0].isin(class_of)]
        predicted = [class_of.get(names[0], classes[0]) for names in rows["predicted"]]
        one_hot = np.eye(len(classes), dtype="float32")
        return rows.assign(
            labels=[[class_of[names[0]]] for names in rows["labels"]],
            predicted=[[name] for name in predicted],
            probabilities=[one_hot[classes.index(name)] for name in predicted],
        )

    predictions(folder, change, classes=classes)
    record(folder, lambda before: {"class_of": class_of})


def reorder(folder, classes):
    """The same predictions with the classes in another order."""
    before = read_metadata(folder / "predictions.parquet", artifacts.PREDICTIONS)["classes"]
    order = [before.index(name) for name in classes]

    def change(rows):
        return rows.assign(probabilities=[values[order] for values in rows["probabilities"]])

    predictions(folder, change, classes=classes)
