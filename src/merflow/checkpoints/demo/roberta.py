"""A small RoBERTa (https://arxiv.org/abs/1907.11692): byte-level BPE and masked words.

It learns from sentences like the demo corpora's.
"""

import json
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import RobertaConfig, RobertaForMaskedLM, RobertaTokenizer

from merflow.checkpoints.demo.material import sentences
from merflow.checkpoints.demo.training import SEED, fit, repeatable
from merflow.progress import log

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
TRAIN, TEST, STEPS, BATCH = 4000, 400, 250, 48
PIECES = 1000
MASKED = 0.15
IGNORED = -100  # target that counts for nothing in the loss


def make(name: str, folder: Path) -> None:
    """Save the model, its head included, with its tokenizer."""
    texts = sentences(TRAIN + TEST)
    tokenizer = _tokenizer(texts[:TRAIN])
    ids = tokenizer(texts, padding=True, return_tensors="pt")["input_ids"]
    with repeatable():
        network = RobertaForMaskedLM(_configuration(tokenizer))
        rng = np.random.default_rng(SEED)

        def loss(chosen: np.ndarray) -> torch.Tensor:
            inputs, targets = _mask(ids[chosen], tokenizer, rng)
            return network(**inputs, labels=targets).loss

        fit(network, loss, TRAIN, STEPS, BATCH, learning_rate=3e-3)
        accuracy, most_frequent = _evaluate(network, *_mask(ids[TRAIN:], tokenizer, rng))
    log.info(
        "demo %s: %.2f of masked tokens found in new sentences, by the most frequent token %.2f",
        name,
        accuracy,
        most_frequent,
    )
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _configuration(tokenizer: RobertaTokenizer) -> RobertaConfig:
    return RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=514,  # 512 tokens, as RoBERTa: positions begin at 2
        type_vocab_size=1,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def _mask(
    ids: torch.Tensor, tokenizer: RobertaTokenizer, rng: np.random.Generator
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Mask a share of the words.

    Returns:
        Inputs of the network, and targets (B, T): the masked tokens, elsewhere IGNORED.
    """
    masked = torch.from_numpy(rng.random(ids.shape) < MASKED) & (ids >= len(SPECIAL))
    inputs = {
        "input_ids": ids.masked_fill(masked, tokenizer.mask_token_id),
        "attention_mask": ids != tokenizer.pad_token_id,
    }
    return inputs, ids.masked_fill(~masked, IGNORED)


@torch.inference_mode()
def _evaluate(
    network: RobertaForMaskedLM, inputs: dict[str, torch.Tensor], targets: torch.Tensor
) -> tuple[float, float]:
    """Compute the accuracy on masked tokens, of the network and of the most frequent token."""
    masked = targets != IGNORED
    predicted = network(**inputs).logits.argmax(dim=-1)
    accuracy = (predicted == targets)[masked].float().mean()
    most_frequent = (targets[masked] == targets[masked].mode().values).float().mean()
    return float(accuracy), float(most_frequent)


def _tokenizer(texts: list[str]) -> RobertaTokenizer:
    """Train a byte-level BPE tokenizer."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES,
        special_tokens=list(SPECIAL),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    model = json.loads(learner.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    return RobertaTokenizer(vocab=model["vocab"], merges=merges, model_max_length=512)
