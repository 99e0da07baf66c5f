"""Modalities and files that each stage of dvc.yaml needs, directly or through other stages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

WORDS = "words"  # when each is spoken: no annotations of one's own say it
FEATURE = "data/features/${{item.corpus}}/{}.parquet"  # a store among the inputs of a stage


@dataclass
class Requirements:
    """What a stage takes.

    Attributes:
        modalities: of text, audio, video and WORDS.
        features: stores, by name.
    """

    modalities: set[str] = field(default_factory=set)
    features: set[str] = field(default_factory=set)

    def add(self, other: "Requirements") -> None:
        """Take that too."""
        self.modalities |= other.modalities
        self.features |= other.features


def inputs(stage: str, stages: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    """Inputs of `stage` as dvc.yaml lists them, with the values of params.yaml that stand in them.

    Args:
        stage: of an extractor or of systems.
        stages: block ``stages`` of dvc.yaml.
        params: params.yaml, complete.
    """

    def value(key: re.Match[str]) -> str:
        return str(reduce(lambda node, part: node[part], key[1].split("."), params))

    return [re.sub(r"\$\{(papers\.[\w.]+)\}", value, path) for path in stages[stage]["deps"]]


def taken(stage: str, stages: Mapping[str, Any], params: Mapping[str, Any]) -> Requirements:
    """Collect what `stage` takes, through features and other systems; arguments as of `inputs`."""
    found = Requirements()
    for path in inputs(stage, stages, params):
        folder, *rest = path.removeprefix("data/").split("/")
        name = rest[-1].removesuffix(".parquet")
        if folder == "raw":
            found.modalities.add(WORDS)
        elif folder == "media":
            found.modalities.add("audio" if name == "audio" else "video")
        elif folder == "features":
            group = next(
                group
                for group, block in params["run"]["features"].items()
                if name in block["features"]
            )
            found.add(taken(f"extract_{group}", stages, params))
            found.features.add(name)
        elif folder == "results":
            paper, system = rest[:2]
            rows = (
                (key, block)
                for key, block in params["run"][paper].items()
                if isinstance(block, dict)
            )
            found.add(
                taken(
                    f"{paper}_{next(key for key, block in rows if system in block['systems'])}",
                    stages,
                    params,
                )
            )
    if not found.modalities:  # what it takes of utterances.parquet is their text
        found.modalities.add("text")
    return found
