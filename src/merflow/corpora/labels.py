"""The emotion classes of every corpus, by name. Order is the order of columns in tables and probabilities."""

from collections.abc import Mapping, Sequence
from typing import Any

from merflow.errors import CheckpointError, ParamsError

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

#: Fewer classes, as some of the literature has it: corpus -> number -> class -> labels that count as it. Others are out of scope.
FEWER: dict[str, dict[int, dict[str, tuple[str, ...]]]] = {
    "meld": {
        6: {name: (name,) for name in CLASSES["meld"] if name != "fear"}
    },  # mel_cnn_bert Table 1
    "iemocap": {
        4: {
            "anger": ("anger",),
            "happiness": ("happiness", "excitement"),
            "sadness": ("sadness",),
            "neutral": ("neutral",),
        }
    },
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

#: Other names of an emotion, in corpora and in the labels of pre-trained classifiers. The keys are MELD's names, and IEMOCAP's or
#: RAVDESS's for what MELD does not tell apart.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "neutral": ("neu",),
    "joy": ("hap", "happy", "happiness", "joyful"),
    "surprise": ("sur", "surprised", "ps", "pleasant surprise"),  # ps: TESS
    "anger": ("ang", "angry"),
    "sadness": ("sad",),
    "disgust": ("dis", "disgusted"),
    "fear": ("fea", "fearful"),
    "calm": (),
    "excitement": ("exc", "excited"),
    "frustration": ("fru", "frustrated"),
}
_EMOTIONS = {name: key for key, others in SYNONYMS.items() for name in (key, *others)}


def classes_of(corpus: str, prepared: Mapping[str, Any]) -> tuple[str, ...]:
    """CLASSES of a corpus; of one's own, what its annotations name, as the metadata of its utterances.parquet say."""
    return CLASSES.get(corpus) or tuple(prepared["classes"])


def class_of(corpus: str, n_classes: int | None = None, own: Sequence[str] = ()) -> dict[str, str]:
    """Label -> class, for each label in scope, in the order of the classes; None: all of CLASSES, or, of one's own corpus, of `own`.

    Raises:
        ParamsError: the corpus has no such set of classes.
    """
    classes = CLASSES.get(corpus, own)
    if n_classes in (None, len(classes)):
        return {name: name for name in classes}
    if n_classes not in FEWER.get(corpus, {}):
        known = [len(classes), *FEWER.get(corpus, {})]
        raise ParamsError(
            f"{corpus}: no set of {n_classes} classes; it has {', '.join(map(str, known))}"
        )
    return {label: name for name, labels in FEWER[corpus][n_classes].items() for label in labels}


def emotion(name: str) -> str:
    """The key of SYNONYMS that means the same as `name`; case and underscores do not matter.

    Raises:
        CheckpointError: none does.
    """
    try:
        return _EMOTIONS[name.strip().lower().replace("_", " ")]
    except KeyError:
        raise CheckpointError(
            f"{name!r} is no known name of an emotion; known: {', '.join(SYNONYMS)} (corpora/labels.py)"
        ) from None


def counterparts(columns: Sequence[str], classes: Sequence[str]) -> list[int]:
    """For each of the `classes` the number of the column that means the same, whatever the names and their order.

    Args:
        columns: names of emotions, such as the columns of a feature of probabilities; may be more than the classes.
        classes: of a corpus.

    Raises:
        CheckpointError: a class has no counterpart, or a name is no emotion.
    """
    places = {emotion(name): place for place, name in enumerate(columns)}
    for name in classes:
        if emotion(name) not in places:
            raise CheckpointError(
                f"no column means {name!r}: the columns are {', '.join(columns)}; choose a classifier that knows it"
            )
    return [places[emotion(name)] for name in classes]
