import pandas as pd
import pytest

from merflow import artifacts, corpora
from merflow.corpora.labels import CLASSES, class_of
from merflow.corpora.schemes import FOLDS, folds
from merflow.corpora.splits import make_splits
from merflow.errors import CorpusError, ParamsError


def table(rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=artifacts.UTTERANCES.names)


def actors(n: int) -> pd.DataFrame:
    names = [(f"{actor:02d}", take) for actor in range(1, n + 1) for take in (1, 2)]
    return table([{"utterance_id": f"{actor}-{take}", "speaker": actor, "labels": ["calm"]} for actor, take in names])


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
    return {fold: {split: set(rows[column]) for split, rows in one.groupby("split")} for fold, one in joined.groupby("fold")}


def test_number_of_folds_is_known_without_data() -> None:
    assert (folds("meld", "official"), folds("mosei", "official"), folds("iemocap", "sessions"), folds("ravdess", "actors")) == (1, 1, 5, 5)
    with pytest.raises(CorpusError, match="meld: no split scheme 'actors'; it has official"):
        folds("meld", "actors")


@pytest.mark.parametrize("corpus", list(corpora.CORPORA))
def test_modules_name_these_schemes(corpus: str) -> None:
    assert tuple(FOLDS[corpus]) == corpora.load(corpus).SCHEMES


def test_fold_k_tests_session_k_and_dev_shares_no_dialogue_with_train() -> None:
    utterances = sessions()
    splits = make_splits(utterances, "iemocap", ["sessions"])
    assert list(splits.columns) == ["utterance_id", "scheme", "fold", "split"]
    for fold, found in parts(splits, utterances, "session").items():
        assert found["test"] == {f"Ses0{fold + 1}"}
        assert f"Ses0{fold + 1}" not in found["train"] | found["dev"]
    for found in parts(splits, utterances, "dialogue_id").values():
        assert len(found["dev"]) == 8 and len(found["train"]) == 32 and len(found["test"]) == 10  # dev: 20 % of 40 dialogues
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
    pd.testing.assert_frame_equal(splits.sort_values(order, ignore_index=True), shuffled.sort_values(order, ignore_index=True))
    assert sorted(parts(splits, utterances, "dialogue_id")[0]["dev"]) == DEV_OF_FOLD_0


@pytest.mark.parametrize("n", [5, 6, 12, 24])
def test_actors_are_on_one_side_only_and_each_is_tested_once(n: int) -> None:
    utterances = actors(n)
    found = parts(make_splits(utterances, "ravdess", ["actors"]), utterances, "speaker")
    tested = [actor for fold in found.values() for actor in fold["test"]]
    assert sorted(tested) == [f"{actor:02d}" for actor in range(1, n + 1)]
    for fold in found.values():
        assert not (fold["train"] & fold["dev"] or fold["train"] & fold["test"] or fold["dev"] & fold["test"])
        assert len(fold["train"] | fold["dev"] | fold["test"]) == n
    sizes = [len(fold["test"]) for fold in found.values()]
    men = [sum(int(actor) % 2 for actor in fold["test"]) for fold in found.values()]
    assert max(sizes) - min(sizes) <= 1 and max(men) - min(men) <= 1


def test_official_parts_keep_what_has_one() -> None:
    rows = [("a", "train", ["happy"]), ("b", "dev", []), ("c", "test", ["sad", "fear"]), ("d", None, ["sad"])]
    utterances = table([{"utterance_id": name, "official_split": split, "labels": labels} for name, split, labels in rows])
    splits = make_splits(utterances, "mosei", ["official"])
    assert splits.to_dict("records") == [
        {"utterance_id": "a", "scheme": "official", "fold": 0, "split": "train"},
        {"utterance_id": "b", "scheme": "official", "fold": 0, "split": "dev"},  # no emotion present is a label too
        {"utterance_id": "c", "scheme": "official", "fold": 0, "split": "test"},
    ]


def test_an_empty_part_is_named() -> None:
    utterances = table([{"utterance_id": "a", "official_split": "train", "labels": ["joy"]}])
    with pytest.raises(CorpusError, match="meld: scheme official, fold 0: no utterance in dev"):
        make_splits(utterances, "meld", ["official"])
    with pytest.raises(CorpusError, match="ravdess: scheme actors needs 5 actors or more, found 4"):
        make_splits(actors(4), "ravdess", ["actors"])
    with pytest.raises(CorpusError, match=r"iemocap: leaving a session out needs 5 of them, found Ses01, Ses02, Ses03, Ses04$"):
        make_splits(sessions(4), "iemocap", ["sessions"])


def test_session5_is_test_alone_and_dev_is_a_fifth_of_the_other_utterances():
    utterances = sessions()
    split = make_splits(utterances, "iemocap", ["session5"]).set_index("utterance_id")["split"]
    assert (split == "test").to_dict() == utterances.set_index("utterance_id").loc[split.index, "session"].eq("Ses05").to_dict()
    rest = split[split != "test"]
    assert (rest == "dev").sum() == round(0.2 * len(rest))
    dialogues = utterances.set_index("utterance_id").loc[rest.index, "dialogue_id"]
    assert rest.groupby(dialogues).nunique().max() == 2  # drawn by utterance: a dialogue is on both sides


def test_class_sets_of_iemocap():
    assert list(class_of("iemocap")) == list(dict.fromkeys(class_of("iemocap", 6).values())) == list(CLASSES["iemocap"])
    four = class_of("iemocap", 4)
    assert list(dict.fromkeys(four.values())) == ["anger", "happiness", "sadness", "neutral"]
    assert four["excitement"] == "happiness" and "frustration" not in four
    with pytest.raises(ParamsError, match="iemocap: no set of 5 classes; it has 6, 4"):
        class_of("iemocap", 5)
