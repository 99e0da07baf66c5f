"""Demo checkpoints: small networks and word vectors, trained here in seconds on the faces, voices and sentences of the demo corpora.

They are saved in the Hub's format, so that ``from_pretrained`` is the one way to load a model. What they learn from is made
like the demo corpora (merflow.corpora.demo), with other people and other sentences. On one machine they are the same every time.
"""

from importlib import import_module
from pathlib import Path

#: What can be made; by name, so that a change to one maker leaves the others as they are.
MAKERS = {
    "roberta": "merflow.checkpoints.demo.roberta",
    "wav2vec2": "merflow.checkpoints.demo.wav2vec2",
    "wav2vec2_emotion": "merflow.checkpoints.demo.wav2vec2",
    "clip": "merflow.checkpoints.demo.clip",
    "swin": "merflow.checkpoints.demo.swin",
    "glove": "merflow.checkpoints.demo.word_vectors",
    "fasttext": "merflow.checkpoints.demo.word_vectors",
}


def make(name: str, folder: Path) -> None:
    """Make the demo checkpoint `name`, a key of MAKERS, in `folder`, which exists. How good it is goes to the log."""
    import_module(MAKERS[name]).make(name, folder)
