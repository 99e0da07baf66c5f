"""Who is train, dev or test: the split schemes of each corpus.

``official``: the parts that the corpus publishes. ``sessions``: leave one IEMOCAP session out (two speakers that nothing else
has), dev from the dialogues of the other four. ``session5``: the fifth session is test, dev are utterances of the other four
(joint_cnn section 5.2; that dev is drawn by utterance is our reading). ``actors``: five speaker-independent parts of RAVDESS.
"""

import hashlib
from collections.abc import Sequence

import pandas as pd

from merflow import artifacts
from merflow.corpora.labels import CLASSES, MULTI_LABEL
from merflow.corpora.schemes import folds
from merflow.errors import CorpusError

DEV_SHARE = 0.2  # of the training dialogues (sessions) or utterances (session5)


def make_splits(utterances: pd.DataFrame, corpus: str, schemes: Sequence[str]) -> pd.DataFrame:
    """Part of every utterance in scope, per scheme and fold.

    Args:
        utterances: columns of artifacts.UTTERANCES. In scope is an utterance with a label of CLASSES[corpus]; in a
            corpus with several labels at once, every one.
        corpus: name of the corpus.
        schemes: names of split schemes.

    Returns:
        Columns of artifacts.SPLITS, ordered by scheme, fold and the order of `utterances`.

    Raises:
        CorpusError: an unknown scheme, too few sessions or actors, or a part without utterances.
    """
    scope = utterances
    if corpus not in MULTI_LABEL:
        scope = utterances[[bool(set(labels) & set(CLASSES[corpus])) for labels in utterances["labels"]]]
    tables = []
    for scheme in schemes:
        for fold in range(folds(corpus, scheme)):
            split = _SCHEMES[scheme](scope, corpus, fold).dropna()
            for name in ("train", "dev", "test"):
                if not (split == name).any():
                    raise CorpusError(f"{corpus}: scheme {scheme}, fold {fold}: no utterance in {name}; the corpus at hand is too small")
            ids = scope.loc[split.index, "utterance_id"]
            tables.append(pd.DataFrame({"utterance_id": ids, "scheme": scheme, "fold": fold, "split": split}))
    return pd.concat(tables, ignore_index=True)[artifacts.SPLITS.names]


def _official(scope: pd.DataFrame, corpus: str, fold: int) -> pd.Series:
    return scope["official_split"]


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
    return _named(scope, scope["speaker"].isin(actors[(fold + 1) % n :: n]), scope["speaker"].isin(actors[fold::n]))


def _named(scope: pd.DataFrame, dev: pd.Series, test: pd.Series) -> pd.Series:
    split = pd.Series("train", index=scope.index, dtype=object)
    split[dev] = "dev"
    split[test] = "test"
    return split


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


_SCHEMES = {"official": _official, "sessions": _sessions, "session5": _session5, "actors": _actors}
