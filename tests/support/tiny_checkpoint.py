"""Random encoders of two small layers with a word-level tokenizer, saved in the Hub's format; the same every time."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, RobertaConfig, RobertaModel

WORDS = (
    "oh",
    "no",
    "yes",
    "what",
    "great",
    "so",
    "sad",
    "angry",
    "hi",
    "you",
    "are",
    "we",
    "!",
    "?",
    ".",
)


def save_tiny_bert(folder: Path, dim: int = 16) -> Path:
    """[CLS] is 2, [SEP] is 3, WORDS follow from 4."""
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
    """<s> is 0, <pad> is 1, </s> is 2, WORDS follow from 4; positions count from 2, for 510 tokens and special ones."""
    special = {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>"}
    _save_tokenizer(folder, special, {"bos_token": "<s>", "eos_token": "</s>"})
    torch.manual_seed(0)
    RobertaModel(
        RobertaConfig(max_position_embeddings=514, type_vocab_size=1, **_sizes(dim))
    ).save_pretrained(folder)
    return folder


def _sizes(dim: int) -> dict[str, int]:
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 2 * dim}
    return {"vocab_size": 4 + len(WORDS), "hidden_size": dim, **layers}


def _save_tokenizer(folder: Path, special: dict[str, str], more: dict[str, str]) -> None:
    """Ids of `special` in their order, then WORDS."""
    vocab = {word: i for i, word in enumerate((*special.values(), *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token=special["unk_token"]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    first, last = special["cls_token"], special["sep_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        f"{first} $A {last}",
        f"{first} $A {last}{f' {last}' if first == '<s>' else ''} $B {last}",  # RoBERTa separates by two
        special_tokens=[(first, vocab[first]), (last, vocab[last])],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=512, **special, **more
    ).save_pretrained(folder)


def save_tiny_checkpoint(folder: Path) -> Path:
    """The same as a folder of data/checkpoints/."""
    save_tiny_bert(folder)
    (folder / "SOURCE.json").write_text(
        json.dumps({"name": "tiny", "place": "folder", "sha256": "0" * 64, "files": {}})
    )
    return folder
