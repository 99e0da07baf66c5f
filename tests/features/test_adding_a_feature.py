"""The example of docs/adding-a-feature.md is a working extractor."""

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from pydantic import Field
from test_extract import build, sounds

from merflow import artifacts, registry
from merflow.params import base
from merflow.params import features as models
from merflow.store import read_features, read_metadata

PAGE = (Path(__file__).parents[2] / "docs/adding-a-feature.md").read_text(encoding="utf-8")


@pytest.fixture
def loudness(monkeypatch):
    """The module of the page under the name that it gives, with its line and its parameters."""
    module_code, model_code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    scope = {"Strict": base.Strict, "Positive": base.Positive, "Field": Field}
    exec(model_code, scope)
    monkeypatch.setattr(models, "LoudnessParams", scope["LoudnessParams"], raising=False)
    name, path = re.search(r'`"(\w+)": "([\w.]+)"`', PAGE).groups()
    module = ModuleType(path)
    exec(module_code, module.__dict__)
    monkeypatch.setitem(sys.modules, path, module)
    monkeypatch.setitem(registry.EXTRACTORS, name, path)
    return yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1])[name]


def test_the_example_makes_a_store(tmp_path, loudness):
    index = sounds(tmp_path, {"noise": 16_000, "silent": -8_000})
    stored = build(tmp_path, [index], 2, feature="loudness", spec=loudness)
    arrays = read_features(stored)
    assert {name: array.shape for name, array in arrays.items()} == {
        "noise": (101, 1),
        "silent": (51, 1),
    }
    np.testing.assert_allclose(
        arrays["noise"][5:95].mean(), 0.2 / np.sqrt(12), rtol=0.05
    )  # of uniform noise in -0.1..0.1
    meta = read_metadata(stored, artifacts.FEATURES)
    assert meta["spec"]["columns"] == ["rms"]
    assert [(d["utterance_id"], d["kind"]) for d in meta["defects"]] == [("silent", "silence")]
