"""Digests of what stages depend on besides parameters and files: the code that they reach.

Downloads are the exception: they depend on URLs and digests alone, since an edit of code must not
repeat a download of 10.9 GB.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from stage import Point, Stage

from merflow import registry
from merflow.checkpoints.demo import MAKERS
from merflow.corpora.annotations import Annotations
from merflow.corpora.corpus import Source
from merflow.provenance import constant, digest, digest_of_values


def compute(
    stages: Iterable[Stage], params: Mapping[str, Any], annotations: Mapping[str, Annotations]
) -> dict[str, str]:
    """Digest of each key of code (`Stage.code_key`).

    Args:
        stages: with their points.
        params: params.yaml, complete.
        annotations: of custom corpora, by name; they lie outside the checkout.
    """
    digests: dict[str, str] = {}
    for stage in stages:
        for point in stage.points:
            key = stage.code_key(point)
            if key not in digests:
                digests[key] = _digest(stage, point, params, annotations)
    return digests


def _digest(
    stage: Stage, point: Point, params: Mapping[str, Any], annotations: Mapping[str, Annotations]
) -> str:
    roots = stage.roots(point)
    if stage.name == "fetch":
        return _download(point["corpus"], params["corpora"][point["corpus"]]["source"], roots)
    if stage.name == "checkpoint":  # what is downloaded is in params.yaml
        maker = params["checkpoints"][point["checkpoint"]].get("demo")
        return digest(MAKERS[maker]) if maker else "none"
    if stage.name == "prepare" and point["corpus"] in annotations:
        rows = annotations[point["corpus"]].identity()
        return f"{digest(*roots)}-{digest_of_values(rows)}"
    return digest(*roots)


def _download(corpus: str, source: str, demo: list[str]) -> str:
    """Digest of the code of a demo corpus, or of a download's request."""
    if source == "demo":
        return digest(*demo)
    sources = official_sources(corpus) if source == "official" else ()
    return digest_of_values([file.identity() for file in sources])


def official_sources(corpus: str) -> tuple[Source, ...]:
    """Files that ``source: official`` downloads, without the imports of the corpus' module."""
    sources: tuple[Source, ...] = constant(registry.CORPORA[corpus], "SOURCES", Source=Source)
    return sources
