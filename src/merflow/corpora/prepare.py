"""The step ``prepare``: read a corpus into utterances.parquet, splits.parquet and defects.csv."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from merflow import artifacts, corpora
from merflow.artifacts import Defect
from merflow.corpora import annotations as annotated
from merflow.corpora import custom
from merflow.corpora.catalogue import CATALOGUE
from merflow.corpora.splits import custom_splits, make_splits
from merflow.errors import CorpusError
from merflow.media.probe import Probe, probe_all
from merflow.paths import CLIPS, DEFECTS, SPLITS, UTTERANCES
from merflow.progress import log
from merflow.store import write_table, write_text

ALL = "all"  # as a split: every utterance; as a label: whatever the label


def prepare(
    corpus: str, source: str, raw: Path, out: Path, annotations: Path | None = None
) -> None:
    """Read `corpus` as unpacked at `raw` and write its tables into `out`.

    Metadata of utterances.parquet:
    - corpus, and source: demo, official or folder
    - counts: per split and label
    - modalities: number of utterances with each
    - classes: of a custom corpus

    Args:
        corpus: name of the corpus.
        source: ``demo``, ``official`` or the path of a folder; published counts are checked, but
            not of ``demo``.
        raw: folder of the corpus, read only.
        out: folder to write to.
        annotations: of a custom corpus, the file with a row per utterance.

    Raises:
        CorpusError: a file is malformed, an utterance id occurs twice, or a split is empty.
    """
    kind = source if source in ("demo", "official") else "folder"
    metadata: dict[str, Any] = {"corpus": corpus, "source": kind}
    expected: Mapping[str, Mapping[str, int]] = {}
    described = annotated.read(annotations) if annotations else None
    if described:
        content = custom.read_utterances(raw, described)
        metadata["classes"] = described.classes
    else:
        module = corpora.load(corpus)
        content, expected = module.read_utterances(raw), module.EXPECTED
    utterances, defects = content.utterances, list(content.defects)
    ids = utterances["utterance_id"]
    if doubled := ids[ids.duplicated()].tolist():
        raise CorpusError(
            f"{corpus}: utterance {doubled[0]} occurs twice ({len(doubled)} repeated rows); "
            f"remove the second copy from {raw}"
        )
    if source != "demo":
        defects += check_counts(utterances, expected)
    if described:
        splits = custom_splits(described)
    else:
        splits = make_splits(utterances, corpus, tuple(CATALOGUE[corpus].schemes))
    metadata |= {"counts": counts(utterances), "modalities": modalities(utterances, raw)}
    listed = pd.DataFrame(defects, columns=artifacts.DEFECTS.names)
    write_text(out / DEFECTS, listed.to_csv(index=False, lineterminator="\n"))
    write_table(out / SPLITS, splits, artifacts.SPLITS)
    write_table(out / CLIPS, utterances.dropna(subset="clip"), artifacts.CLIPS)
    write_table(out / UTTERANCES, utterances, artifacts.UTTERANCES, metadata)
    _log_summary(metadata, defects)


def counts(utterances: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count utterances per split and label.

    The split is the official one, else the session, else ``all``. The label ``all`` counts each
    utterance once.
    """
    columns = [utterances[name] for name in ("official_split", "session")]
    everything = pd.Series(ALL, index=utterances.index)
    splits = next((column for column in columns if column.notna().any()), everything)
    splits = splits.fillna("none")
    table = {}
    for split, labels_of in utterances["labels"].groupby(splits):
        per_label = Counter(label for labels in labels_of for label in labels)
        table[str(split)] = {ALL: len(labels_of), **dict(sorted(per_label.items()))}
    return table


def check_counts(
    utterances: pd.DataFrame, expected: Mapping[str, Mapping[str, int]]
) -> list[Defect]:
    """Compare counts with published ones; each difference is a defect ``count``.

    Args:
        utterances: columns of artifacts.UTTERANCES.
        expected: split, session or ``all`` -> label, several labels joined by ``+``, or ``all`` ->
            number of utterances.
    """
    defects = []
    for split, numbers in expected.items():
        inside = utterances[["official_split", "session"]].eq(split).any(axis=1) | (split == ALL)
        for label, number in numbers.items():
            joined = set(label.split("+"))
            count = sum(
                label == ALL or bool(joined & set(labels))
                for labels in utterances.loc[inside, "labels"]
            )
            if count != number:
                detail = f"{split}, {label}: {number} expected, {count} found"
                defects.append(Defect(None, "count", detail, "what is there is used"))
    return defects


def modalities(utterances: pd.DataFrame, raw: Path) -> dict[str, int]:
    """Count utterances with text, a usable clip, audio and video.

    The reader has opened the clips already, and probes are cached.
    """
    rows = utterances.dropna(subset="clip")
    probes = probe_all([raw / clip for clip in rows["clip"].unique()], "modalities")
    usable = [
        (result, has_file)
        for clip, has_file in zip(rows["clip"], rows["audio_clip"].notna(), strict=True)
        if isinstance(result := probes[raw / clip], Probe)
    ]
    return {
        "text": int(utterances["text"].notna().sum()),
        "clip": len(usable),
        "audio": sum(has_file or probe.has_audio for probe, has_file in usable),
        "video": sum(probe.has_video for probe, _ in usable),
    }


def _log_summary(metadata: Mapping, defects: list[Defect]) -> None:
    corpus = metadata["corpus"]
    sizes = {split: labels[ALL] for split, labels in metadata["counts"].items()}
    kinds = dict(sorted(Counter(defect.kind for defect in defects).items()))
    source, total = metadata["source"], sum(sizes.values())
    log.info("%s (%s): %d utterances: %s", corpus, source, total, _listed(sizes))
    log.info("%s: with %s", corpus, _listed(metadata["modalities"]))
    log.info("%s: defects: %s", corpus, _listed(kinds) or "none")


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in numbers.items())
