"""Audit: what the arithmetic of a paper's printed numbers says about how they were made.

Rules are general: they look at every row of every paper. There is one so far, `precision_of_one`.
"""

from collections.abc import Iterator

import pandas as pd

from merflow.tables.comparison import Comparison
from merflow.tables.render import Table, number, percent, points, words
from merflow.tables.reported import SHARE

#: How far a printed F1 may lie below 2r/(1+r) and still be taken for it, as a share. A mean over folds does: by Jensen's inequality the
#: mean of 2r/(1+r) is below the same of the mean recall, and by more, the fewer utterances of a class a fold has.
AVERAGING = 0.025
FEWEST = 3  # cells: two that agree may be chance


def precision_of_one(printed: pd.DataFrame) -> pd.DataFrame:
    """Rows of print in which the F1 of every class is 2r/(1+r) of its recall r, as if its precision were 1.

    Nobody's precision is 1 in every class, unless recall is: the other classes' errors go somewhere. It comes out so where the F1 of a
    class is computed on the utterances of that class alone, among which there are no false positives.

    Args:
        printed: rows as of merflow.tables.reported.load.

    Returns:
        One row per class of such rows: table, row, system, split, class, recall, f1 (as printed, shares), implied (2r/(1+r)) and difference
        (f1 minus implied). A class with recall 0 has F1 0 under any precision and is no evidence.
    """
    cell = ["table", "row", "corpus", "system", "split", "class"]
    half = 0.5 * 10.0 ** -printed["decimals"] * printed["unit"].map(SHARE).astype(float)  # of the last printed digit
    shares = printed.assign(half=half).dropna(subset="share")
    recalls, f1s = (shares[shares["metric"] == metric].set_index(cell)[["share", "half"]] for metric in ("recall", "f1"))
    found = recalls.join(f1s.rename(columns={"share": "f1", "half": "f1_half"}), how="inner").reset_index()
    found = found.rename(columns={"share": "recall"})[found["share"] > 0]
    found["implied"] = _implied(found["recall"])
    found["difference"] = found["f1"] - found["implied"]
    highest = _implied(found["recall"] + found["half"]) + found["f1_half"]
    lowest = _implied(found["recall"] - found["half"]) - found["f1_half"] - AVERAGING
    fits = found.assign(fits=found["f1"].between(lowest, highest)).groupby(cell[:-1])["fits"]
    chosen = found[fits.transform("all") & (fits.transform("size") >= FEWEST)]
    return chosen[[*cell, "recall", "f1", "implied", "difference"]].reset_index(drop=True)


def _implied(recall: pd.Series) -> pd.Series:
    return 2 * recall / (1 + recall)


def tables(view: Comparison) -> Iterator[Table]:
    """A table per rule that found something."""
    found = precision_of_one(view.printed)
    columns = [words("row", "row"), number("table", "table"), words("class", "class"), number("printed recall r", "recall", percent)]
    columns += [number("printed F1", "f1", percent), number("2r/(1+r)", "implied", percent), number("difference", "difference", points)]
    caption = "Printed rows in which the F1 of every class is 2r/(1+r) of its recall: what it would be if precision were 1."
    notes = [
        "Such an F1 counts no utterance that is wrongly taken for the class: it is no F1, and ours are not to be set against it.",
        f"Difference: printed minus 2r/(1+r), in points. Down to {points(-AVERAGING)} is put down to averaging over folds.",
    ]
    if len(found):
        frame = found.assign(kind="cited")
        yield Table(
            f"{view.corpus}-audit-precision-of-one",
            f"Audit of the numbers printed on {view.corpus}: precision counts as 1.",
            caption,
            frame,
            tuple(columns),
            tuple(notes),
            anchor=f"{view.paper}-{view.corpus}-audit-precision-of-one",
        )
