"""Catalogue of published corpora: classes and split schemes, known before anything is read.

A new corpus is an entry here, beside its module and its name in merflow.registry. Importing takes
no time, because the Snakefile lays out jobs by this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Scheme:
    """A way to split a corpus.

    Attributes:
        folds: number of folds, counted from 0.
        dev: the scheme has a dev split. Without it the last epoch is scored and nothing is
            selected, unless a protocol names the test split for selection.
        classes: size of the class set; None: all classes of the corpus.
        instances: one row per label of an utterance, with that label as its only one. The rows of
            a multi-label utterance may be in different splits. One without label is out of scope.
    """

    folds: int = 1
    dev: bool = True
    classes: int | None = None
    instances: bool = False

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits of each fold."""
        return ("train", "dev", "test") if self.dev else ("train", "test")


@dataclass(frozen=True)
class Entry:
    """Facts of a corpus that are known before it is read.

    Attributes:
        classes: of its classifiers, in the order of columns in tables and of probabilities. An
            utterance with another label is out of scope.
        schemes: split schemes by name; merflow.corpora.splits makes them.
        multi_label: an utterance has any number of emotions.
        class_sets: smaller sets of classes of the literature, by size: class -> labels that count
            as it.
    """

    classes: tuple[str, ...]
    schemes: Mapping[str, Scheme]
    multi_label: bool = False
    class_sets: Mapping[int, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)


_MELD = ("neutral", "joy", "surprise", "anger", "sadness", "disgust", "fear")

CATALOGUE: dict[str, Entry] = {
    "meld": Entry(
        _MELD,  # annotation files, column Emotion; order of the corpus' own README
        {
            "official": Scheme(),
            "pooled": Scheme(dev=False, classes=6),
            "ten_folds": Scheme(folds=10, dev=False),
        },
        # mel_cnn_bert Table 1
        class_sets={6: {name: (name,) for name in _MELD if name != "fear"}},
    ),
    "iemocap": Entry(
        # the six of the IEMOCAP literature (joint_cnn section 5.2); the corpus labels more
        ("anger", "happiness", "sadness", "neutral", "excitement", "frustration"),
        {
            "sessions": Scheme(folds=5),
            "session5": Scheme(),
            "ten_folds": Scheme(folds=10, dev=False),
        },
        class_sets={
            4: {
                "anger": ("anger",),
                "happiness": ("happiness", "excitement"),
                "sadness": ("sadness",),
                "neutral": ("neutral",),
            }
        },
    ),
    "mosei": Entry(
        # order of CMU_MOSEI_Labels.csd after sentiment
        ("happy", "sad", "anger", "surprise", "disgust", "fear"),
        {"official": Scheme(), "instances": Scheme(dev=False, instances=True)},
        multi_label=True,
    ),
    "ravdess": Entry(
        # third field of a file name, 01-08
        ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
        {"actors": Scheme(folds=5)},
    ),
}
