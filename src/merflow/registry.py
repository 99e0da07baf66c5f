"""Names of corpora, features and papers, each with its module."""

from pathlib import Path

CORPORA = {
    "meld": "merflow.corpora.meld",
    "iemocap": "merflow.corpora.iemocap",
    "mosei": "merflow.corpora.mosei",
    "ravdess": "merflow.corpora.ravdess",
}

CUSTOM_CORPUS = "merflow.corpora.custom"  # reads the clips of every other corpus name

EXTRACTORS = {
    "bert": "merflow.features.text.encoder",
    "bert_mean": "merflow.features.text.encoder",
    "roberta": "merflow.features.text.encoder",
    "roberta_mean": "merflow.features.text.encoder",
    "glove": "merflow.features.text.word_vectors",
    "fasttext": "merflow.features.text.word_vectors",
    "is13": "merflow.features.audio.smile",
    "compare_2016": "merflow.features.audio.smile",
    "egemaps": "merflow.features.audio.smile",
    "egemaps_lld": "merflow.features.audio.smile",
    "mel": "merflow.features.audio.mel",
    "wav2vec2": "merflow.features.audio.wav2vec2",
    "wav2vec2_mean": "merflow.features.audio.wav2vec2",
    "wav2vec2_emotion": "merflow.features.audio.wav2vec2",
    "clip": "merflow.features.vision.clip",
    "clip_emotion": "merflow.features.vision.clip",
    "clip_emotion_crop": "merflow.features.vision.clip",
    "swin": "merflow.features.vision.swin",
    "face": "merflow.features.vision.face",
    "covarep": "merflow.features.aligned",
    "facet": "merflow.features.aligned",
    "glove_aligned": "merflow.features.aligned",
    "egemaps_aligned": "merflow.features.audio.smile_aligned",
    "face_aligned": "merflow.features.vision.face_aligned",
}

#: A paper is a module below papers/, and one of the same name below params/.
PAPERS = {
    path.stem: f"merflow.papers.{path.stem}"
    for path in sorted(Path(__file__).with_name("papers").glob("[a-z]*.py"))
}


def corpus_module(name: str) -> str:
    """Module that reads a corpus, published or custom."""
    return CORPORA.get(name, CUSTOM_CORPUS)
