import os
from pathlib import Path

import pandas as pd
import pytest

from merflow import artifacts, corpora, registry
from merflow.corpora.labels import CLASSES, class_of
from merflow.corpora.schemes import SCHEMES, folds, multi_label
from merflow.corpora.splits import make_splits
from merflow.errors import CorpusError, ParamsError
from merflow.tables.reported import load

REAL = os.environ.get("MERFLOW_REAL_DATA")


def table(rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=artifacts.UTTERANCES.names)


def actors(n: int) -> pd.DataFrame:
    names = [(f"{actor:02d}", take) for actor in range(1, n + 1) for take in (1, 2)]
    return table(
        [
            {"utterance_id": f"{actor}-{take}", "speaker": actor, "labels": ["calm"]}
            for actor, take in names
        ]
    )


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


def parts(splits: pd.DataFrame, utterances: pd.DataFrame, column: str) -> dict[int, dict[str, set]]:
    joined = splits.merge(utterances, on="utterance_id")
    return {
        fold: {split: set(rows[column]) for split, rows in one.groupby("split")}
        for fold, one in joined.groupby("fold")
    }


def test_number_of_folds_is_known_without_data() -> None:
    assert (
        folds("meld", "official"),
        folds("mosei", "official"),
        folds("iemocap", "sessions"),
        folds("ravdess", "actors"),
    ) == (1, 1, 5, 5)
    with pytest.raises(
        CorpusError, match="meld: no split scheme 'actors'; it has official, pooled"
    ):
        folds("meld", "actors")


@pytest.mark.parametrize("corpus", list(registry.CORPORA))
def test_modules_name_these_schemes(corpus: str) -> None:
    assert tuple(SCHEMES[corpus]) == corpora.load(corpus).SCHEMES


def test_fold_k_tests_session_k_and_dev_shares_no_dialogue_with_train() -> None:
    utterances = sessions()
    splits = make_splits(utterances, "iemocap", ["sessions"])
    assert list(splits.columns) == ["utterance_id", "scheme", "fold", "split", "label"]
    for fold, found in parts(splits, utterances, "session").items():
        assert found["test"] == {f"Ses0{fold + 1}"}
        assert f"Ses0{fold + 1}" not in found["train"] | found["dev"]
    for found in parts(splits, utterances, "dialogue_id").values():
        assert (
            len(found["dev"]) == 8 and len(found["train"]) == 32 and len(found["test"]) == 10
        )  # dev: 20 % of 40 dialogues
        assert not found["dev"] & found["train"]
    assert not splits["utterance_id"].str.endswith("003").any()  # fear is no class
    assert len(splits) == 5 * 300


#: the first eight of sessions 2 to 5 by the SHA-256 of their names (printf %s NAME | sha256sum)
DEV_OF_FOLD_0 = ["Ses02F_impro04", "Ses03F_impro01", "Ses03F_impro05", "Ses04F_impro04"]
DEV_OF_FOLD_0 += ["Ses05F_impro01", "Ses05F_impro03", "Ses05F_impro04", "Ses05F_impro07"]


def test_dev_dialogues_depend_on_nothing_but_their_names() -> None:
    utterances = sessions()
    splits = make_splits(utterances, "iemocap", ["sessions"])
    shuffled = make_splits(utterances.sample(frac=1, random_state=3), "iemocap", ["sessions"])
    order = ["fold", "utterance_id"]
    pd.testing.assert_frame_equal(
        splits.sort_values(order, ignore_index=True), shuffled.sort_values(order, ignore_index=True)
    )
    assert sorted(parts(splits, utterances, "dialogue_id")[0]["dev"]) == DEV_OF_FOLD_0


@pytest.mark.parametrize("corpus", ["iemocap", "meld"])
def test_ten_folds_deal_out_all_utterances_and_share_dialogues(corpus: str) -> None:
    utterances = sessions().assign(official_split=None)
    scope = (
        utterances[utterances["labels"].str[0] == "anger"] if corpus == "iemocap" else utterances
    )
    splits = make_splits(utterances, corpus, ["ten_folds"])
    found = parts(splits, utterances, "utterance_id")
    assert sorted(found) == list(range(10))
    assert sorted(key for fold in found.values() for key in fold["test"]) == sorted(
        scope["utterance_id"]
    )
    assert {len(fold["test"]) for fold in found.values()} == {len(scope) // 10}
    assert all(
        set(fold) == {"train", "test"} and not fold["train"] & fold["test"]
        for fold in found.values()
    )
    dialogues = parts(splits, utterances, "dialogue_id")[0]
    assert len(dialogues["train"] & dialogues["test"]) == len(dialogues["test"])
    shuffled = make_splits(utterances.sample(frac=1, random_state=3), corpus, ["ten_folds"])
    assert parts(shuffled, utterances, "utterance_id") == found


def test_ten_folds_need_ten_utterances() -> None:
    with pytest.raises(
        CorpusError, match="meld: scheme ten_folds needs 10 utterances or more, found 8"
    ):
        make_splits(sessions(1, 1).assign(official_split=None), "meld", ["ten_folds"])


@pytest.mark.parametrize("n", [5, 6, 12, 24])
def test_actors_are_on_one_side_only_and_each_is_tested_once(n: int) -> None:
    utterances = actors(n)
    found = parts(make_splits(utterances, "ravdess", ["actors"]), utterances, "speaker")
    tested = [actor for fold in found.values() for actor in fold["test"]]
    assert sorted(tested) == [f"{actor:02d}" for actor in range(1, n + 1)]
    for fold in found.values():
        assert not (
            fold["train"] & fold["dev"]
            or fold["train"] & fold["test"]
            or fold["dev"] & fold["test"]
        )
        assert len(fold["train"] | fold["dev"] | fold["test"]) == n
    sizes = [len(fold["test"]) for fold in found.values()]
    men = [sum(int(actor) % 2 for actor in fold["test"]) for fold in found.values()]
    assert max(sizes) - min(sizes) <= 1 and max(men) - min(men) <= 1


def test_official_parts_keep_what_has_one() -> None:
    rows = [
        ("a", "train", ["happy"]),
        ("b", "dev", []),
        ("c", "test", ["sad", "fear"]),
        ("d", None, ["sad"]),
    ]
    utterances = table(
        [
            {"utterance_id": name, "official_split": split, "labels": labels}
            for name, split, labels in rows
        ]
    )
    splits = make_splits(utterances, "mosei", ["official"])
    assert splits.to_dict("records") == [
        {"utterance_id": "a", "scheme": "official", "fold": 0, "split": "train", "label": None},
        {
            "utterance_id": "b",
            "scheme": "official",
            "fold": 0,
            "split": "dev",
            "label": None,
        },  # no emotion present is a label too
        {"utterance_id": "c", "scheme": "official", "fold": 0, "split": "test", "label": None},
    ]


def test_an_empty_part_is_named() -> None:
    utterances = table([{"utterance_id": "a", "official_split": "train", "labels": ["joy"]}])
    with pytest.raises(CorpusError, match="meld: scheme official, fold 0: no utterance in dev"):
        make_splits(utterances, "meld", ["official"])
    with pytest.raises(CorpusError, match="ravdess: scheme actors needs 5 actors or more, found 4"):
        make_splits(actors(4), "ravdess", ["actors"])
    with pytest.raises(
        CorpusError,
        match=r"iemocap: leaving a session out needs 5 of them, found Ses01, Ses02, Ses03, Ses04$",
    ):
        make_splits(sessions(4), "iemocap", ["sessions"])


def test_session5_is_test_alone_and_dev_is_a_fifth_of_the_other_utterances():
    utterances = sessions()
    split = make_splits(utterances, "iemocap", ["session5"]).set_index("utterance_id")["split"]
    assert (split == "test").to_dict() == utterances.set_index("utterance_id").loc[
        split.index, "session"
    ].eq("Ses05").to_dict()
    rest = split[split != "test"]
    assert (rest == "dev").sum() == round(0.2 * len(rest))
    dialogues = utterances.set_index("utterance_id").loc[rest.index, "dialogue_id"]
    assert (
        rest.groupby(dialogues).nunique().max() == 2
    )  # drawn by utterance: a dialogue is on both sides


def test_pooled_draws_four_fifths_of_each_class_and_drops_fear():
    counts = {
        "neutral": 11,
        "joy": 9,
        "surprise": 5,
        "anger": 5,
        "sadness": 6,
        "disgust": 7,
        "fear": 8,
    }
    labels = [label for label, count in counts.items() for _ in range(count)]
    rows = [
        {
            "utterance_id": f"u{i}",
            "official_split": ("train", "dev", "test")[i % 3],
            "labels": [label],
        }
        for i, label in enumerate(labels)
    ]
    utterances = table(rows)
    splits = make_splits(utterances, "meld", ["pooled"])
    joined = splits.merge(utterances, on="utterance_id")
    found = joined.groupby([joined["labels"].str[0], "split"]).size().unstack()
    assert set(found.columns) == {"train", "test"} and "fear" not in found.index
    assert found["train"].to_dict() == {
        label: 4 * count // 5 for label, count in counts.items() if label != "fear"
    }
    assert set(joined.loc[joined["split"] == "test", "official_split"]) == {"train", "dev", "test"}
    shuffled = make_splits(utterances.sample(frac=1, random_state=1), "meld", ["pooled"])
    pd.testing.assert_frame_equal(
        *(one.sort_values("utterance_id", ignore_index=True) for one in (splits, shuffled))
    )


def test_instances_have_a_row_per_label_and_put_a_segment_on_both_sides():
    rows = [
        {"utterance_id": f"u{i}", "official_split": "train", "labels": ["fear", "happy"]}
        for i in range(10)
    ]
    rows += [
        {"utterance_id": "none", "official_split": "dev", "labels": []},
        {"utterance_id": "no part", "labels": ["sad"]},
    ]
    splits = make_splits(table(rows), "mosei", ["instances"])
    assert set(splits["utterance_id"]) == {f"u{i}" for i in range(10)}
    assert splits.groupby(["label", "split"]).size().to_dict() == {
        ("fear", "test"): 2,
        ("fear", "train"): 8,
        ("happy", "test"): 2,
        ("happy", "train"): 8,
    }
    assert splits.groupby("utterance_id")["label"].agg(set).eq({"fear", "happy"}).all()
    assert (splits.groupby("utterance_id")["split"].nunique() == 2).any()
    assert (
        multi_label("mosei", "official")
        and not multi_label("mosei", "instances")
        and not multi_label("meld", "pooled")
    )


@pytest.mark.skipif(not REAL, reason="MERFLOW_REAL_DATA is not set")
def test_pooled_is_table_1_of_mel_cnn_bert_cell_by_cell():
    """All twelve cells of MELD, on its real annotations."""
    utterances = corpora.load("meld").read_utterances(Path(REAL) / "meld").utterances
    joined = make_splits(utterances, "meld", ["pooled"]).merge(utterances, on="utterance_id")
    found = joined.groupby(["split", joined["labels"].str[0]]).size()
    printed = load(Path(__file__).parents[2] / "reported", "mel_cnn_bert").query(
        "table == '1' and corpus == 'meld' and metric == 'count'"
    )
    cells = printed.set_index(["split", "class"])["number"].astype(int)
    assert len(cells) == 12
    assert found.to_dict() == cells.to_dict()
    assert found.groupby("split").sum().to_dict() == {"test": 2674, "train": 10676}
    dialogues = joined.groupby("split")["dialogue_id"].agg(set)
    assert len(dialogues["train"] & dialogues["test"]) > 0.9 * len(dialogues["test"])


def test_class_sets_of_iemocap():
    assert (
        list(class_of("iemocap"))
        == list(dict.fromkeys(class_of("iemocap", 6).values()))
        == list(CLASSES["iemocap"])
    )
    four = class_of("iemocap", 4)
    assert list(dict.fromkeys(four.values())) == ["anger", "happiness", "sadness", "neutral"]
    assert four["excitement"] == "happiness" and "frustration" not in four
    with pytest.raises(ParamsError, match="iemocap: no set of 5 classes; it has 6, 4"):
        class_of("iemocap", 5)
