"""The typed model of params.yaml and its one-line errors; merflow.presets composes the file.

The models are the only place that says which keys exist, what they mean and which values they may
have. Steps parse their slice of the file with the same classes. So a value is checked in the same
way before the first job and inside it.

- ``whole``: the file, and what its parts must agree on.
- ``sources``, ``features``, ``systems``: models that several blocks share.
- One module per paper: its blocks ``run.<paper>`` and ``papers.<paper>``.
- ``comments``: writes the descriptions of the models above the keys of params/paper.yaml.
"""

import json
from pathlib import Path
from typing import Any

from merflow.errors import ParamsError
from merflow.params import yaml_text
from merflow.params.expected_results import expected_results
from merflow.params.features import (
    AlignedParams,
    ClipParams,
    EncoderParams,
    FaceParams,
    FeatureGroupsParams,
    FeaturesParams,
    MediaParams,
    MelParams,
    SmileAlignedParams,
    SmileParams,
    SwinParams,
    Wav2vec2Params,
    WordVectorParams,
)
from merflow.params.sources import CheckpointParams, CorpusParams
from merflow.params.systems import (
    FusionParams,
    LinearParams,
    OffTheShelfParams,
    ProtocolParams,
    SystemParams,
    TrainingParams,
)
from merflow.params.validation import validated
from merflow.params.whole import EvaluationParams, PapersParams, Params

__all__ = [
    "AlignedParams",
    "CheckpointParams",
    "ClipParams",
    "CorpusParams",
    "EncoderParams",
    "EvaluationParams",
    "FaceParams",
    "FeatureGroupsParams",
    "FeaturesParams",
    "FusionParams",
    "LinearParams",
    "MediaParams",
    "MelParams",
    "OffTheShelfParams",
    "PapersParams",
    "Params",
    "ParamsError",
    "ProtocolParams",
    "SmileAlignedParams",
    "SmileParams",
    "SwinParams",
    "SystemParams",
    "TrainingParams",
    "Wav2vec2Params",
    "WordVectorParams",
    "check",
    "expected_results",
    "load",
    "read",
    "slice_of",
    "validated",
]


def load(path: Path) -> Params:
    """Read and check a params file.

    Raises:
        ParamsError: no such file, not YAML (see `yaml_text`), or a key or value that cannot be; one
            line names the key.
    """
    return check(_text(path), str(path))


def read(path: Path) -> dict[str, Any]:
    """Read and check a params file, see `load`; return its values as they stand there."""
    text = _text(path)
    values = _parsed(text, str(path))
    validated(Params, values, str(path))
    return values


def check(text: str, place: str) -> Params:
    """Parse the text of a params file, see `load`; messages begin with `place`."""
    return validated(Params, _parsed(text, place), place)


def slice_of(text: str) -> dict[str, Any]:
    """Parse a rule's slice of params.yaml, canonical JSON: dotted key -> value."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ParamsError(f"--params must be a JSON object of dotted keys, not {text[:60]!r}")
    return value


def _text(path: Path) -> str:
    return yaml_text.read(path, "make it with `merflow params demo`")


def _parsed(text: str, place: str) -> Any:
    values = yaml_text.parse(text, place)
    if not isinstance(values, dict):
        what = "is empty" if values is None else f"expected keys with values, not {values!r:.40}"
        raise ParamsError(f"{place}: {what}; make it anew with `merflow params demo --force`")
    return values
