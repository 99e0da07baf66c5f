"""Random text encoders of two small layers with a word-level tokenizer, the same every time."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, RobertaConfig, RobertaModel

WORDS = (
    *("oh", "no", "yes", "what", "great", "so", "sad", "angry", "hi", "you", "are", "we"),
    *("!", "?", "."),
)


def save_tiny_bert(folder: Path, dim: int = 16) -> Path:
    """Save a BERT, with ids [CLS] 2, [SEP] 3, and WORDS from 4."""
    special = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
    }
    _save_tokenizer(folder, special, {})
    torch.manual_seed(0)
    BertModel(BertConfig(**_sizes(dim))).save_pretrained(folder)
    return folder


def save_tiny_roberta(folder: Path, dim: int = 16) -> Path:
    """Save a RoBERTa.

    Its ids are <s> 0, <pad> 1, </s> 2, and WORDS from 4. Positions count from 2, for 510 tokens
    and special ones.
    """
    special = {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>"}
    _save_tokenizer(folder, special, {"bos_token": "<s>", "eos_token": "</s>"})
    torch.manual_seed(0)
    config = RobertaConfig(max_position_embeddings=514, type_vocab_size=1, **_sizes(dim))
    RobertaModel(config).save_pretrained(folder)
    return folder


def save_tiny_checkpoint(folder: Path) -> Path:
    """Save a BERT with SOURCE.json, as a folder of data/checkpoints/."""
    save_tiny_bert(folder)
    card = {"name": "tiny", "place": "folder", "sha256": "0" * 64, "files": {}}
    (folder / "SOURCE.json").write_text(json.dumps(card))
    return folder


def _sizes(dim: int) -> dict[str, int]:
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 2 * dim}
    return {"vocab_size": 4 + len(WORDS), "hidden_size": dim, **layers}


def _save_tokenizer(folder: Path, special: dict[str, str], more: dict[str, str]) -> None:
    """Save a tokenizer; its ids are `special` in their order, then WORDS."""
    vocab = {word: i for i, word in enumerate((*special.values(), *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token=special["unk_token"]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    first, last = special["cls_token"], special["sep_token"]
    between = f" {last}" if first == "<s>" else ""  # RoBERTa separates a pair by two tokens
    tokenizer.post_processor = processors.TemplateProcessing(
        f"{first} $A {last}",
        f"{first} $A {last}{between} $B {last}",
        special_tokens=[(first, vocab[first]), (last, vocab[last])],
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=512, **special, **more
    )
    fast.save_pretrained(folder)
