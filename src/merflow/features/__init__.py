"""Feature extractors: one module each. They get texts or arrays, never paths."""

#: Name -> module; a new feature is one line here and one module.
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
    "swin": "merflow.features.vision.swin",
    "face": "merflow.features.vision.face",
    "covarep": "merflow.features.aligned",
    "facet": "merflow.features.aligned",
    "glove_aligned": "merflow.features.aligned",
    "egemaps_aligned": "merflow.features.audio.smile_aligned",
    "face_aligned": "merflow.features.vision.face_aligned",
}
