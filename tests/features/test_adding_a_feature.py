"""The example of docs/adding-a-feature.md is a working extractor."""

import re
import sys
from types import ModuleType

import numpy as np
import pytest
import yaml
from pydantic import Field
from support import ROOT
from support.feature_stores import build_store, write_noise

from merflow import artifacts, registry
from merflow.params import base
from merflow.params import features as models
from merflow.store import read_features, read_metadata

PAGE = (ROOT / "docs/adding-a-feature.md").read_text(encoding="utf-8")


@pytest.fixture
def loudness(monkeypatch):
    """Register the page's module under the name that the page gives; return its parameters."""
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
    index = write_noise(tmp_path, {"noise": 16_000, "silent": -8_000})
    store = build_store(tmp_path, [index], 2, "loudness", loudness)
    arrays = read_features(store)
    shapes = {utterance_id: array.shape for utterance_id, array in arrays.items()}
    assert shapes == {"noise": (101, 1), "silent": (51, 1)}
    uniform = 0.2 / np.sqrt(12)  # standard deviation of uniform noise in -0.1..0.1
    np.testing.assert_allclose(arrays["noise"][5:95].mean(), uniform, rtol=0.05)
    metadata = read_metadata(store, artifacts.FEATURES)
    assert metadata["spec"]["columns"] == ["rms"]
    defects = [(row["utterance_id"], row["kind"]) for row in metadata["defects"]]
    assert defects == [("silent", "silence")]
