"""The step ``score``: compute every score from predictions, after checking them.

Modules make the rows of the tables of results/scores (merflow.evaluation.scored):
- `system_scores` and `training_facts`: systems and baselines
- `differences`: pairs of systems
- `gaps`: pairs of protocols
- `corpus_facts`: corpora
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from merflow.errors import EvaluationError, StoreError
from merflow.evaluation.corpus_facts import corpus_rows
from merflow.evaluation.differences import TestPredictions, difference_rows
from merflow.evaluation.gaps import gap_rows
from merflow.evaluation.predictions import read_result
from merflow.evaluation.prepared import Prepared
from merflow.evaluation.results import Result
from merflow.evaluation.scored import TABLES, MissingResult, Scores
from merflow.evaluation.system_scores import baseline_rows, system_rows
from merflow.evaluation.training_facts import training_rows
from merflow.params import EvaluationParams
from merflow.paths import result_name
from merflow.progress import log

#: Columns by which the rows of each table are sorted; rows that agree in all keep their order.
ORDER = {
    "scores": ["paper", "corpus", "protocol", "system", "split", "fold", "seed"],
    "differences": ["paper", "corpus", "protocol", "first", "second", "seed"],
    "gaps": ["paper", "corpus", "first", "second", "system"],
    "corpora": ["paper", "corpus", "protocol", "split"],
}
Groups = dict[tuple[str, str, str], list[Result]]


def score(
    results: Sequence[Path],
    prepared: Sequence[Path],
    evaluation: EvaluationParams,
    out: Path,
    expected: Mapping[str, list[int]] | None = None,
) -> None:
    """Check all predictions and write results/scores.

    Args:
        results: folders results/<paper>/<system>/<corpus>-<protocol>.
        prepared: folders data/corpora/<corpus>.
        evaluation: parameters of the intervals. With ``allow_missing`` a result that is absent or
            refused is listed as missing; otherwise it is an error.
        out: folder to write.
        expected: results that must be there, with their seeds
            (merflow.params.expected_results); None: no result must.

    Raises:
        EvaluationError: predictions do not fit the corpus or its split scheme (see `read_result`).
            An expected result is absent or has other seeds. Systems of one paper, corpus and
            protocol differ in their task or split scheme.
        StoreError: a file of a result cannot be read.
    """
    corpora = {folder.name: Prepared.read(folder) for folder in sorted(prepared)}
    checked, missing = _checked(results, corpora, evaluation, expected or {})
    groups: Groups = {}
    for result in checked:
        record = result.record
        group = (record.paper, record.corpus, record.protocol)
        groups.setdefault(group, []).append(result)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for (paper, corpus, protocol), members in groups.items():
        _refuse_mismatch(members)
        log.info("score %s on %s, %s: %d systems", paper, corpus, protocol, len(members))
        first, utterances = members[0], corpora[corpus].utterances
        scope = corpora[corpus].scope(first.record.scheme, first.record.class_of, first.task)
        systems = [TestPredictions(result, evaluation) for result in members]
        for system in systems:
            rows["scores"] += system_rows(system)
            rows["scores"] += training_rows(system.result, scope)
        rows["scores"] += baseline_rows(first, scope, evaluation)
        rows["differences"] += difference_rows(systems)
        rows["corpora"] += corpus_rows(first, scope, utterances)
    for protocols in _by_protocol(groups):
        rows["gaps"] += gap_rows(protocols, evaluation)
    tables = {name: _table(name, rows[name]) for name in TABLES}
    Scores(**tables, evaluation=evaluation, missing=tuple(missing)).write(out)


def _table(name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A table of rows, sorted; integer columns have null where a row has no value."""
    schema = TABLES[name]
    integers = {
        field.name: "Int64"
        for field in schema
        if field.nullable and pa.types.is_integer(field.type)
    }
    table = pd.DataFrame(rows, columns=schema.names).astype(integers)
    return table.sort_values(ORDER[name], kind="stable", na_position="first")


def _by_protocol(groups: Groups) -> Iterable[dict[str, list[Result]]]:
    """Results of each paper on each corpus, by protocol."""
    by_corpus: dict[tuple[str, str], dict[str, list[Result]]] = {}
    for (paper, corpus, protocol), members in groups.items():
        by_corpus.setdefault((paper, corpus), {})[protocol] = members
    return by_corpus.values()


def _checked(
    results: Sequence[Path],
    corpora: Mapping[str, Prepared],
    evaluation: EvaluationParams,
    expected: Mapping[str, list[int]],
) -> tuple[list[Result], list[MissingResult]]:
    """Results that can be scored, and those that are absent or refused."""
    checked, missing = [], []
    folders = {result_name(folder): folder for folder in sorted(results)}
    for name in sorted({*folders, *expected}):
        try:
            if name not in folders:
                paper = name.split("/")[1]
                raise EvaluationError(f"{name}: absent, but expected by run.{paper}; train it")
            result = read_result(folders[name], corpora)
            if result.seeds != (seeds := expected.get(name, result.seeds)):
                has, expects = ("/".join(map(str, numbers)) for numbers in (result.seeds, seeds))
                raise EvaluationError(
                    f"{folders[name]}: has seeds {has}, expected {expects} of params.yaml;"
                    " train it again"
                )
            checked.append(result)
        except (EvaluationError, StoreError) as error:
            if not evaluation.allow_missing:
                raise type(error)(
                    f"{error} (or score the rest: evaluation.allow_missing: true)"
                ) from error
            message = str(error)
            if not message.startswith(f"{name}: "):
                message = f"{name}: refused ({message})"
            log.warning("score goes on without %s", message)
            missing.append(MissingResult.named(name, message))
    return checked, missing


def _refuse_mismatch(members: Sequence[Result]) -> None:
    """Refuse systems of a group that differ in what baselines and differences take as common."""
    first = members[0]
    for other in members[1:]:
        fields = ("source", "scheme", "class_of")
        mismatch = [
            field
            for field in fields
            if getattr(first.record, field) != getattr(other.record, field)
        ]
        if mismatch or first.classes != other.classes:
            raise EvaluationError(
                f"{first.record.name} and {other.record.name} differ in"
                f" {', '.join(mismatch) or 'order of classes'}; delete both and train again"
            )
