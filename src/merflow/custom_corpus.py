"""`merflow own`: from a folder of clips to annotations to fill in, and from these to what params.yaml must say (docs/your-own-clips.md)."""

import csv
import io
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from merflow import presets
from merflow.corpora import annotations, disk
from merflow.corpora.annotations import COLUMNS, Annotations
from merflow.corpora.labels import CLASSES, counterparts
from merflow.errors import CheckpointError, CorpusError, ParamsError
from merflow.media.probe import Probe, probe_all
from merflow.params.base import NAME
from merflow.progress import log
from merflow.requirements import taken
from merflow.selection import stages_at
from merflow.store import write_text

SUFFIXES = (".avi", ".flac", ".m4a", ".m4v", ".mkv", ".mov", ".mp3", ".mp4", ".oga", ".ogg", ".wav")
DEMO = "ravdess"  # whose demo is the example


def prepare(name: str, folder: Path, example: bool) -> None:
    """Write <name>.csv where it is absent: a row per clip, to be filled in. Where it is there, check it and write <name>.yaml.

    The latter is a patch of params.yaml that runs every system that the clips and texts at hand allow, and nothing else; an edited one is
    kept.

    Args:
        name: of the corpus.
        folder: of the clips.
        example: make both, of the clips of a demo, the annotations filled in.

    Raises:
        CorpusError: there are no clips in `folder`, it is there and an example is wanted, or the annotations cannot be.
        ParamsError: `name` cannot be one.
    """
    table, patch = Path(f"{name}.csv"), Path(f"{name}.yaml")
    if not re.match(NAME, name) or name in CLASSES:
        raise ParamsError(
            f"{name}: choose a name of small letters, digits and _ that is none of {', '.join(CLASSES)}"
        )
    if example:
        make_example(folder, table)
    if not table.exists():
        write_text(table, skeleton(folder))
        log.info(
            "%s: fill in label, and what you know of text, speaker, dialogue and split; then `merflow own %s %s` again",
            table,
            name,
            folder,
        )
        return
    found = annotations.read(table)
    at_hand = modalities(folder, found)
    text = written(name, folder, table, found, at_hand)
    log.info(
        "%s: %d utterances, %s; %s", table, len(found.rows), ", ".join(found.classes), _split(found)
    )
    if patch.exists() and patch.read_text(encoding="utf-8") != text:
        log.warning(
            "%s: is not what would be written now: kept; remove it to have it written again", patch
        )
        return
    write_text(patch, text)
    log.info(
        "%s: what runs on %s; now `merflow params paper --with %s` (or demo), and `snakemake --cores 2`",
        patch,
        ", ".join(at_hand),
        patch,
    )


def _split(found: Annotations) -> str:
    if found.scheme == "given":
        return "train, dev and test as given"
    return f"{found.folds} folds of whole {'speakers' if found.rows[0].speaker else 'dialogues'}"


def skeleton(folder: Path) -> str:
    """CSV with a row per clip below `folder`; a .txt file beside a clip is its text.

    Raises:
        CorpusError: no clip is there.
    """
    clips = (
        sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if folder.is_dir()
        else []
    )
    if not clips:
        raise CorpusError(
            f"{folder}: no clips in it or below; known endings: {', '.join(SUFFIXES)}"
        )
    beside = {path: path.with_suffix(".txt") for path in clips}
    texts = {
        path: " ".join(text.read_text(encoding="utf-8").split()) if text.exists() else ""
        for path, text in beside.items()
    }
    return _csv(
        {"clip": path.relative_to(folder).as_posix(), "text": texts[path]} for path in clips
    )


def _csv(rows: Iterable[dict[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def make_example(folder: Path, table: Path) -> None:
    """Videos of a demo corpus in `folder`, and annotations of them in `table`.

    Raises:
        CorpusError: one of the two is there.
    """
    from merflow.corpora import fetch, load  # draws and speaks: heavy

    if there := next((path for path in (folder, table) if path.exists()), None):
        raise CorpusError(
            f"{there}: is there already; an example wants a new folder and a new name"
        )
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch) / "raw"
        fetch.fetch(DEMO, "demo", raw, Path(scratch) / "scratch", Path(scratch) / "digests")
        rows = load(DEMO).read_utterances(raw).utterances.dropna(subset="clip")
        rows = rows[rows["clip"].str.endswith(".mp4")]
        with disk.one_line(str(folder)):
            folder.mkdir(parents=True)
            for row in rows.itertuples():
                shutil.copy(raw / row.clip, folder / Path(row.clip).name)
    described = (
        {"clip": Path(r.clip).name, "text": r.text, "label": r.labels[0], "speaker": r.speaker}
        for r in rows.itertuples()
    )
    write_text(table, _csv(described))


def modalities(folder: Path, found: Annotations) -> list[str]:
    """Which of text, audio and video some utterance has."""
    probes = [
        one
        for one in probe_all(
            [folder / row.clip for row in found.rows if row.clip], "clips"
        ).values()
        if isinstance(one, Probe)
    ]
    there = {
        "text": any(row.text for row in found.rows),
        "audio": any(p.has_audio for p in probes),
        "video": any(p.has_video for p in probes),
    }
    return [name for name, has in there.items() if has]


def written(name: str, folder: Path, table: Path, found: Annotations, at_hand: list[str]) -> str:
    """The patch of params.yaml."""
    head = f"# What differs for the clips of {name}, as a merge patch (RFC 7396) on a preset: merflow params demo --with {name}.yaml\n"
    patch = patch_of(name, at_hand, known_emotions(found.classes), Path())
    patch["corpora"] = {name: {"source": str(folder), "annotations": str(table)}}
    return head + yaml.safe_dump(patch, sort_keys=False, default_flow_style=None, width=1000)


def known_emotions(classes: list[str]) -> bool:
    """Whether each class has a counterpart among the emotions that published classifiers and prompts name."""
    try:
        counterparts(CLASSES["meld"], classes)
    except CheckpointError:
        return False
    return True


def patch_of(name: str, at_hand: list[str], zero_shot: bool, root: Path) -> dict[str, Any]:
    """Block ``run`` that rebuilds what can be of the corpus `name` alone, by what dvc.yaml says that stages take.

    Args:
        name: of the corpus.
        at_hand: of text, audio and video.
        zero_shot: its classes are known to models that are taken as they are.
        root: folder of dvc.yaml and params/.
    """
    preset = yaml.safe_load(presets.compose("paper", root / "params"))
    stages = stages_at(root)
    as_they_are = {
        feature
        for feature, block in preset["features"].items()
        if block.get("output") == "probabilities"
    }
    features: set[str] = set()
    systems: dict[str, Any] = {}
    for paper in preset["papers"]:
        for stage in (
            key for key, block in preset["run"][paper].items() if isinstance(block, dict)
        ):
            takes = taken(f"{paper}_{stage}", stages, preset)
            if takes.modalities <= set(at_hand) and (zero_shot or not takes.features & as_they_are):
                systems.setdefault(paper, {"protocols": ["clean"]})[stage] = {"corpora": [name]}
                features |= takes.features
    groups = {
        group: [name for name in block["features"] if name in features]
        for group, block in preset["run"]["features"].items()
    }
    made = {
        group: {"corpora": [name], "features": features}
        for group, features in groups.items()
        if features
    }
    return {"run": {"corpora": [name], "papers": list(systems), "features": made, **systems}}
