"""A checkpoint that lacks weights is refused by networks that start from it."""

import json
import re

import pytest
from safetensors.torch import load_file, save_file
from support.tiny_checkpoint import save_tiny_bert
from support.tiny_vision import save_tiny_swin

from merflow.errors import CheckpointError
from merflow.nn.swin import load_swin
from merflow.nn.text import text_encoder


def without(folder, prefix):
    """Remove the weights whose names begin with `prefix`."""
    path = folder / "model.safetensors"
    kept = {name: value for name, value in load_file(path).items() if not name.startswith(prefix)}
    assert len(kept) < len(load_file(path))
    save_file(kept, path, {"format": "pt"})
    return folder


def refusal(folder, n, model, first, how="not in it"):
    line = f"{folder}: {n} weights of {model} are {how}, the first is {first}; they would be random"
    return "^" + re.escape(line)


def test_a_bert_without_half_of_its_layers_is_refused(tmp_path):
    folder = without(save_tiny_bert(tmp_path / "bert"), "encoder.layer.1.")
    first = "encoder.layer.1.attention.output.LayerNorm.bias"
    with pytest.raises(CheckpointError, match=refusal(folder, 16, "BertModel", first)):
        text_encoder(folder)


def test_a_bert_without_the_head_that_is_not_used_is_loaded(tmp_path):
    encoder = text_encoder(without(save_tiny_bert(tmp_path / "bert"), "pooler."))
    stored = load_file(tmp_path / "bert/model.safetensors")
    for name, value in encoder.state_dict().items():
        assert value.equal(stored[name])


def test_a_bert_with_weights_of_another_shape_is_refused(tmp_path):
    folder = save_tiny_bert(tmp_path / "bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    first, how = "encoder.layer.0.intermediate.dense.bias", "of another shape in it"
    with pytest.raises(CheckpointError, match=refusal(folder, 6, "BertModel", first, how)):
        text_encoder(folder)


def test_a_swin_without_half_of_its_blocks_is_refused_if_used(tmp_path):
    folder = without(save_tiny_swin(tmp_path / "swin"), "encoder.layers.1.")
    with pytest.raises(CheckpointError, match=r"weights of SwinModel are not in it, the first is"):
        load_swin(folder, pretrained=True)
    load_swin(folder, pretrained=False)  # its layout alone
