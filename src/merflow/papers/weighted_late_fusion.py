"""Multimodal emotion recognition with weighted late fusion of text, audio and video on MELD.

Systems, in the paper's order:

- ``text_bert_{8,16,32}``, ``text_roberta_{8,16,32}``: a BERT or RoBERTa fine-tuned end to end on single utterances; the number
  is the batch size. Learning rate, weight decay, epochs and longest text (Tables 2 and 4) are parameters.

Differences from the paper:

- It pads every text to 512 tokens. Here a batch is padded to its longest text: padding is masked, so the logits are the same.
- It does not say how token states become one vector, nor the dropout before the classifier, nor the learning rate's
  schedule. Ours: their mean (or [CLS]), 0.1, linear warm-up and decay (params.yaml: pooling, dropout, warmup).
- Its text gives other learning rates (2e-5, 1e-5) than its Table 2; the parameters follow the tables.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, float32, nn
from transformers import AutoModel

from merflow.training.batches import Batch, System


class TextClassifier(nn.Module):
    """A pre-trained encoder, one vector per text, dropout, one linear layer."""

    def __init__(self, dims: Mapping[str, int], n_classes: int, *, checkpoint: Path, pooling: str, dropout: float):
        """Load the encoder from `checkpoint`, a folder in the Hub's format; `pooling` is mean or cls; `dims` is empty."""
        super().__init__()
        self.encoder = AutoModel.from_pretrained(checkpoint, local_files_only=True, use_safetensors=True, dtype=float32)
        self.encoder.pooler = None  # next-sentence head: not used, and weights without a gradient stop distributed training
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.encoder.config.hidden_size, n_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, n_classes) of `batch` with input ``tokens`` (B, T)."""
        mask = batch.masks["tokens"]
        states = self.encoder(input_ids=batch.inputs["tokens"], attention_mask=mask).last_hidden_state
        if self.pooling == "cls":
            pooled = states[:, 0]
        else:
            weights = mask[..., None].to(states.dtype)
            pooled = (states * weights).sum(dim=1) / weights.sum(dim=1)
        return self.classifier(self.dropout(pooled))


_TEXT = System(inputs=("tokens",), build=TextClassifier, pretrained=True)

SYSTEMS = {f"text_{encoder}_{batch_size}": _TEXT for encoder in ("bert", "roberta") for batch_size in (8, 16, 32)}
