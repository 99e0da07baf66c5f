from importlib import import_module

import numpy as np
import pytest
import yaml

from merflow import presets
from merflow.registry import PAPERS
from merflow.systems import System
from merflow.training.fitted import load, save

BLOCKS = yaml.safe_load(presets.compose("paper"))["papers"]
FITTED = [
    (paper, name)
    for paper, module in PAPERS.items()
    for name, row in import_module(module).SYSTEMS.items()
    if isinstance(row, System) and row.fitted
]


def fit(row, settings):
    rng = np.random.default_rng(0)
    frames, labels = (
        rng.normal(3, 2, size=(90, 120)).astype(np.float32),
        rng.integers(0, 4, size=90),
    )
    made = {name: make(**settings[name]) for name, make in row.fitted.items()}
    for one in made.values():
        one.fit(frames, labels)
    return made


@pytest.mark.parametrize(("paper", "name"), FITTED)
def test_what_was_fitted_does_the_same_to_other_clips_when_it_is_read_again(paper, name, tmp_path):
    row, settings = (
        import_module(PAPERS[paper]).SYSTEMS[name],
        BLOCKS[paper]["systems"][name]["inputs"],
    )
    fitted = fit(row, settings)
    save(fitted, tmp_path / "0-1.inputs.safetensors")
    read = load(tmp_path / "0-1.inputs.safetensors", row.fitted, settings)
    others = np.random.default_rng(1).normal(size=(7, 120)).astype(np.float32)
    assert read.keys() == fitted.keys()
    for key, one in read.items():
        np.testing.assert_array_equal(one.transform(others), fitted[key].transform(others))
        assert not np.array_equal(one.transform(others), others)


def test_the_other_method_of_selection_is_read_again_too(tmp_path):
    row = import_module(PAPERS["joint_cnn"]).SYSTEMS["speech_cnn"]
    settings = {"speech": {"method": "norm", "keep": 30, "alpha": 1.0}}
    fitted = fit(row, settings)
    save(fitted, tmp_path / "0-1.inputs.safetensors")
    others = np.random.default_rng(1).normal(size=(7, 120)).astype(np.float32)
    found = load(tmp_path / "0-1.inputs.safetensors", row.fitted, settings)["speech"].transform(
        others
    )
    np.testing.assert_array_equal(found, fitted["speech"].transform(others))
    assert found.shape == (7, 30)


def test_nothing_is_written_where_nothing_is_fitted(tmp_path):
    save({}, tmp_path / "0-1.inputs.safetensors")
    assert not any(tmp_path.iterdir())
    assert load(tmp_path / "0-1.inputs.safetensors", {}, {}) == {}
