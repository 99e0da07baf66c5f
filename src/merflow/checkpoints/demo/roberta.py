"""A small RoBERTa (https://arxiv.org/abs/1907.11692): byte-level BPE and masked words, learnt from sentences like the demo's."""

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


def make(name: str, folder: Path) -> None:
    """Save the model, its head included, with its tokenizer."""
    texts = sentences(TRAIN + TEST)
    tokenizer = _tokenizer(texts[:TRAIN])
    ids = tokenizer(texts, padding=True, return_tensors="pt")["input_ids"]
    with repeatable():
        network = RobertaForMaskedLM(
            RobertaConfig(
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
        )
        rng = np.random.default_rng(SEED)

        def masked(chosen: np.ndarray) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
            """Inputs with a share of the words masked, and what stood there (elsewhere -100, which counts for nothing)."""
            whole = ids[chosen]
            hidden = torch.from_numpy(rng.random(whole.shape) < MASKED) & (whole >= len(SPECIAL))
            inputs = {
                "input_ids": whole.masked_fill(hidden, tokenizer.mask_token_id),
                "attention_mask": whole != tokenizer.pad_token_id,
            }
            return inputs, whole.masked_fill(~hidden, -100)

        def loss(chosen: np.ndarray) -> torch.Tensor:
            inputs, targets = masked(chosen)
            return network(**inputs, labels=targets).loss

        fit(network, loss, TRAIN, STEPS, BATCH, learning_rate=3e-3)
        inputs, targets = masked(np.arange(TRAIN, TRAIN + TEST))
        with torch.inference_mode():
            found = network(**inputs).logits.argmax(dim=-1)
    asked = targets != -100
    accuracy = float((found == targets)[asked].float().mean())
    common = float((targets[asked] == targets[asked].mode().values).float().mean())
    log.info(
        "demo %s: %.2f of masked tokens found in new sentences, by the most frequent token %.2f",
        name,
        accuracy,
        common,
    )
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tokenizer(texts: list[str]) -> RobertaTokenizer:
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
    return RobertaTokenizer(
        vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]], model_max_length=512
    )
