"""Mutations of good annotations: each is refused in one line, or no row changes its meaning."""

import csv
import io
from collections import Counter

from support.mutated_tables import COLUMNS, changed_in_silence, mutants

from merflow.corpora import annotations
from merflow.errors import CorpusError

N, SEED = 500, 5


def strict(path):
    table = annotations.read(path)
    rows = [*table.rows, *table.unlabelled]
    return [tuple(getattr(row, name) for name in COLUMNS) for row in rows]


def naive(path):
    """Read as `csv.DictReader` does, which fills up, cuts and swallows rows."""
    table = csv.DictReader(io.StringIO(path.read_text("utf-8-sig")), restval="")
    return [tuple((row[name] or "").strip() for name in COLUMNS) for row in table]


def outcomes(path, read):
    """Outcome of each mutation: accepted or the error, and rows changed in silence."""
    for kind, good, mutant in mutants(N, SEED):
        path.write_bytes(mutant.data)
        try:
            rows = read(path)
        except (CorpusError, ValueError, KeyError, csv.Error) as error:
            yield kind, error, []
        else:
            yield kind, None, changed_in_silence(good, mutant, rows)


def test_no_mutation_changes_a_row_in_silence(tmp_path):
    accepted, refused = Counter(), Counter()
    for kind, error, faults in outcomes(tmp_path / "mine.csv", strict):
        assert not faults, (kind, faults, (tmp_path / "mine.csv").read_bytes())
        assert error is None or isinstance(error, CorpusError), error
        assert "\n" not in str(error)
        (refused if error else accepted)[kind] += 1
    assert sum(accepted.values()) > N / 5 and sum(refused.values()) > N / 5
    assert len(refused) == 7  # of each kind


def test_the_mutations_show_what_a_naive_reader_changes(tmp_path):
    faulty = Counter(kind for kind, _, faults in outcomes(tmp_path / "mine.csv", naive) if faults)
    assert sum(faulty.values()) > N / 10
    assert {"of_signs", "of_quotes", "of_rows", "of_separators"} <= faulty.keys()
