"""Who is train, dev or test: the split schemes of each corpus.

``official``: the parts that the corpus publishes. ``sessions``: leave one IEMOCAP session out (two speakers that nothing else
has), dev from the dialogues of the other four. ``session5``: the fifth session is test, dev are utterances of the other four
(joint_cnn section 5.2; that dev is drawn by utterance is our reading). ``actors``: five speaker-independent parts of RAVDESS.

``ten_folds``: all parts of IEMOCAP or MELD pooled, utterances shuffled and dealt into ten folds (deepmsi_mer section 3.3): train and
test share speakers and dialogues, and there is no dev part. The seed is that of the authors' code; their order of utterances is not known.

Two leak by design, as mel_cnn_bert splits its corpora (Table 1), and have no dev part: of each class, floor(0.8 n) go to train and the
others to test, whoever speaks in whichever dialogue. Which ones is our draw. ``pooled``: all of MELD's official parts, without fear.
``instances``: of the segments in CMU-MOSEI's official parts, one row per emotion that is present, so that a segment may be in train
with one label and in test with another.

One's own corpora: ``given``, the parts that the annotations name, and ``speakers``, folds of whole speakers, or of whole dialogues where no
speaker is named: dealt out like cards, those with the most utterances first; one fold is test, the next one dev.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.corpora import schemes
from merflow.corpora.labels import CLASSES, MULTI_LABEL, class_of
from merflow.corpora.schemes import folds
from merflow.errors import CorpusError

SHUFFLE = 42  # seed of ten_folds
DEV_SHARE = 0.2  # of the training dialogues (sessions) or utterances (session5)


def make_splits(utterances: pd.DataFrame, corpus: str, names: Sequence[str]) -> pd.DataFrame:
    """Part of every utterance in scope, or of each of its labels, per scheme and fold.

    Args:
        utterances: columns of artifacts.UTTERANCES. In scope is an utterance with a label of CLASSES[corpus]; in a
            corpus with several labels at once, and in one's own, every one.
        corpus: name of the corpus.
        names: of split schemes.

    Returns:
        Columns of artifacts.SPLITS, ordered by scheme, fold and the order of `utterances`.

    Raises:
        CorpusError: an unknown scheme, too few sessions or actors, or a part without utterances.
    """
    scope = utterances
    if corpus in CLASSES and corpus not in MULTI_LABEL:
        scope = utterances[
            [bool(set(labels) & set(CLASSES[corpus])) for labels in utterances["labels"]]
        ]
    tables = []
    for name in names:
        scheme = schemes.find(corpus, name)
        rows = _instances(scope, corpus) if scheme.instances else scope.assign(label=None)
        for fold in range(
            scheme.folds if name != "speakers" else min(scheme.folds, _units(scope).nunique())
        ):
            split = _SCHEMES[name](rows, corpus, fold).dropna()
            for part in scheme.parts:
                if not (split == part).any():
                    raise CorpusError(
                        f"{corpus}: scheme {name}, fold {fold}: no utterance in {part}; the corpus at hand is too small"
                    )
            chosen = rows.loc[split.index, ["utterance_id", "label"]]
            tables.append(chosen.assign(scheme=name, fold=fold, split=split))
    return pd.concat(tables, ignore_index=True)[artifacts.SPLITS.names]


def _instances(scope: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """One row per label of CLASSES that an utterance has, in their order; that label in column ``label``."""
    rows = scope.assign(
        label=[[name for name in CLASSES[corpus] if name in labels] for labels in scope["labels"]]
    )
    return rows.explode("label", ignore_index=True).dropna(subset="label")


def _official(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    return scope["official_split"]


def _pooled(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    """Of each class floor(0.8 n) train; out of scope is what is no class of the scheme, or in no official part."""
    classes = class_of(corpus, schemes.find(corpus, "pooled").classes)
    label = scope["labels"].str[0]
    return _four_fifths(scope, label.where(label.isin(classes)))


def _instances_apart(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    return _four_fifths(scope, scope["label"])


def _four_fifths(scope: pd.DataFrame, label: pd.Series) -> pd.Series:
    label = label[scope["official_split"].notna()].dropna()
    drawn = (
        (scope["utterance_id"] + " " + label)
        .loc[label.index]
        .map(_hash)
        .groupby(label)
        .rank(method="first")
    )
    return (
        (drawn <= 4 * label.groupby(label).transform("size") // 5)
        .map({True: "train", False: "test"})
        .reindex(scope.index)
    )


def _ten_folds(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    from sklearn.model_selection import KFold  # seconds to import

    n = folds(corpus, "ten_folds")
    if len(scope) < n:
        raise CorpusError(
            f"{corpus}: scheme ten_folds needs {n} utterances or more, found {len(scope)}"
        )
    ids = np.sort(scope["utterance_id"].to_numpy())
    _, test = list(KFold(n, shuffle=True, random_state=SHUFFLE).split(ids))[fold]
    return _named(scope, pd.Series(False, index=scope.index), scope["utterance_id"].isin(ids[test]))


def _sessions(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    return _leave_out(scope, corpus, fold, "dialogue_id")


def _session5(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    return _leave_out(scope, corpus, 4, "utterance_id")


def _leave_out(scope: pd.DataFrame, corpus: str, session: int, unit: str) -> pd.Series:
    """A session is test, DEV_SHARE of the others' dialogues or utterances dev."""
    sessions = sorted(scope["session"].unique())
    if len(sessions) != folds(corpus, "sessions"):
        raise CorpusError(
            f"{corpus}: leaving a session out needs {folds(corpus, 'sessions')} of them, found {', '.join(sessions) or 'none'}"
        )
    test = scope["session"] == sessions[session]
    units = sorted(scope.loc[~test, unit].unique(), key=_hash)
    dev = scope[unit].isin(units[: max(1, round(DEV_SHARE * len(units)))])
    return _named(scope, dev, test)


def _actors(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    # dealt out like cards, men (odd numbers) first, then women: parts differ by one actor at most, and so do men and women
    actors = sorted(scope["speaker"].unique(), key=lambda actor: (int(actor) % 2 == 0, int(actor)))
    n = folds(corpus, "actors")
    if len(actors) < n:
        raise CorpusError(f"{corpus}: scheme actors needs {n} actors or more, found {len(actors)}")
    return _named(
        scope,
        scope["speaker"].isin(actors[(fold + 1) % n :: n]),
        scope["speaker"].isin(actors[fold::n]),
    )


def _units(scope: pd.DataFrame) -> pd.Series:
    """The speaker of each utterance, or its dialogue, where none is named."""
    return scope["speaker"].where(scope["speaker"] != "", scope["dialogue_id"])


def _speakers(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    units = _units(scope)
    sizes = units.value_counts()
    dealt = sorted(sizes.index, key=lambda unit: (-sizes[unit], _hash(unit)))
    n = min(folds(corpus, "speakers"), len(dealt))
    return _named(scope, units.isin(dealt[(fold + 1) % n :: n]), units.isin(dealt[fold::n]))


def _named(scope: pd.DataFrame, dev: pd.Series, test: pd.Series) -> pd.Series:
    split = pd.Series("train", index=scope.index, dtype=object)
    split[dev] = "dev"
    split[test] = "test"
    return split


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


_SCHEMES = {
    "official": _official,
    "sessions": _sessions,
    "session5": _session5,
    "actors": _actors,
    "pooled": _pooled,
    "instances": _instances_apart,
    "ten_folds": _ten_folds,
    "given": _official,
    "speakers": _speakers,
}
