"""The step ``prepare``: a corpus as distributed becomes utterances.parquet, splits.parquet and defects.csv."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from merflow import artifacts, corpora
from merflow.artifacts import Defect
from merflow.corpora import annotations as annotated
from merflow.corpora import custom
from merflow.corpora.splits import make_splits
from merflow.errors import CorpusError
from merflow.media.probe import probe_all
from merflow.progress import log
from merflow.store import write_table, write_text

ALL = "all"  # as a split: every utterance; as a label: whatever the label


def prepare(
    corpus: str, source: str, raw: Path, out: Path, annotations: Path | None = None
) -> None:
    """Read `corpus` as unpacked at `raw` and write its tables into `out`.

    utterances.parquet carries as metadata: corpus, source (demo, official or folder), counts per split and label, and
    modalities (utterances with text, clip, audio, video); of one's own corpus also its classes.

    Args:
        corpus: name of the corpus.
        source: ``demo``, ``official`` or the path of a folder; all but ``demo`` are held to the corpus' published counts.
        raw: folder of the corpus, read only.
        out: folder to write to.
        annotations: of one's own corpus, the file with a row per utterance.

    Raises:
        CorpusError: the files are not of the corpus' layout, an utterance id occurs twice, or a split is empty.
    """
    metadata: dict[str, Any] = {
        "corpus": corpus,
        "source": source if source in ("demo", "official") else "folder",
    }
    expected: Mapping[str, Mapping[str, int]] = {}
    schemes: tuple[str, ...]
    if annotations:
        described = annotated.read(annotations)
        read, schemes = custom.read_utterances(raw, described), (described.scheme,)
        metadata["classes"] = described.classes
    else:
        module = corpora.load(corpus)
        read, schemes, expected = module.read_utterances(raw), module.SCHEMES, module.EXPECTED
    utterances, defects = read.utterances, list(read.defects)
    if doubled := utterances["utterance_id"][utterances["utterance_id"].duplicated()].tolist():
        raise CorpusError(
            f"{corpus}: utterance {doubled[0]} occurs twice ({len(doubled)} such); remove the second copy from {raw}"
        )
    if source != "demo":
        defects += check_counts(utterances, expected)
    splits = make_splits(utterances, corpus, schemes)
    metadata |= {"counts": counts(utterances), "modalities": modalities(utterances, raw)}
    write_text(
        out / "defects.csv",
        pd.DataFrame(defects, columns=artifacts.DEFECTS.names).to_csv(
            index=False, lineterminator="\n"
        ),
    )
    write_table(out / "splits.parquet", splits, artifacts.SPLITS)
    write_table(out / "utterances.parquet", utterances, artifacts.UTTERANCES, metadata)
    _summarise(metadata, defects)


def counts(utterances: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Utterances per split (official split, else session, else ``all``) and label; the label ``all`` counts each once."""
    part = next(
        (
            utterances[name]
            for name in ("official_split", "session")
            if utterances[name].notna().any()
        ),
        None,
    )
    parts = pd.Series(ALL, index=utterances.index) if part is None else part.fillna("none")
    return {
        str(name): {
            ALL: len(labels),
            **dict(sorted(Counter(label for several in labels for label in several).items())),
        }
        for name, labels in utterances["labels"].groupby(parts)
    }


def check_counts(
    utterances: pd.DataFrame, expected: Mapping[str, Mapping[str, int]]
) -> list[Defect]:
    """A defect ``count`` for each published number that the corpus at hand does not have.

    Args:
        utterances: columns of artifacts.UTTERANCES.
        expected: split, session or ``all`` -> label, several joined by ``+``, or ``all`` -> utterances.
    """
    defects = []
    for part, labels in expected.items():
        inside = (
            (utterances["official_split"] == part) | (utterances["session"] == part) | (part == ALL)
        )
        for label, number in labels.items():
            wanted = set(label.split("+"))
            found = sum(
                label == ALL or bool(wanted & set(several))
                for several in utterances.loc[inside, "labels"]
            )
            if found != number:
                defects.append(
                    Defect(
                        None,
                        "count",
                        f"{part}, {label}: {number} expected, {found} found",
                        "what is there is used",
                    )
                )
    return defects


def modalities(utterances: pd.DataFrame, raw: Path) -> dict[str, int]:
    """Utterances that have text, a usable clip, sound and pictures (clips were opened by the reader: this is cheap)."""
    clips = utterances["clip"].dropna()
    probes = probe_all([raw / clip for clip in clips.unique()], "modalities")
    usable = [found for clip in clips if not isinstance(found := probes[raw / clip], str)]
    return {
        "text": int(utterances["text"].notna().sum()),
        "clip": len(usable),
        "audio": sum(found.has_audio for found in usable),
        "video": sum(found.has_video for found in usable),
    }


def _summarise(metadata: Mapping, defects: list[Defect]) -> None:
    corpus, per_split = metadata["corpus"], metadata["counts"]
    total = sum(labels[ALL] for labels in per_split.values())
    log.info(
        "%s (%s): %d utterances: %s",
        corpus,
        metadata["source"],
        total,
        _listed({name: labels[ALL] for name, labels in per_split.items()}),
    )
    log.info("%s: with %s", corpus, _listed(metadata["modalities"]))
    log.info(
        "%s: defects: %s",
        corpus,
        _listed(dict(sorted(Counter(defect.kind for defect in defects).items()))) or "none",
    )


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in numbers.items())
