"""List of things that are missing for a run, a line each.

Each line says how to go on without the thing.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from merflow import gpus, paths
from merflow.corpora import annotations, disk
from merflow.corpora.corpus import Source
from merflow.errors import MerflowError
from merflow.origins import official_sources
from merflow.params import CheckpointParams, CorpusParams, Params
from merflow.preflight import hosts, room

#: Scratch folders of downloads, as workflow/rules/ hands them to the steps.
DOWNLOADS = "build/fetch/{corpus}/downloads"
CHECKPOINT_DOWNLOADS = "build/fetch/checkpoints/{checkpoint}/downloads"


class Finding(NamedTuple):
    """Something that is missing for a run.

    Attributes:
        text: what it is and how to go on without it, in one line.
        certain: a job fails without it.
        corpora: corpora that are not available without it.
    """

    text: str
    certain: bool = True
    corpora: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """Jobs of a run, as far as something may be missing for them.

    Attributes:
        corpora: to fetch.
        checkpoints: to fetch.
        media: corpora to decode.
        features: corpus and feature to extract.
        fine_tuned: paper and system that start from a checkpoint, one entry per training job.
        gpus: most GPUs that a job reserves.
        local: jobs run on this machine.
    """

    corpora: Sequence[str] = ()
    checkpoints: Sequence[str] = ()
    media: Sequence[str] = ()
    features: Sequence[tuple[str, str]] = ()
    fine_tuned: Sequence[tuple[str, str]] = ()
    gpus: int = 0
    local: bool = True


class _Download(NamedTuple):
    """File that a run must download: what it belongs to, and its URL."""

    owner: str
    url: str
    needed: bool = True
    corpus: str | None = None


def find(params: Params, work: Work, root: Path) -> list[Finding]:
    """List what is missing, certain things last.

    Takes a second without hosts to ask, and at most five with them.

    Args:
        params: params.yaml.
        work: jobs of the run.
        root: the checkout.
    """
    local = [of_corpus(name, params.corpora[name], root) for name in work.corpora]
    local += [of_checkpoint(name, params.checkpoints[name], root) for name in work.checkpoints]
    findings = [finding for finding in local if finding]
    known = {name for finding in findings for name in finding.corpora}
    downloads = [
        download
        for name in work.corpora
        if name not in known
        for download in _corpus_downloads(name, params, root)
    ]
    for name in work.checkpoints:
        downloads += _checkpoint_downloads(name, params.checkpoints[name], root)
    findings += _of_hosts(downloads)
    findings += [*_of_room(params, work, root), *_of_gpus(params, work)]
    return sorted(_with_the_rest(findings, params), key=lambda finding: finding.certain)


def of_corpus(name: str, corpus: CorpusParams, root: Path) -> Finding | None:
    """Report a corpus whose form or folder is missing; nothing is asked of a network."""
    if corpus.source == "demo":
        return None
    table = corpus.annotations
    from merflow.corpora.fetch import check_source  # pandas takes half a second

    try:
        names_clips = annotations.read(root / paths.of_user(table)).names_clips if table else False
        check_source(name, corpus.source, root / paths.RAW.format(corpus=name), names_clips)
    except MerflowError as error:
        return Finding(str(error), corpora=(name,))
    return None


def of_checkpoint(name: str, checkpoint: CheckpointParams, root: Path) -> Finding | None:
    """Report a checkpoint that is not on this machine and cannot be downloaded."""
    if checkpoint.demo:
        return None
    folder = f"checkpoints.{name}: {{folder: <path>}}"
    if checkpoint.hub and checkpoint.revision:
        from huggingface_hub import constants

        if constants.HF_HUB_OFFLINE and not _cached(checkpoint):
            return Finding(
                f"checkpoint {name}: HF_HUB_OFFLINE is set, and {checkpoint.name} is not in the "
                f"Hub's local cache; unset it, or set {folder}"
            )
        return None
    if checkpoint.url:
        local = Path(urlsplit(checkpoint.url).path)
        if checkpoint.url.startswith("file:") and not local.is_file():
            return Finding(f"checkpoint {name}: {local}: no such file; or set {folder}")
        return None
    from merflow.checkpoints.fetch import local_files

    try:
        local_files(name, checkpoint, root / paths.CHECKPOINT.format(checkpoint=name))
    except MerflowError as error:
        return Finding(f"checkpoint {name}: {error}; or set {folder}")
    return None


def in_cache(checkpoint: CheckpointParams) -> bool:
    """Tell whether the Hub's local cache has a checkpoint, so that it needs no network."""
    return bool(checkpoint.hub) and _cached(checkpoint)


def _cached(checkpoint: CheckpointParams) -> bool:
    from merflow.checkpoints.hub import cached

    return cached(str(checkpoint.hub), str(checkpoint.revision)) is not None


def _corpus_downloads(name: str, params: Params, root: Path) -> list[_Download]:
    """Files of a corpus that an earlier run has not downloaded already."""
    if params.corpora[name].source != "official":
        return []
    from merflow.corpora.fetch import place_of

    folder = root / DOWNLOADS.format(corpus=name)
    return [
        _Download(f"corpus {name}", _http(source.url), source.needed, name)
        for source in official_sources(name)
        if not (place_of(source, folder) / source.name).is_file()
    ]


def _http(url: str) -> str:
    """URL to ask for a file; a data set of the Hub has another scheme."""
    if not url.startswith("hf:"):
        return url
    from huggingface_hub import constants

    return constants.ENDPOINT


def _checkpoint_downloads(name: str, checkpoint: CheckpointParams, root: Path) -> list[_Download]:
    if checkpoint.hub and checkpoint.revision:
        from huggingface_hub import constants

        if constants.HF_HUB_OFFLINE or _cached(checkpoint):
            return []
        return [_Download(f"checkpoint {name}", hosts.hub_url(checkpoint.hub, checkpoint.revision))]
    if not checkpoint.url:
        return []
    from merflow.corpora.fetch import place_of

    source = Source(checkpoint.url)
    folder = root / CHECKPOINT_DOWNLOADS.format(checkpoint=name)
    present = (place_of(source, folder) / source.name).is_file()
    return [] if present else [_Download(f"checkpoint {name}", checkpoint.url)]


def _of_hosts(downloads: Iterable[_Download]) -> list[Finding]:
    """Report hosts that do not answer, with what they were to send."""
    by_host: dict[str, list[_Download]] = defaultdict(list)
    for download in downloads:
        if download.url.startswith(("http:", "https:")):
            by_host[urlsplit(download.url).netloc.rpartition("@")[2]].append(download)
    silent = hosts.silent({host: files[0].url for host, files in by_host.items()})
    return [_of_host(host, reason, by_host[host]) for host, reason in silent.items()]


def _of_host(host: str, reason: str, files: list[_Download]) -> Finding:
    owners = list(dict.fromkeys(file.owner for file in files))
    corpora = tuple(dict.fromkeys(file.corpus for file in files if file.corpus and file.needed))
    failure = f"cannot be downloaded: {host} does not answer ({reason})"
    if not any(file.needed for file in files):
        failure += "; the run goes on without these files, which only some systems need"
        return Finding(f"{_listed(owners)}: {len(files)} files {failure}", certain=False)
    settings = [f"corpora.{name}.source: <folder>" for name in corpora]
    if any(not file.corpus for file in files):
        settings.append("checkpoints.<name>: {folder: <path>}")
    remedy = f"check the network, or set {' and '.join(settings)}"
    return Finding(f"{_listed(owners)} {failure}; {remedy}", corpora=corpora)


def _listed(owners: list[str]) -> str:
    """Names after their kinds: "corpus meld", "checkpoints bert, clip"."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for owner in owners:
        kind, _, name = owner.partition(" ")
        by_kind[kind].append(name)
    plural = {"corpus": "corpora", "checkpoint": "checkpoints"}
    return " and ".join(
        f"{plural[kind] if len(names) > 1 else kind} {', '.join(names)}"
        for kind, names in by_kind.items()
    )


def _of_room(params: Params, work: Work, root: Path) -> list[Finding]:
    """Report a disk that is too small."""
    findings = []
    free = disk.free(root / "data")
    for name in work.corpora:
        source = params.corpora[name].source
        if source not in ("demo", "official"):
            size = room.size_of(paths.of_user(source))
            if size > free:
                findings.append(
                    Finding(
                        f"disk: the copy of {source} (corpus {name}) needs {_gb(size)}, and "
                        f"{_gb(free)} are free; free some",
                        corpora=(name,),
                    )
                )
    needed = room.estimate(params, root, work.corpora, work.checkpoints, work.media, work.features)
    if needed > free:
        findings.append(
            Finding(
                f"disk: the run writes {_gb(needed)} (a rough estimate, without weights), and "
                f"{_gb(free)} are free; free some, or choose less with run.corpora and run.papers "
                "(docs/paper-scale.md)",
                certain=False,
            )
        )
    return findings


def _of_gpus(params: Params, work: Work) -> list[Finding]:
    """Report an absent GPU that jobs reserve or the preset supposes."""
    if not work.local or not (work.gpus or work.fine_tuned) or gpus.visible():
        return []
    if work.gpus:
        return [
            Finding(
                f"GPU: jobs reserve {work.gpus}, and no GPU is here (nvidia-smi, "
                "CUDA_VISIBLE_DEVICES); start without --profile profiles/gpu and --resources gpu"
            )
        ]
    if params.training.precision != "bf16":
        return []
    systems, papers = set(work.fine_tuned), {paper for paper, _ in work.fine_tuned}
    rest = [paper for paper in params.run.papers if paper not in papers]
    without = f", or without one run.papers: [{', '.join(rest)}]" if rest else ""
    return [
        Finding(
            f"GPU: none is here, and {len(systems)} systems of {', '.join(sorted(papers))} "
            f"fine-tune a pre-trained model, in {len(work.fine_tuned)} jobs: on "
            f"{len(os.sched_getaffinity(0))} CPU cores expect days to months (python "
            "benchmarks/paper_scale.py --utterances 64 estimates it); go on with a GPU (snakemake "
            f"--profile profiles/gpu, docs/cluster.md){without}, or with the demo preset",
            certain=False,
        )
    ]


def _with_the_rest(findings: list[Finding], params: Params) -> list[Finding]:
    """Add to each line on a corpus how to run without all missing ones."""
    missing = {name for finding in findings for name in finding.corpora}
    rest = [name for name in params.run.corpora if name not in missing]

    def completed(finding: Finding) -> Finding:
        if not finding.corpora:
            return finding
        demo = ", ".join(f"corpora.{name}.source: demo" for name in finding.corpora)
        remedy = f"leave it out: run.corpora: [{', '.join(rest)}]" if rest else f"try {demo}"
        return finding._replace(text=f"{finding.text}; or {remedy}")

    return list(map(completed, findings))


def _gb(size: float) -> str:
    return f"{size / room.GB:,.0f} GB"
