"""Emotion classes of the corpora, and names of emotions that mean the same."""

from collections.abc import Mapping, Sequence
from typing import Any

from merflow.corpora.catalogue import CATALOGUE
from merflow.errors import CheckpointError, ParamsError

#: Corpus -> classes of its classifiers; an utterance with another label is out of scope.
CLASSES: dict[str, tuple[str, ...]] = {name: entry.classes for name, entry in CATALOGUE.items()}

#: Multi-label corpora: an utterance has any number of emotions.
MULTI_LABEL = frozenset(name for name, entry in CATALOGUE.items() if entry.multi_label)

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

#: Other names of an emotion, in corpora and in the labels of pre-trained classifiers. The keys are
#: MELD's names, and those names of IEMOCAP and RAVDESS that have no equivalent in MELD.
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
_EMOTIONS = {name: key for key, synonyms in SYNONYMS.items() for name in (key, *synonyms)}


def classes_of(corpus: str, metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Classes of a corpus.

    Args:
        corpus: name of the corpus.
        metadata: of its utterances.parquet, which hold the classes of a custom corpus.
    """
    return CLASSES.get(corpus) or tuple(metadata["classes"])


def class_of(
    corpus: str, n_classes: int | None = None, custom: Sequence[str] = ()
) -> dict[str, str]:
    """Map each label in scope to its class, in the order of the classes.

    Args:
        corpus: name of the corpus.
        n_classes: size of the class set; None: all classes.
        custom: classes of a custom corpus.

    Raises:
        ParamsError: the corpus has no class set of this size.
    """
    classes = CLASSES.get(corpus, custom)
    if n_classes in (None, len(classes)):
        return {name: name for name in classes}
    class_sets = CATALOGUE[corpus].class_sets if corpus in CATALOGUE else {}
    if n_classes not in class_sets:
        sizes = ", ".join(map(str, (len(classes), *class_sets)))
        raise ParamsError(f"{corpus}: no set of {n_classes} classes; it has {sizes}")
    return {label: name for name, labels in class_sets[n_classes].items() for label in labels}


def emotion(name: str) -> str:
    """Find the key of SYNONYMS that means the same; case and underscores do not matter.

    Raises:
        CheckpointError: `name` is not an emotion.
    """
    try:
        return _EMOTIONS[name.strip().lower().replace("_", " ")]
    except KeyError:
        raise CheckpointError(
            f"{name!r} is not a known name of an emotion; known: {', '.join(SYNONYMS)} "
            "(corpora/labels.py)"
        ) from None


def counterparts(columns: Sequence[str], classes: Sequence[str]) -> list[int]:
    """Find the column that means the same as each class, whatever names and order.

    Args:
        columns: names of emotions, such as the columns of a feature of probabilities; may be more
            than the classes.
        classes: classes of a corpus.

    Returns:
        One index of `columns` per class.

    Raises:
        CheckpointError: a class has no counterpart, or a name is not an emotion.
    """
    index_of = {emotion(name): index for index, name in enumerate(columns)}
    for name in classes:
        if emotion(name) not in index_of:
            raise CheckpointError(
                f"no column means {name!r}: the columns are {', '.join(columns)}; "
                "choose a classifier that knows it"
            )
    return [index_of[emotion(name)] for name in classes]
