"""Small printed tables, literal in each test. A line: table, row, system, metric, class, split, value, unit; - is nothing, & is and."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from merflow.tables.audit.case import Case, case_of
from merflow.tables.audit.class_counts import Support
from merflow.tables.reported import COLUMNS, load

HEADS = ("table", "row", "system", "metric", "class", "split", "value", "unit")
#: A test part of 100 utterances in three classes.
HUNDRED = Support("official", "test", {"neutral": 50, "joy": 30, "anger": 20})


@pytest.fixture
def printed(tmp_path: Path) -> Callable[..., pd.DataFrame]:
    """Rows as of merflow.tables.reported.load; a line may have a ninth word, what the paper calls the metric."""

    def make(lines: str, corpus: str = "meld", classes: int | None = 3) -> pd.DataFrame:
        rows = []
        for words in filter(None, map(str.split, lines.splitlines())):
            row = dict.fromkeys(COLUMNS, "") | {"corpus": corpus, "where": "section 4"}
            row |= {
                head: "" if word == "-" else word.replace("_as_", " as ")
                for head, word in zip(HEADS, words, strict=False)
            }
            row["system"] = row["system"].replace("&", " and ")
            rows.append(row | {"metric_as_printed": words[8] if len(words) > 8 else row["metric"]})
        if classes:
            said = dict.fromkeys(COLUMNS, "") | {
                "table": "text",
                "row": "classes",
                "corpus": corpus,
                "metric": "classes",
                "where": "section 3",
            }
            rows.append(
                said | {"metric_as_printed": "classes", "value": str(classes), "unit": "count"}
            )
        pd.DataFrame(rows).to_csv(tmp_path / "p.csv", index=False)
        return load(tmp_path, "p")

    return make


@pytest.fixture
def make_case(printed: Callable[..., pd.DataFrame]) -> Callable[..., Case]:
    """What rules look at: such rows, on a corpus of which `HUNDRED` is known."""

    def make(
        lines: str,
        supports: Sequence[Support] = (HUNDRED,),
        corpus: str = "meld",
        classes: int | None = 3,
    ) -> Case:
        return case_of(printed(lines, corpus, classes), supports)

    return make
