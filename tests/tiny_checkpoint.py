"""A random BERT of two small layers with a word-level tokenizer, saved in the Hub's format; the same every time."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

WORDS = ("oh", "no", "yes", "what", "great", "so", "sad", "angry", "hi", "you", "are", "we", "!", "?", ".")


def save_tiny_bert(folder: Path, dim: int = 16) -> Path:
    """[CLS] is 2, [SEP] is 3, WORDS follow from 4."""
    vocab = {word: i for i, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **special).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(vocab), hidden_size=dim, num_hidden_layers=2, num_attention_heads=2, intermediate_size=2 * dim)
    BertModel(config).save_pretrained(folder)
    return folder


def save_tiny_checkpoint(folder: Path) -> Path:
    """The same as a folder of data/checkpoints/."""
    save_tiny_bert(folder)
    (folder / "SOURCE.json").write_text(json.dumps({"name": "tiny", "place": "folder", "sha256": "0" * 64, "files": {}}))
    return folder
