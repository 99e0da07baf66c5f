"""Digests of what stages depend on besides parameters and files: the code that they reach.

Downloads are the exception: they depend on URLs and digests alone, since an edit of code must not
repeat a download of 10.9 GB.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from stage import Point, Stage

from merflow.checkpoints.demo import MAKERS
from merflow.origins import official_sources
from merflow.provenance import digest, digest_of_values


def compute(stages: Iterable[Stage], params: Mapping[str, Any]) -> dict[str, str]:
    """Digest of each key of code (`Stage.code_key`).

    Args:
        stages: with their points.
        params: params.yaml, complete.
    """
    digests: dict[str, str] = {}
    for stage in stages:
        for point in stage.points:
            key = stage.code_key(point)
            if key not in digests:
                digests[key] = _digest(stage, point, params)
    return digests


def _digest(stage: Stage, point: Point, params: Mapping[str, Any]) -> str:
    roots = stage.roots(point)
    if "fetch" in stage.name:
        return _download(point["corpus"], params["corpora"][point["corpus"]]["source"], roots)
    if "checkpoint" in stage.name:  # what is downloaded is in params.yaml
        maker = params["checkpoints"][point["checkpoint"]].get("demo")
        return digest(MAKERS[maker]) if maker else "none"
    return digest(*roots)


def _download(corpus: str, source: str, demo: list[str]) -> str:
    """Digest of the code of a demo corpus, or of a download's request."""
    if source == "demo":
        return digest(*demo)
    sources = official_sources(corpus) if source == "official" else ()
    return digest_of_values([file.identity() for file in sources])
