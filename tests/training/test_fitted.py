from importlib import import_module

import numpy as np
import pytest
import yaml

from merflow import presets
from merflow.registry import PAPERS
from merflow.systems import System
from merflow.training.fitted import load, save

PARAMS = yaml.safe_load(presets.compose("paper"))["papers"]
WITH_TRANSFORMERS = [
    (paper, name)
    for paper, module in PAPERS.items()
    for name, system in import_module(module).SYSTEMS.items()
    if isinstance(system, System) and system.transformers
]
UNSEEN = np.random.default_rng(1).normal(size=(7, 120)).astype(np.float32)


def fit(system, input_params):
    rng = np.random.default_rng(0)
    frames = rng.normal(3, 2, size=(90, 120)).astype(np.float32)
    labels = rng.integers(0, 4, size=90)
    transformers = {name: make(**input_params[name]) for name, make in system.transformers.items()}
    for transformer in transformers.values():
        transformer.fit(frames, labels)
    return transformers


@pytest.mark.parametrize(("paper", "name"), WITH_TRANSFORMERS)
def test_stored_transformers_give_the_same_values(paper, name, tmp_path):
    system = import_module(PAPERS[paper]).SYSTEMS[name]
    input_params = PARAMS[paper]["systems"][name]["inputs"]
    fitted = fit(system, input_params)
    save(fitted, tmp_path / "0-1.inputs.safetensors")
    loaded = load(tmp_path / "0-1.inputs.safetensors", system.transformers, input_params)
    assert loaded.keys() == fitted.keys()
    for key, transformer in loaded.items():
        values = transformer.transform(UNSEEN)
        np.testing.assert_array_equal(values, fitted[key].transform(UNSEEN))
        assert not np.array_equal(values, UNSEEN)


def test_selection_by_norm_is_stored_too(tmp_path):
    system = import_module(PAPERS["joint_cnn"]).SYSTEMS["speech_cnn"]
    input_params = {"speech": {"method": "norm", "keep": 30, "alpha": 1.0}}
    fitted = fit(system, input_params)
    save(fitted, tmp_path / "0-1.inputs.safetensors")
    loaded = load(tmp_path / "0-1.inputs.safetensors", system.transformers, input_params)
    values = loaded["speech"].transform(UNSEEN)
    np.testing.assert_array_equal(values, fitted["speech"].transform(UNSEEN))
    assert values.shape == (7, 30)


def test_no_file_is_written_without_transformers(tmp_path):
    save({}, tmp_path / "0-1.inputs.safetensors")
    assert not any(tmp_path.iterdir())
    assert load(tmp_path / "0-1.inputs.safetensors", {}, {}) == {}
