"""New clips, as a small corpus in a scratch folder: the steps of the pipeline decode them and extract their features."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from merflow import artifacts
from merflow.corpora import annotations
from merflow.corpora.annotations import Row
from merflow.custom_corpus import SUFFIXES
from merflow.errors import CorpusError
from merflow.features.extract import extract_shard
from merflow.media.probe import probe_all
from merflow.media.step import assemble, decode_shard
from merflow.paths import DECODED, DEFECTS, INDEX, SOURCE, UTTERANCES, Inputs
from merflow.store import write_table


@dataclass
class Clips:
    """Utterances to predict.

    Attributes:
        raw: folder that clips are relative to.
        utterances: columns of artifacts.UTTERANCES, sorted by id.
        failed: utterance -> why its clip cannot be opened.
        scratch: folder for what is made on the way.
        defects: utterance -> the first thing that decoding found.
    """

    raw: Path
    utterances: pd.DataFrame
    failed: dict[str, str]
    scratch: Path
    defects: dict[str, str] = field(default_factory=dict)
    _media: dict[str, dict[str, Path]] = field(default_factory=dict)

    @classmethod
    def find(cls, target: Path, text: str | None, table: Path | None, scratch: Path) -> "Clips":
        """A clip, or every clip below a folder; those that cannot be opened have failed.

        Args:
            target: file or folder.
            text: what is said in the clip; None: what a .txt file beside a clip says.
            table: CSV with columns clip and text, and dialogue where turns belong together: only its rows count.
            scratch: an empty folder.

        Raises:
            CorpusError: there is no clip.
        """
        raw = target if target.is_dir() else target.parent
        if table is not None:
            rows = [row for row in _rows(table) if target.is_dir() or row.clip == target.name]
        elif target.is_dir():
            found = sorted(path for path in target.rglob("*") if path.suffix.lower() in SUFFIXES)
            rows = [
                _row(number, path.relative_to(raw).as_posix(), _beside(path))
                for number, path in enumerate(found)
            ]
        else:
            rows = [_row(0, target.name, text if text is not None else _beside(target))]
        if not target.exists() or not rows:
            raise CorpusError(
                f"{target}: {'no clip in it' if target.exists() else 'no such clip or folder'}; known endings: {', '.join(SUFFIXES)}"
            )
        probes = probe_all([raw / row.clip for row in rows if row.clip], "clips")
        failed = {
            row.utterance_id: reason
            for row in rows
            if row.clip and isinstance(reason := probes[raw / row.clip], str)
        }
        columns: list[dict[str, Any]] = [
            {
                "utterance_id": row.utterance_id,
                "dialogue_id": row.dialogue_id,
                "turn": row.line,
                "speaker": row.speaker,
                "text": row.text or None,
                "clip": row.clip if row.clip and row.utterance_id not in failed else None,
                "labels": [],
            }
            for row in rows
        ]
        utterances = pd.DataFrame(columns, columns=artifacts.UTTERANCES.names).sort_values(
            "utterance_id", ignore_index=True
        )
        write_table(scratch / UTTERANCES, utterances, artifacts.UTTERANCES)
        return cls(raw, utterances, failed, scratch)

    @property
    def ids(self) -> set[str]:
        """Utterances that have not failed."""
        return set(self.utterances["utterance_id"]) - set(self.failed)

    def media(self, spec: Mapping[str, Any]) -> dict[str, Path]:
        """Folder of each medium, decoded as `spec` says, once."""
        key = _key(spec["params"])
        if key not in self._media:
            folder = self.scratch / "media" / key
            decode_shard(
                self.scratch / UTTERANCES,
                self.raw,
                spec["params"],
                spec["code"],
                0,
                1,
                folder / "shard" / DECODED,
            )
            assemble([folder / "shard"], folder)
            for row in pd.read_csv(folder / DEFECTS).itertuples():
                self.defects.setdefault(row.utterance_id, f"{row.kind}: {row.detail}")
            self._media[key] = {path.parent.name: path.parent for path in folder.glob(f"*/{INDEX}")}
        return self._media[key]

    def feature(self, spec: Mapping[str, Any], checkpoint: Path | None) -> Path:
        """The store of a feature, extracted as `spec` says, once."""
        store = self.scratch / "features" / _key(spec) / f"{spec['feature']}.parquet"
        if not store.exists():
            inputs = [self.scratch / UTTERANCES]
            inputs += [
                self.media(medium)[name] / INDEX for name, medium in spec.get("media", {}).items()
            ]
            inputs += [checkpoint / SOURCE] if checkpoint else []
            extract_shard(
                spec["feature"], spec["params"], spec["code"], Inputs.of(inputs), 0, 1, store
            )
        return store


def _key(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _rows(table: Path) -> list[Row]:
    found = annotations.read(table, labelled=False)
    return [*found.rows, *found.unlabelled]


def _row(number: int, clip: str, text: str) -> Row:
    return Row(number, clip, text, "", "", "", "")


def _beside(clip: Path) -> str:
    text = clip.with_suffix(".txt")
    return " ".join(text.read_text(encoding="utf-8").split()) if text.exists() else ""
