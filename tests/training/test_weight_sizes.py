"""Sizes of weights: what `small` keeps is small, at the widths of both presets, and nothing else.

Which systems fine-tune a model (`System.pretrained`) and which stages take a checkpoint agree:
tests/test_contracts.py.
"""

from pathlib import Path

import pytest
import torch
import yaml
from generated_inputs import ROBERTA, TINY_TEXT, save_encoders
from paper_scale import Case, trained, transform
from support import ROOT
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel, SwinConfig, SwinModel

from merflow import presets
from merflow.kept_weights import LIMIT_MB, largest
from merflow.registry import PAPERS
from merflow.training.inputs import dims_of

PRESETS = {
    name: yaml.safe_load(presets.compose(name, ROOT / "params")) for name in ("paper", "demo")
}
PUBLISHED = [
    (BertModel, BertConfig()),
    (RobertaModel, RobertaConfig(**ROBERTA)),
    (SwinModel, SwinConfig()),
]


def megabytes(network: torch.nn.Module) -> float:
    values = network.state_dict().values()
    return sum(value.numel() * value.element_size() for value in values) / 1e6


@pytest.fixture(scope="module")
def encoders(tmp_path_factory) -> Path:
    """Folder of small encoders, as the demo makes them."""
    folder = tmp_path_factory.mktemp("encoders")
    save_encoders(folder, small=True)
    narrow = RobertaConfig(**ROBERTA | TINY_TEXT | {"vocab_size": 30_000, "hidden_size": 8})
    RobertaModel(narrow).save_pretrained(folder / "roberta")
    return folder


def network_of(case: Case) -> torch.nn.Module:
    """Network of a system whose inputs have the widths of the real ones."""
    system = case.system_of(case.system)
    shapes = {name: case.hidden_shape(name) for name in system.members}
    train, dev = (case.examples(case.system, n, shapes) for n in (16, 2))
    transform(system, case.block["systems"][case.system], train, dev)
    return case.network(case.system, dims_of(train.inputs))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("paper", PAPERS)
def test_networks_without_a_published_model_are_small(preset, paper, encoders):
    params = PRESETS[preset] | {"run": PRESETS["paper"]["run"]}
    sizes = {}
    for system, corpus in trained(paper, params):
        case = Case(paper, system, corpus, params, encoders)
        # the demo has a BERT that is published, and makes the other models
        published = case.system_of(system).pretrained and (preset == "paper" or "bert" in system)
        if system not in sizes and not published:
            sizes[system] = megabytes(network_of(case))
    assert all(size <= largest(paper) for size in sizes.values()), sizes
    if preset == "paper" and sizes:  # the estimate in `merflow status` is not far off
        assert max(sizes.values()) > largest(paper) / 2
    assert largest(paper) <= LIMIT_MB


@pytest.mark.parametrize(("model", "config"), PUBLISHED)
def test_networks_that_fine_tune_a_published_model_are_not(model, config):
    with torch.device("meta"):
        assert megabytes(model(config)) > 2 * LIMIT_MB
