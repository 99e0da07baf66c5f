"""Modalities and features that each stage of dvc.yaml needs, directly or through other stages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from merflow import paths

WORDS = "words"  # times of spoken words, which annotations of custom corpora lack


@dataclass
class Requirements:
    """Modalities and features that a stage needs.

    Attributes:
        modalities: among text, audio, video and WORDS.
        features: names of feature stores.
    """

    modalities: set[str] = field(default_factory=set)
    features: set[str] = field(default_factory=set)

    def add(self, other: "Requirements") -> None:
        """Include the requirements of another stage."""
        self.modalities |= other.modalities
        self.features |= other.features


def dependencies(stage: str, stages: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    """Dependencies of a stage as in dvc.yaml, with the values of params.yaml filled in.

    Args:
        stage: name of a stage that makes features or results.
        stages: ``stages`` of dvc.yaml.
        params: params.yaml, complete.
    """

    def value(key: re.Match[str]) -> str:
        return str(reduce(lambda node, name: node[name], key[1].split("."), params))

    return [re.sub(r"\$\{(papers\.[\w.]+)\}", value, path) for path in stages[stage]["deps"]]


def requirements_of(
    stage: str, stages: Mapping[str, Any], params: Mapping[str, Any]
) -> Requirements:
    """Collect the requirements of a stage, through features and other systems.

    Args:
        stage: name of a stage that makes features or results.
        stages: ``stages`` of dvc.yaml.
        params: params.yaml, complete.
    """
    needed = Requirements()
    for path in dependencies(stage, stages, params):
        if paths.names(paths.RAW, path):
            needed.modalities.add(WORDS)
        elif names := paths.names(paths.MEDIUM, path):
            needed.modalities.add("audio" if names["medium"] == "audio" else "video")
        elif names := paths.names(paths.FEATURE, path):
            group = _group(params["run"]["features"], "features", names["feature"])
            if group:
                needed.add(requirements_of(f"extract_{group}", stages, params))
            needed.features.add(names["feature"])
        elif names := paths.names(paths.RESULT, path):
            group = _group(params["run"][names["paper"]], "systems", names["system"])
            if group:
                needed.add(requirements_of(f"{names['paper']}_{group}", stages, params))
    if not needed.modalities:  # nothing but the table of utterances: its text
        needed.modalities.add("text")
    return needed


def _group(run: Mapping[str, Any], members: str, name: str) -> str | None:
    """Find the group of features or systems under ``run`` that lists a name.

    None if no group does.
    """
    groups = {key: group for key, group in run.items() if isinstance(group, dict)}
    return next((key for key, group in groups.items() if name in group[members]), None)
