import os
from pathlib import Path

import pandas as pd
import pytest
from support import REPORTED

from merflow import artifacts, corpora
from merflow.corpora.labels import CLASSES, class_of
from merflow.corpora.schemes import folds, multi_label
from merflow.corpora.splits import make_splits
from merflow.errors import CorpusError, ParamsError
from merflow.tables.reported import load

REAL = os.environ.get("MERFLOW_REAL_DATA")


def table(rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=artifacts.UTTERANCES.names)


def actors(n: int) -> pd.DataFrame:
    takes = [(f"{actor:02d}", take) for actor in range(1, n + 1) for take in (1, 2)]
    rows = [
        {"utterance_id": f"{actor}-{take}", "speaker": actor, "labels": ["calm"]}
        for actor, take in takes
    ]
    return table(rows)


def sessions(n: int = 5, dialogues: int = 10) -> pd.DataFrame:
    return table(
        [
            {
                "utterance_id": f"Ses0{session}F_impro{dialogue:02d}_{sex}{turn:03d}",
                "dialogue_id": f"Ses0{session}F_impro{dialogue:02d}",
                "speaker": f"Ses0{session}{sex}",
                "session": f"Ses0{session}",
                "labels": ["fear" if turn == 3 else "anger"],
            }
            for session in range(1, n + 1)
            for dialogue in range(dialogues)
            for sex in "FM"
            for turn in range(4)
        ]
    )


Folds = dict[int, dict[str, set]]


def values_of(splits: pd.DataFrame, utterances: pd.DataFrame, column: str) -> Folds:
    """Fold -> split -> values of a column."""
    joined = splits.merge(utterances, on="utterance_id")
    return {
        fold: {split: set(rows[column]) for split, rows in members.groupby("split")}
        for fold, members in joined.groupby("fold")
    }


def test_number_of_folds_is_known_without_data() -> None:
    assert folds("meld", "official") == folds("mosei", "official") == 1
    assert folds("iemocap", "sessions") == folds("ravdess", "actors") == 5
    message = "meld: no split scheme 'actors'; it has official, pooled"
    with pytest.raises(CorpusError, match=message):
        folds("meld", "actors")


def test_fold_k_tests_session_k_and_dev_shares_no_dialogue() -> None:
    utterances = sessions()
    splits = make_splits(utterances, "iemocap", ["sessions"])
    assert list(splits.columns) == ["utterance_id", "scheme", "fold", "split", "label"]
    for fold, session_of in values_of(splits, utterances, "session").items():
        assert session_of["test"] == {f"Ses0{fold + 1}"}
        assert f"Ses0{fold + 1}" not in session_of["train"] | session_of["dev"]
    for dialogues in values_of(splits, utterances, "dialogue_id").values():
        sizes = {split: len(names) for split, names in dialogues.items()}
        assert sizes == {"train": 32, "dev": 8, "test": 10}  # dev: 20 % of 40 dialogues
        assert not dialogues["dev"] & dialogues["train"]
    assert not splits["utterance_id"].str.endswith("003").any()  # fear is not a class
    assert len(splits) == 5 * 300


#: the first eight of sessions 2 to 5 by the SHA-256 of their names (printf %s NAME | sha256sum)
DEV_OF_FOLD_0 = ["Ses02F_impro04", "Ses03F_impro01", "Ses03F_impro05", "Ses04F_impro04"]
DEV_OF_FOLD_0 += ["Ses05F_impro01", "Ses05F_impro03", "Ses05F_impro04", "Ses05F_impro07"]


def test_dev_dialogues_depend_on_nothing_but_their_names() -> None:
    utterances = sessions()
    splits = make_splits(utterances, "iemocap", ["sessions"])
    shuffled = make_splits(utterances.sample(frac=1, random_state=3), "iemocap", ["sessions"])
    order = ["fold", "utterance_id"]
    ordered = (rows.sort_values(order, ignore_index=True) for rows in (splits, shuffled))
    pd.testing.assert_frame_equal(*ordered)
    assert sorted(values_of(splits, utterances, "dialogue_id")[0]["dev"]) == DEV_OF_FOLD_0


@pytest.mark.parametrize("corpus", ["iemocap", "meld"])
def test_ten_folds_deal_out_all_utterances_and_share_dialogues(corpus: str) -> None:
    utterances = sessions().assign(official_split=None)
    scope = utterances
    if corpus == "iemocap":
        scope = utterances[utterances["labels"].str[0] == "anger"]
    splits = make_splits(utterances, corpus, ["ten_folds"])
    ids = values_of(splits, utterances, "utterance_id")
    assert sorted(ids) == list(range(10))
    tested = sorted(name for fold in ids.values() for name in fold["test"])
    assert tested == sorted(scope["utterance_id"])
    for fold in ids.values():
        assert set(fold) == {"train", "test"} and not fold["train"] & fold["test"]
        assert len(fold["test"]) == len(scope) // 10
    dialogues = values_of(splits, utterances, "dialogue_id")[0]
    assert len(dialogues["train"] & dialogues["test"]) == len(dialogues["test"])
    shuffled = make_splits(utterances.sample(frac=1, random_state=3), corpus, ["ten_folds"])
    assert values_of(shuffled, utterances, "utterance_id") == ids


def test_ten_folds_of_ten_utterances_test_one_each() -> None:
    utterances = sessions(5, 1).iloc[:10].assign(official_split=None, labels=[["anger"]] * 10)
    ids = values_of(make_splits(utterances, "meld", ["ten_folds"]), utterances, "utterance_id")
    assert [len(fold["test"]) for fold in ids.values()] == [1] * 10


def test_ten_folds_need_ten_utterances() -> None:
    message = "meld: scheme ten_folds needs 10 utterances or more, found 8"
    with pytest.raises(CorpusError, match=message):
        make_splits(sessions(1, 1).assign(official_split=None), "meld", ["ten_folds"])


@pytest.mark.parametrize("n", [5, 6, 12, 24])
def test_actors_are_in_one_split_and_each_is_tested_once(n: int) -> None:
    utterances = actors(n)
    splits = make_splits(utterances, "ravdess", ["actors"])
    speakers = values_of(splits, utterances, "speaker")
    tested = [actor for fold in speakers.values() for actor in fold["test"]]
    assert sorted(tested) == [f"{actor:02d}" for actor in range(1, n + 1)]
    for fold in speakers.values():
        assert sum(map(len, fold.values())) == len(set().union(*fold.values())) == n
    sizes = [len(fold["test"]) for fold in speakers.values()]
    men = [sum(int(actor) % 2 for actor in fold["test"]) for fold in speakers.values()]
    assert max(sizes) - min(sizes) <= 1 and max(men) - min(men) <= 1


def test_actors_are_dealt_men_first_and_the_next_fold_is_dev() -> None:
    utterances = actors(24)
    speakers = values_of(make_splits(utterances, "ravdess", ["actors"]), utterances, "speaker")
    assert speakers[0]["test"] == {"01", "11", "21", "08", "18"}
    assert all(speakers[fold]["dev"] == speakers[(fold + 1) % 5]["test"] for fold in range(5))


def test_official_splits_need_no_label_in_a_multi_label_corpus() -> None:
    rows = [
        {"utterance_id": "a", "official_split": "train", "labels": ["happy"]},
        {"utterance_id": "b", "official_split": "dev", "labels": []},
        {"utterance_id": "c", "official_split": "test", "labels": ["sad", "fear"]},
        {"utterance_id": "d", "official_split": None, "labels": ["sad"]},
    ]
    splits = make_splits(table(rows), "mosei", ["official"])
    assert splits.set_index("utterance_id")["split"].to_dict() == {
        "a": "train",
        "b": "dev",  # no emotion present is a label too
        "c": "test",
    }
    assert set(splits["scheme"]) == {"official"} and set(splits["fold"]) == {0}
    assert splits["label"].isna().all()


def test_an_empty_split_is_named() -> None:
    utterances = table([{"utterance_id": "a", "official_split": "train", "labels": ["joy"]}])
    with pytest.raises(CorpusError, match="meld: scheme official, fold 0: no utterance in dev"):
        make_splits(utterances, "meld", ["official"])
    with pytest.raises(CorpusError, match="ravdess: scheme actors needs 5 actors or more, found 4"):
        make_splits(actors(4), "ravdess", ["actors"])
    message = r"leaving a session out needs 5 of them, found Ses01, Ses02, Ses03, Ses04$"
    with pytest.raises(CorpusError, match=f"iemocap: {message}"):
        make_splits(sessions(4), "iemocap", ["sessions"])


def test_session5_is_test_and_dev_a_fifth_of_the_others():
    utterances = sessions()
    by_id = utterances.set_index("utterance_id")
    split = make_splits(utterances, "iemocap", ["session5"]).set_index("utterance_id")["split"]
    in_session5 = by_id.loc[split.index, "session"] == "Ses05"
    assert (split == "test").to_dict() == in_session5.to_dict()
    rest = split[split != "test"]
    assert (rest == "dev").sum() == round(0.2 * len(rest))
    dialogues = by_id.loc[rest.index, "dialogue_id"]
    # drawn by utterance: a dialogue is on both sides
    assert rest.groupby(dialogues).nunique().max() == 2


def test_pooled_draws_four_fifths_of_each_class_and_drops_fear():
    counts = {"neutral": 11, "joy": 9, "surprise": 5, "anger": 5, "sadness": 6, "disgust": 7}
    labels = [label for label, count in (counts | {"fear": 8}).items() for _ in range(count)]
    rows = [
        {
            "utterance_id": f"u{i}",
            "official_split": ("train", "dev", "test")[i % 3],
            "labels": [name],
        }
        for i, name in enumerate(labels)
    ]
    utterances = table(rows)
    splits = make_splits(utterances, "meld", ["pooled"])
    joined = splits.merge(utterances, on="utterance_id")
    sizes = joined.groupby([joined["labels"].str[0], "split"]).size().unstack()
    assert set(sizes.columns) == {"train", "test"} and "fear" not in sizes.index
    assert sizes["train"].to_dict() == {label: 4 * count // 5 for label, count in counts.items()}
    assert set(joined.loc[joined["split"] == "test", "official_split"]) == {"train", "dev", "test"}
    shuffled = make_splits(utterances.sample(frac=1, random_state=1), "meld", ["pooled"])
    ordered = (rows.sort_values("utterance_id", ignore_index=True) for rows in (splits, shuffled))
    pd.testing.assert_frame_equal(*ordered)


def test_instances_have_a_row_per_label_in_any_split():
    rows = [
        {"utterance_id": f"u{i}", "official_split": "train", "labels": ["fear", "happy"]}
        for i in range(10)
    ]
    rows += [
        {"utterance_id": "no label", "official_split": "dev", "labels": []},
        {"utterance_id": "no split", "labels": ["sad"]},
    ]
    splits = make_splits(table(rows), "mosei", ["instances"])
    assert set(splits["utterance_id"]) == {f"u{i}" for i in range(10)}
    sizes = splits.groupby(["label", "split"]).size().unstack()
    for label in ("fear", "happy"):
        assert sizes.loc[label].to_dict() == {"train": 8, "test": 2}
    by_utterance = splits.groupby("utterance_id")
    assert by_utterance["label"].agg(set).eq({"fear", "happy"}).all()
    assert (by_utterance["split"].nunique() == 2).any()


def test_instances_and_meld_are_not_multi_label():
    assert multi_label("mosei", "official")
    assert not multi_label("mosei", "instances")
    assert not multi_label("meld", "pooled")


@pytest.mark.skipif(not REAL, reason="MERFLOW_REAL_DATA is not set")
def test_pooled_is_table_1_of_mel_cnn_bert_cell_by_cell():
    """All twelve cells of MELD, from its real annotations."""
    utterances = corpora.load("meld").read_utterances(Path(REAL) / "meld").utterances
    joined = make_splits(utterances, "meld", ["pooled"]).merge(utterances, on="utterance_id")
    sizes = joined.groupby(["split", joined["labels"].str[0]]).size()
    table_1 = "table == '1' and corpus == 'meld' and metric == 'count'"
    printed = load(REPORTED, "mel_cnn_bert").query(table_1)
    cells = printed.set_index(["split", "class"])["number"].astype(int)
    assert len(cells) == 12
    assert sizes.to_dict() == cells.to_dict()
    assert sizes.groupby("split").sum().to_dict() == {"test": 2674, "train": 10676}
    dialogues = joined.groupby("split")["dialogue_id"].agg(set)
    assert len(dialogues["train"] & dialogues["test"]) > 0.9 * len(dialogues["test"])


def test_class_sets_of_iemocap():
    assert tuple(class_of("iemocap")) == CLASSES["iemocap"]
    assert tuple(dict.fromkeys(class_of("iemocap", 6).values())) == CLASSES["iemocap"]
    four = class_of("iemocap", 4)
    assert list(dict.fromkeys(four.values())) == ["anger", "happiness", "sadness", "neutral"]
    assert four["excitement"] == "happiness" and "frustration" not in four
    with pytest.raises(ParamsError, match="iemocap: no set of 5 classes; it has 6, 4"):
        class_of("iemocap", 5)
