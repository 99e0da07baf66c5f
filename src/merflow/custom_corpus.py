"""`merflow own`: annotations of a user's clips, and a patch of params.yaml that runs on them.

See docs/your-own-clips.md.
"""

import csv
import io
import re
import shlex
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from merflow import paths, presets
from merflow.corpora import annotations, custom, disk
from merflow.corpora.annotations import COLUMNS, Annotations
from merflow.corpora.file_names import Files, misnamed
from merflow.corpora.folders import list_clips
from merflow.corpora.labels import CLASSES, counterparts
from merflow.corpora.split_defects import log_summary, split_text
from merflow.corpora.transcripts import mended, mended_defect, read_beside
from merflow.errors import CheckpointError, CorpusError, ParamsError
from merflow.media.probe import ENDINGS, Probe, probe_all
from merflow.params.base import NAME
from merflow.progress import log
from merflow.requirements import requirements_of
from merflow.selection import stages_at
from merflow.store import write_text

DEMO = "ravdess"  # corpus whose demo is the example


def prepare(name: str, folder: Path, example: bool) -> None:
    """Write <name>.csv, to be filled in; where it exists, check it and write <name>.yaml.

    <name>.csv has a row per clip. <name>.yaml is a patch of params.yaml that runs every system for
    which there are clips or texts, and nothing else. An edited patch is kept.

    Args:
        name: name of the corpus.
        folder: folder of the clips.
        example: make clips and filled-in annotations from a demo corpus first.

    Raises:
        CorpusError: `folder` has no clips, or exists and an example is wanted, or the annotations
            are malformed.
        ParamsError: `name` is malformed, or the name of a published corpus.
    """
    table, patch = Path(f"{name}.csv"), Path(f"{name}.yaml")
    folder = paths.of_user(folder)
    if not re.match(NAME, name) or name in CLASSES:
        raise ParamsError(
            f"{name}: choose a name of small letters, digits and _,"
            f" and not one of {', '.join(CLASSES)}"
        )
    if reason := misnamed(folder):
        raise CorpusError(f"{folder}: {reason}")
    if folder.is_file():
        raise CorpusError(f"{folder}: is a file; name the folder of the clips")
    if example:
        make_example(folder, table)
    if not table.exists():
        write_text(table, skeleton(folder))
        log.info(
            "%s: fill in label, and text, speaker, dialogue and split where you know them;"
            " then run `merflow own %s %s` again",
            *(table, name, shlex.quote(str(folder))),
        )
        return
    labelled = annotations.read(table)
    present = modalities(folder, labelled)
    text = patch_text(name, folder, table, labelled, present)
    log.info("%s: %s; %s", table, _sizes(labelled), split_text(labelled))
    log_summary(custom.annotation_defects(labelled))
    if patch.exists() and patch.read_text(encoding="utf-8") != text:
        log.warning(
            "%s: kept, since it was edited or the clips changed; delete it to renew it", patch
        )
        return
    write_text(patch, text)
    log.info(
        "%s: systems for %s; now run `merflow params paper --with %s` (or demo),"
        " then `snakemake --cores 2`",
        *(patch, ", ".join(present), patch),
    )


def _sizes(labelled: Annotations) -> str:
    """Number of utterances of each class, and of rows that are left out."""
    counts = Counter(row.label for row in labelled.rows)
    classes = ", ".join(f"{name} {counts[name]}" for name in labelled.classes)
    n_left_out = {"without label": len(labelled.unlabelled), "without any value": labelled.n_blank}
    rows = ", ".join(f"rows {reason} {n}" for reason, n in n_left_out.items() if n)
    return f"{len(labelled.rows)} utterances: {classes}" + (f"; left out: {rows}" if rows else "")


def skeleton(folder: Path) -> str:
    """CSV with a row per clip below `folder`.

    A .txt file beside a clip is its text.

    Raises:
        CorpusError: `folder` is absent or has no clips, a name cannot be written into a table, or
            a .txt file is not UTF-8.
    """
    listing = list_clips(folder)
    if listing.misnamed:
        path, reason = next(iter(listing.misnamed.items()))
        more = f" (and {len(listing.misnamed) - 1} more)" if len(listing.misnamed) > 1 else ""
        raise CorpusError(f"{path}{more}: {reason}")
    if not listing.clips:
        raise CorpusError(
            f"{folder}: no clips in it or below; {listing.summary or 'no file at all'}; "
            f"known endings: {', '.join(ENDINGS)}; a table of texts without clips is written by"
            f" hand, its first line is {','.join(COLUMNS)}"
        )
    for message in listing.messages:
        log.warning("%s", message)
    texts = [read_beside(clip) for clip in listing.clips]
    if n_mended := sum(mended_defect(None, text) is not None for text in texts):
        log.warning(
            "%s: %d transcripts have control characters, read as marks of cp1252", folder, n_mended
        )
    return _csv(
        {"clip": path.relative_to(folder).as_posix(), "text": mended(text)}
        for path, text in zip(listing.clips, texts, strict=True)
    )


def _csv(rows: Iterable[dict[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def make_example(folder: Path, table: Path) -> None:
    """Make videos of a demo corpus in `folder`, and their annotations in `table`.

    Raises:
        CorpusError: one of the two exists.
    """
    from merflow.corpora import fetch, load  # draws and speaks: heavy

    if taken := next((path for path in (folder, table) if path.exists()), None):
        raise CorpusError(f"{taken}: exists; an example needs a new folder and a new name")
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


def modalities(folder: Path, labelled: Annotations) -> list[str]:
    """Modalities, of text, audio and video, that an utterance has; warns of unusable clips.

    Raises:
        CorpusError: clips are named, and `folder` holds none of them.
    """
    names = custom.locate_clips(folder, labelled, Files(folder))
    clips = [folder / names.get(row.clip, row.clip) for row in labelled.rows if row.clip]
    results = probe_all(clips, "clips")
    probes = [probe for probe in results.values() if isinstance(probe, Probe)]
    if reasons := [f"{clip}: {fault}" for clip, fault in results.items() if isinstance(fault, str)]:
        log.warning("%d of %d clips cannot be used: %s", len(reasons), len(clips), reasons[0])
    present = {
        "text": any(row.text for row in labelled.rows),
        "audio": any(probe.has_audio for probe in probes),
        "video": any(probe.has_video for probe in probes),
    }
    return [name for name, is_present in present.items() if is_present]


def patch_text(
    name: str, folder: Path, table: Path, labelled: Annotations, present: list[str]
) -> str:
    """Text of the patch of params.yaml for the corpus `name`; see `patch_of`."""
    head = (
        f"# The corpus {name}, as a merge patch (RFC 7396) on a preset:\n"
        f"# merflow params demo --with {name}.yaml\n"
    )
    patch = patch_of(name, present, known_emotions(labelled.classes), Path())
    # a folder may have the name of a kind of source
    source = f"./{folder}" if str(folder) in ("demo", "official") else str(folder)
    patch["corpora"] = {name: {"source": source, "annotations": str(table)}}
    return head + yaml.safe_dump(patch, sort_keys=False, default_flow_style=None, width=1000)


def known_emotions(classes: list[str]) -> bool:
    """Tell whether published classifiers and prompts name an emotion for each class."""
    try:
        counterparts(CLASSES["meld"], classes)
    except CheckpointError:
        return False
    return True


def patch_of(name: str, present: list[str], zero_shot: bool, root: Path) -> dict[str, Any]:
    """Make the block ``run`` for the corpus `name` alone.

    It has every stage of dvc.yaml that can run on this corpus, but for those on further frames.

    Args:
        name: name of the corpus.
        present: modalities that it has, of text, audio and video.
        zero_shot: published models know its classes.
        root: folder of dvc.yaml and params/.
    """
    preset = yaml.safe_load(presets.compose("paper", root / "params"))
    stages = stages_at(root)
    zero_shot_features = {
        feature
        for feature, block in preset["features"].items()
        if block.get("output") == "probabilities"
    }
    features: set[str] = set()
    systems: dict[str, Any] = {}
    for paper in preset["papers"]:
        run = preset["run"][paper]
        for stage in (key for key, block in run.items() if isinstance(block, dict)):
            needs = requirements_of(f"{paper}_{stage}", stages, preset)
            allowed = zero_shot or not needs.features & zero_shot_features
            # further frames are stored where media.dense_frames says so, not in the demo preset
            further = any("/frames_dense" in path for path in stages[f"{paper}_{stage}"]["deps"])
            if allowed and not further and needs.modalities <= set(present):
                systems.setdefault(paper, {"protocols": ["clean"]})[stage] = {"corpora": [name]}
                features |= needs.features
    groups = {
        group: {"corpora": [name], "features": made}
        for group, block in preset["run"]["features"].items()
        if (made := [feature for feature in block["features"] if feature in features])
    }
    return {"run": {"corpora": [name], "papers": list(systems), "features": groups, **systems}}
