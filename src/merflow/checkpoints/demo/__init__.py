"""Demo checkpoints: small networks and word vectors, trained in seconds on drawn and spoken data.

They are saved in the Hub's format, so that ``from_pretrained`` is the only way to load a model. The
faces, voices and sentences that they learn are made like the demo corpora (merflow.corpora.demo),
with other people and other sentences. On one machine their bytes are the same every time.
"""

from importlib import import_module
from pathlib import Path

#: Modules by checkpoint, given by name so that a change to one maker leaves the others as they are.
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
    """Make a demo checkpoint, and log its quality.

    Args:
        name: a key of MAKERS.
        folder: existing folder for the files.
    """
    import_module(MAKERS[name]).make(name, folder)
