"""The emotion classes of every corpus, by name. Order is the order of columns in tables and probabilities."""

#: Classes that a classifier of the corpus tells apart; an utterance labelled otherwise is out of scope.
CLASSES: dict[str, tuple[str, ...]] = {
    # MELD annotation files, column Emotion; order of the corpus' own README
    "meld": ("neutral", "joy", "surprise", "anger", "sadness", "disgust", "fear"),
    # the six of the IEMOCAP literature (joint_cnn section 5.2); the corpus labels more
    "iemocap": ("anger", "happiness", "sadness", "neutral", "excitement", "frustration"),
    # order of CMU_MOSEI_Labels.csd after sentiment; several may be present at once
    "mosei": ("happy", "sad", "anger", "surprise", "disgust", "fear"),
    # third field of a RAVDESS file name, 01-08
    "ravdess": ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
}

#: Corpora in which an utterance may carry several emotions, or none.
MULTI_LABEL = frozenset({"mosei"})

#: IEMOCAP EmoEvaluation codes; "xxx" is "no agreement between annotators".
IEMOCAP_CODES = {
    "ang": "anger",
    "hap": "happiness",
    "sad": "sadness",
    "neu": "neutral",
    "exc": "excitement",
    "fru": "frustration",
    "sur": "surprise",
    "fea": "fear",
    "dis": "disgust",
    "oth": "other",
    "xxx": "no agreement",
}
