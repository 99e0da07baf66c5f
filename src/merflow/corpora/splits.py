"""Make the split schemes of each corpus: utterances as train, dev or test, per fold.

Published splits:
    ``official``: as the corpus publishes them.
    ``given``: as the annotations of a custom corpus name them.

Without shared speakers:
    ``sessions``: leave one session of IEMOCAP out, with two speakers that no other has. Dev are
    dialogues of the other four sessions.
    ``actors``: five speaker-independent folds of RAVDESS.
    ``speakers``: folds of a custom corpus that part neither speakers nor dialogues
    (merflow.corpora.units).

Without shared dialogues:
    ``dialogues``: folds of a custom corpus that part no dialogue, but speakers.

With leakage, as the papers split their corpora:
    ``session5`` (joint_cnn section 5.2): test is the fifth session of IEMOCAP, dev are utterances
    of the other four. Drawing dev by utterance is our reading.
    ``ten_folds`` (deepmsi_mer section 3.3): all utterances of IEMOCAP or MELD are shuffled and
    dealt into ten folds, without dev. Train and test share speakers and dialogues. The seed is that
    of the authors' code. Their order of utterances is unknown.
    ``pooled`` (mel_cnn_bert Table 1): all official splits of MELD without fear, and without dev.
    Of each class, floor(0.8 n) utterances are train and the others test. Which ones is our draw.
    ``instances`` (mel_cnn_bert Table 1): likewise for CMU-MOSEI, with one row per emotion of a
    segment. A segment may be in train with one label and in test with another.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.corpora import schemes
from merflow.corpora.annotations import Annotations
from merflow.corpora.labels import CLASSES, MULTI_LABEL, class_of
from merflow.corpora.schemes import folds
from merflow.errors import CorpusError

SEED = 42  # of ten_folds
DEV_SHARE = 0.2  # of the training dialogues (sessions) or utterances (session5)


def make_splits(utterances: pd.DataFrame, corpus: str, names: Sequence[str]) -> pd.DataFrame:
    """Assign every utterance in scope, or each label, to a split per scheme and fold.

    Args:
        utterances: columns of artifacts.UTTERANCES. In scope is an utterance with a label of
            CLASSES[corpus]. In a multi-label corpus, all are.
        corpus: name of a published corpus.
        names: names of split schemes.

    Returns:
        Columns of artifacts.SPLITS, ordered by scheme, fold and the order of `utterances`.

    Raises:
        CorpusError: an unknown scheme, too few sessions or actors, or an empty split.
    """
    scope = utterances
    if corpus not in MULTI_LABEL:
        classes = set(CLASSES[corpus])
        scope = utterances[[bool(classes & set(labels)) for labels in utterances["labels"]]]
    tables = []
    for name in names:
        scheme = schemes.find(corpus, name)
        rows = _label_rows(scope, corpus) if scheme.instances else scope.assign(label=None)
        for fold in range(scheme.folds):
            split = _SCHEMES[name](rows, corpus, fold).dropna()
            for expected in scheme.splits:
                if not (split == expected).any():
                    raise CorpusError(
                        f"{corpus}: scheme {name}, fold {fold}: no utterance in {expected}; "
                        "the corpus is too small"
                    )
            table = rows.loc[split.index, ["utterance_id", "label"]]
            tables.append(table.assign(scheme=name, fold=fold, split=split))
    return pd.concat(tables, ignore_index=True)[artifacts.SPLITS.names]


def custom_splits(annotations: Annotations) -> pd.DataFrame:
    """Assign every labelled row of a custom corpus to its split per fold.

    Returns:
        Columns of artifacts.SPLITS, ordered by fold and utterance_id. A row without a given split
        is left out.
    """
    ids, scheme = [row.utterance_id for row in annotations.rows], annotations.scheme
    rows = [
        (utterance_id, scheme, fold, split, None)
        for fold, splits in enumerate(annotations.splits)
        for utterance_id, split in sorted(zip(ids, splits, strict=True))
        if split
    ]
    return pd.DataFrame(rows, columns=artifacts.SPLITS.names)


def _label_rows(scope: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """One row per label (column ``label``) of an utterance, in the order of CLASSES."""
    rows = scope.assign(
        label=[[name for name in CLASSES[corpus] if name in labels] for labels in scope["labels"]]
    )
    return rows.explode("label", ignore_index=True).dropna(subset="label")


def _official(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    return scope["official_split"]


def _pooled(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    classes = class_of(corpus, schemes.find(corpus, "pooled").classes)
    label = scope["labels"].str[0]
    return _four_fifths(scope, label.where(label.isin(classes)))


def _instances(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    return _four_fifths(scope, scope["label"])


def _four_fifths(scope: pd.DataFrame, label: pd.Series) -> pd.Series:
    """Draw floor(0.8 n) rows of each label as train, the others as test.

    A row without label or official split is in no split.
    """
    label = label[scope["official_split"].notna()].dropna()
    names = (scope["utterance_id"] + " " + label).loc[label.index]
    rank = names.map(_hash).groupby(label).rank(method="first")
    n_train = 4 * label.groupby(label).transform("size") // 5
    return (rank <= n_train).map({True: "train", False: "test"}).reindex(scope.index)


def _ten_folds(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    from sklearn.model_selection import KFold  # seconds to import

    n = folds(corpus, "ten_folds")
    if len(scope) < n:
        raise CorpusError(
            f"{corpus}: scheme ten_folds needs {n} utterances or more, found {len(scope)}"
        )
    ids = np.sort(scope["utterance_id"].to_numpy())
    _, test = list(KFold(n, shuffle=True, random_state=SEED).split(ids))[fold]
    no_dev = pd.Series(False, index=scope.index)
    return _assign(scope, no_dev, scope["utterance_id"].isin(ids[test]))


def _sessions(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    return _leave_out(scope, corpus, fold, "dialogue_id")


def _session5(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    return _leave_out(scope, corpus, 4, "utterance_id")


def _leave_out(scope: pd.DataFrame, corpus: str, session: int, unit: str) -> pd.Series:
    """A session is test, and DEV_SHARE of the others' dialogues or utterances dev."""
    sessions, n = sorted(scope["session"].unique()), folds(corpus, "sessions")
    if len(sessions) != n:
        raise CorpusError(
            f"{corpus}: leaving a session out needs {n} of them, "
            f"found {', '.join(sessions) or 'none'}"
        )
    test = scope["session"] == sessions[session]
    units = sorted(scope.loc[~test, unit].unique(), key=_hash)
    dev = scope[unit].isin(units[: max(1, round(DEV_SHARE * len(units)))])
    return _assign(scope, dev, test)


def _actors(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    # dealt out like cards, men (odd numbers) first, then women: folds differ by one actor at most,
    # and so do men and women
    actors = sorted(scope["speaker"].unique(), key=lambda actor: (int(actor) % 2 == 0, int(actor)))
    n = folds(corpus, "actors")
    if len(actors) < n:
        raise CorpusError(f"{corpus}: scheme actors needs {n} actors or more, found {len(actors)}")
    return _deal(scope, scope["speaker"], actors, fold, n)


def _deal(scope: pd.DataFrame, unit: pd.Series, ordered: list, fold: int, n: int) -> pd.Series:
    """Deal units into `n` folds: fold `fold` is test, the next one dev."""
    return _assign(scope, unit.isin(ordered[(fold + 1) % n :: n]), unit.isin(ordered[fold::n]))


def _assign(scope: pd.DataFrame, dev: pd.Series, test: pd.Series) -> pd.Series:
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
    "instances": _instances,
    "ten_folds": _ten_folds,
}
