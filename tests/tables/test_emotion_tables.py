import json

import pandas as pd
import pytest
from support import REPORTED

from merflow import artifacts
from merflow.tables import corpus_tables
from merflow.tables.compare import build
from merflow.tables.comparison import Comparison
from merflow.tables.reported import load

ROWS = ["Happy", "Angry", "Sad", "Fear", "Disgust", "Surprise", "Average"]
HEADS = [f"{part} set / {answer}" for part in ("Train", "Test") for answer in ("True", "False")]
SYSTEMS = {
    "acoustic": {"all": 0.6, "uar": 0.62, "uar anger": 0.7, "positive_f1 fear": 0.25},
    "acoustic_unweighted": {"all": 0.58, "uar anger": 0.5},
    "visual": {"all": 0.61},
    "early_fusion": {"all": 0.65},
}


@pytest.fixture
def built(tmp_path, make_scores, write_scores):
    """Tables of class_weight_lstm under the protocol clean: the folder, and a reader of its CSV files."""

    def make(systems=SYSTEMS, more=(), **changes):
        frame = make_scores(systems, paper="class_weight_lstm", corpus="mosei", **changes)
        build(
            write_scores(pd.concat([frame, *more]).astype({"fold": "Int32", "seed": "Int32"})),
            REPORTED,
            tmp_path / "tables",
        )
        folder = tmp_path / "tables" / "class_weight_lstm"
        return folder, lambda name: pd.read_csv(
            folder / f"mosei-{name}.csv", keep_default_na=False, na_values=[""]
        )

    return make


def header(path):
    return next(
        line for line in path.read_text().splitlines() if line.startswith(("| row", "| system"))
    )


def test_systems_stand_side_by_side_and_emotions_below_each_other(built):
    folder, read = built()
    two = read("table-II-clean")
    assert two["label"].tolist() == ROWS * 2
    assert two["measure"].tolist() == ["UA (UAR)"] * 7 + ["F1 of present"] * 7
    angry, fear, average = two.loc[1], two.loc[7 + 3], two.loc[6]
    assert (angry["acoustic"], angry["acoustic_unweighted"], angry["acoustic_effect_p"]) == (
        0.7,
        0.5,
        0.04,
    )
    assert angry[
        ["acoustic_effect_value", "acoustic_effect_low", "acoustic_effect_high"]
    ].tolist() == pytest.approx([0.2, 0.18, 0.22])
    assert (fear["acoustic"], average["acoustic"], average["visual"]) == (0.25, 0.62, 0.61)
    assert two["language"].isna().all() and set(two.loc[:6, "printed_language_as"]) == {
        "not in the source"
    }
    three = read("table-III-clean")
    assert three["label"].tolist() == ROWS * 2 and (three["early_fusion"] == 0.65).all()
    groups = header(folder / "mosei-table-II-clean.md")
    assert groups == "| row | measure | " + " | ".join(
        [
            *(
                f"acoustic: {name}"
                for name in ("printed", "with weights", "without", "effect", "p")
            ),
            *(
                "Zadeh et al., 2018 (acoustic): printed",
                "visual: printed",
                "visual: ours",
                "Zadeh et al., 2018 (visual): printed",
            ),
            *("language: printed", "language: ours", "Zadeh et al., 2018 (language): printed"),
            *("majority: ours", "chance: ours", "all_negative: ours |"),
        ]
    )


def test_what_is_not_in_the_source_not_run_and_not_printed_is_told_apart(built):
    text = (built()[0] / "mosei-table-II-clean.md").read_text()
    angry = next(line for line in text.splitlines() if line.startswith("| Angry | UA (UAR) "))
    assert angry == (
        "| Angry | UA (UAR) | not in the source | 70.00 ± 0.00 | 50.00 ± 0.00 | +20.00 [+18.00, +22.00] | 0.040 | not in the source "
        "| not in the source | 61.00 ± 0.00 | not in the source | not in the source | not run | not in the source "
        "| 10.00 ± 0.00 | 10.00 ± 0.00 | 10.00 ± 0.00 |"
    )
    present = next(
        line for line in text.splitlines() if line.startswith("| Angry | F1 of present ")
    )
    assert present.startswith(
        "| Angry | F1 of present | – | 60.00 ± 0.00 | 58.00 ± 0.00 | +2.00 [0.00, +4.00] | 0.040 | – | – |"
    )
    assert "\n- acoustic: n = 100, from features of acoustic.\n" in text
    assert (
        "\n- language: not run: params.yaml does not ask for it (run.class_weight_lstm).\n" in text
    )
    assert (
        "\n- Not in the source: the paper prints this cell," in text
        and "\n- not in the source." not in text
    )


def test_without_systems_without_weights_there_is_no_effect(built):
    folder, _ = built({"visual": {"all": 0.6}, "my_fusion": {"all": 0.7}})
    groups = header(folder / "mosei-table-II-clean.md")
    assert (
        "effect" not in groups
        and "weights" not in groups
        and groups.endswith(
            "| my_fusion: ours | majority: ours | chance: ours | all_negative: ours |"
        )
    )
    assert not (folder / "mosei-table-III-clean.md").exists()


def test_class_balance_stands_beside_ours(built):
    folder, read = built()
    table = read("table-I").set_index("label")
    assert table.index.tolist() == ROWS[:-1]
    figures = table.loc[
        "Happy", [f"{head}_clean{ending}" for head in HEADS for ending in ("", "_difference")]
    ]
    expected = [
        (ours, ours - printed)
        for ours, printed in ((0.25, 0.533), (0.75, 0.467), (0.2, 0.522), (0.8, 0.478))
    ]
    assert figures.tolist() == pytest.approx([value for both in expected for value in both])
    text = (folder / "mosei-table-I.md").read_text()
    groups = [f"{head}: {column}" for head in HEADS for column in ("printed", "ours", "difference")]
    assert header(folder / "mosei-table-I.md") == f"| row | {' | '.join(groups)} |"
    assert (
        "| Fear | 8.6 | 25.00 | +16.40 | 91.4 | 75.00 | −16.40 | 6.9 | 20.00 | +13.10 | 93.1 | 80.00 | −13.10 |"
        in text
    )
    assert "\n- Ours: n = 300 in train, 100 in test; utterances without an emotion count.\n" in text


def test_class_balance_of_a_demo_corpus_is_never_subtracted(built):
    table = built(source="demo")[1]("table-I")
    assert (table[[f"{head}_clean" for head in HEADS]] == [0.25, 0.75, 0.2, 0.8]).all(axis=None)
    assert table[[f"{head}_clean_difference" for head in HEADS]].isna().all(axis=None)


@pytest.mark.parametrize(("share", "endings"), [(0.2, [""]), (0.1, [", as published", ", clean"])])
def test_protocols_with_the_same_parts_share_a_column(built, make_scores, share, endings):
    present = {"train": 0.25, "dev": 0.25, "test": share}
    other = make_scores(SYSTEMS, "class_weight_lstm", "mosei", "as_published", present=present)
    heads = header(built(more=[other])[0] / "mosei-table-I.md").strip("| ").split(" | ")
    ours = [f"{column}{ending}" for ending in endings for column in ("ours", "difference")]
    assert heads[1:] == [f"{head}: {column}" for head in HEADS for column in ("printed", *ours)]


def test_without_scores_the_printed_balance_stands_alone():
    none = pd.DataFrame(columns=artifacts.SCORES.names)
    (table,) = corpus_tables.tables(
        Comparison("class_weight_lstm", "mosei", load(REPORTED, "class_weight_lstm"), none, 0.95)
    )
    assert [column.header for column in table.columns] == ["row", *["printed"] * 4] and len(
        table.frame
    ) == 6


def test_the_corpus_is_no_system(built):
    folder, _ = built()
    for path in folder.glob("*.csv"):
        frame = pd.read_csv(path)
        assert not any("corpus" in name for name in frame.columns), path
        assert "corpus" not in set(frame.get("system", [])), path


def test_the_index_has_them_first(built):
    folder, _ = built()
    index = json.loads((folder.parent / "index.json").read_text())
    assert {"audit", "audit-rules"} <= {table["name"] for table in index["overall"]}
    assert (
        (folder.parent / "overall" / "audit.md")
        .read_text()
        .startswith("## Audit of all printed numbers: ")
    )
    entry = index["sections"][0]
    assert (entry["paper"], entry["corpus"]) == ("class_weight_lstm", "mosei")
    assert [table["name"].removeprefix("mosei-") for table in entry["tables"]] == [
        *(
            "table-I",
            "table-II-clean",
            "table-III-clean",
            "claims",
            "audit",
            "test",
            "classes",
            "seeds",
            "differences",
        )
    ]
    assert entry["headlines"][0].startswith("Claims of the paper, clean: ")
    assert entry["headlines"][1] == (
        "acoustic from features of acoustic, clean: UAR 62.00 ± 0.00 [60.00, 64.00], 2 seeds; majority class 10.00."
        " The printed figure is not in our source of the paper."
    )


def test_the_overview_is_of_means_over_emotions_and_shows_printed_columns_of_what_is_printed(built):
    folder, read = built()
    table = read("test").set_index("system")
    assert table.loc["acoustic", ["clean_uar", "clean_accuracy", "clean_positive_f1"]].tolist() == [
        0.62,
        0.6,
        0.6,
    ]
    assert table.index[-3:].tolist() == ["majority", "chance", "all_negative"] and set(
        table["kind"].iloc[-3:]
    ) == {"baseline"}
    assert (
        table.index[:3].tolist() == ["acoustic", "Zadeh et al., 2018 (acoustic)", "visual"]
        and table["label"].iloc[0] == "acoustic"
    )
    names = (
        "UAR",
        "accuracy",
        "weighted F1",
        "F1 of present",
        "95 % interval",
        "difference",
        "seeds",
    )
    expected = f"| row | table | printed: UAR | {' | '.join(f'clean: {name}' for name in names)} | n | source | inputs | notes |"
    assert header(folder / "mosei-test.md") == expected


def test_each_emotion_has_each_measure(built):
    classes = built()[1]("classes").set_index("system")
    assert list(classes.columns[1:25]) == [
        f"{metric}_{name}"
        for metric in ("uar", "accuracy", "weighted_f1", "positive_f1")
        for name in ("happy", "sad", "anger", "surprise", "disgust", "fear")
    ]
    assert classes.loc["acoustic", ["uar_anger", "uar_fear", "positive_f1_fear"]].tolist() == [
        0.7,
        0.62,
        0.25,
    ]


def test_differences_are_of_uar_with_p_and_weights_come_after_none(built):
    folder, read = built()
    rows = read("differences").set_index("system")
    assert len(rows) == 6 and rows.index[0] == "acoustic - acoustic_unweighted"
    assert rows.loc["visual - acoustic", ["value", "p"]].tolist() == [pytest.approx(-0.01), 0.04]
    text = (folder / "mosei-differences.md").read_text()
    assert (
        "| early_fusion - acoustic | clean | +3.00 | [+1.00, +5.00] | 0.040 | early_fusion is better | 100 | official |"
        in text
    )
    assert "McNemar" not in text  # of several classes at once an answer is no more right or wrong


def test_a_seed_shows_the_epoch_of_every_emotion_and_fold(built):
    run = {
        "paper": "class_weight_lstm",
        "system": "visual",
        "corpus": "mosei",
        "source": "official",
        "protocol": "clean",
    }
    run |= {"classes": 6, "split": "dev", "metric": "selected_epoch", "n": 1}
    epochs = {0: (3, 1, 4, 1, 5, 9), 1: (2, 6, 5, 3, 5, 8)}
    names = ("happy", "sad", "anger", "surprise", "disgust", "fear")
    rows = [
        run | {"fold": fold, "seed": 1, "class": name, "value": float(value)}
        for fold, values in epochs.items()
        for name, value in zip(names, values, strict=True)
    ]
    folder, read = built(more=[pd.DataFrame(rows)])
    seeds = read("seeds").set_index(["system", "seed"])
    assert seeds.loc[("visual", 1), "selected_epoch"] == "3/1/4/1/5/9, 2/6/5/3/5/8"
    assert pd.isna(seeds.loc[("visual", 2), "selected_epoch"])
    assert (
        "where each class has a network of its own per class: happy/sad/anger/surprise/disgust/fear"
        in (folder / "mosei-seeds.md").read_text()
    )


def test_demo_figures_say_so(built):
    folder, _ = built(source="demo")
    for path in {*folder.glob("*.md")} - {
        folder / "mosei-audit.md"
    }:  # which has printed numbers only
        assert "demo corpus in the layout of mosei" in path.read_text().splitlines()[0]
