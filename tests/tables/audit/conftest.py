"""Small printed tables, literal in each test.

A line is: table, row, system, metric, class, split, value, unit, and perhaps the name that the
paper gives the metric, and the section. "-" is an empty cell, "&" is "and", "_over_" is "over",
and "_(" begins a bracket.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from merflow.tables.audit.case import Case, case_of
from merflow.tables.audit.class_counts import Support
from merflow.tables.reported import COLUMNS, load

HEADERS = ("table", "row", "system", "metric", "class", "split", "value", "unit")
#: A test split of 100 utterances in three classes.
HUNDRED = Support("official", "test", {"neutral": 50, "joy": 30, "anger": 20})


@pytest.fixture
def printed(tmp_path: Path) -> Callable[..., pd.DataFrame]:
    """Rows as merflow.tables.reported.load gives them."""

    def make(lines: str, corpus: str = "meld", classes: int | None = 3) -> pd.DataFrame:
        rows = [_row(words, corpus) for words in map(str.split, lines.splitlines()) if words]
        if classes:
            words = ["text", "classes", "-", "classes", "-", "-", str(classes), "count"]
            rows.append(_row(words, corpus))
        pd.DataFrame(rows).to_csv(tmp_path / "p.csv", index=False)
        return load(tmp_path, "p")

    return make


def _row(words: Sequence[str], corpus: str) -> dict[str, str]:
    row = dict.fromkeys(COLUMNS, "") | {"corpus": corpus, "where": "section 4"}
    for header, word in zip(HEADERS, words, strict=False):
        row[header] = "" if word == "-" else word.replace("_as_", " as ")
    row["row"] = row["row"].replace(",", ", ")
    row["system"] = (
        row["system"].replace("&", " and ").replace("_over_", " over ").replace("_(", " (")
    )
    row |= {"where": words[9]} if len(words) > 9 else {}
    return row | {"metric_as_printed": words[8] if len(words) > 8 else row["metric"]}


@pytest.fixture
def make_case(printed: Callable[..., pd.DataFrame]) -> Callable[..., Case]:
    """Case of such rows, on a corpus of which `HUNDRED` is known."""

    def make(
        lines: str,
        supports: Sequence[Support] = (HUNDRED,),
        corpus: str = "meld",
        classes: int | None = 3,
    ) -> Case:
        return case_of(printed(lines, corpus, classes), supports)

    return make
