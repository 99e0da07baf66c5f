"""Tables of class_weight_lstm on CMU-MOSEI, a multi-label task."""

import pytest
from support import REPORTED
from support.built_tables import entry_of, header_of, line_of, read_csv
from support.score_tables import comparison_of, joined, no_scores

from merflow.tables import corpus_tables
from merflow.tables.compare import build
from merflow.tables.index import Index
from merflow.tables.reported import load

PAPER = "class_weight_lstm"
ROWS = ["Happy", "Angry", "Sad", "Fear", "Disgust", "Surprise", "Average"]
HEADS = [f"{split} set / {value}" for split in ("Train", "Test") for value in ("True", "False")]
SYSTEMS = {
    "acoustic": {"all": 0.6, "uar": 0.62, "uar anger": 0.7, "positive_f1 fear": 0.25},
    "acoustic_unweighted": {"all": 0.58, "uar anger": 0.5},
    "visual": {"all": 0.61},
    "early_fusion": {"all": 0.65},
}
CITED = "Zadeh et al., 2018"


@pytest.fixture
def built(tmp_path, make_scores, write_scores):
    """Tables under the protocol clean: their folder, and a reader of its CSV files."""

    def make(systems=SYSTEMS, more=(), **changes):
        scores = joined(make_scores(systems, PAPER, "mosei", **changes), *more)
        build(write_scores(scores), REPORTED, tmp_path / "tables")
        folder = tmp_path / "tables" / PAPER
        return folder, lambda name: read_csv(folder / f"mosei-{name}.csv")

    return make


def test_systems_stand_side_by_side_over_emotions(built):
    folder, read = built()
    two = read("table-II-clean")
    assert two["label"].tolist() == ROWS * 2
    assert two["measure"].tolist() == ["UA (UAR)"] * 7 + ["F1 of present"] * 7
    angry, fear, average = two.loc[1], two.loc[7 + 3], two.loc[6]
    columns = ["acoustic", "acoustic_unweighted", "acoustic_effect_p"]
    assert angry[columns].tolist() == [0.7, 0.5, 0.04]
    effect = [f"acoustic_effect_{key}" for key in ("value", "low", "high")]
    assert angry[effect].tolist() == pytest.approx([0.2, 0.18, 0.22])
    assert (fear["acoustic"], average["acoustic"], average["visual"]) == (0.25, 0.62, 0.61)
    assert two["language"].isna().all()
    assert set(two.loc[:6, "printed_language_as"]) == {"not in the source"}
    three = read("table-III-clean")
    assert three["label"].tolist() == ROWS * 2 and (three["early_fusion"] == 0.65).all()
    of_acoustic = ("printed", "with weights", "without", "effect", "p", "p, corrected")
    groups = [
        *(f"acoustic: {name}" for name in of_acoustic),
        f"{CITED} (acoustic): printed",
        *("visual: printed", "visual: ours", f"{CITED} (visual): printed"),
        *("language: printed", "language: ours", f"{CITED} (language): printed"),
        *("majority: ours", "chance: ours", "all_negative: ours"),
    ]
    header = header_of(folder / "mosei-table-II-clean.md")
    assert header == f"| row | measure | {' | '.join(groups)} |"


def test_cells_tell_not_in_source_not_run_and_not_printed(built):
    path = built()[0] / "mosei-table-II-clean.md"
    missing, baselines = "not in the source", " | ".join(["10.00 ± 0.00"] * 3)
    p = ("0.040", "0.045")
    cells = [
        *(missing, "70.00 ± 0.00", "50.00 ± 0.00", "+20.00 [+18.00, +22.00]", *p, missing),
        *(missing, "61.00 ± 0.00", missing, missing, "not run", missing, baselines),
    ]
    assert line_of(path, "| Angry | UA") == f"| Angry | UA (UAR) | {' | '.join(cells)} |"
    cells = ["–", "60.00 ± 0.00", "58.00 ± 0.00", "+2.00 [0.00, +4.00]", *p, "–", "–"]
    present = line_of(path, "| Angry | F1")
    assert present.startswith(f"| Angry | F1 of present | {' | '.join(cells)} |")
    text = path.read_text()
    assert "\n- acoustic: n = 100, from features of acoustic.\n" in text
    disabled = "not run: disabled in params.yaml (run.class_weight_lstm.language)"
    assert f"\n- language: {disabled}.\n" in text
    assert "\n- Not in the source: the paper prints this cell," in text
    assert "\n- not in the source." not in text


def test_there_is_no_effect_without_unweighted_systems(built):
    folder, _ = built({"visual": {"all": 0.6}, "my_fusion": {"all": 0.7}})
    header = header_of(folder / "mosei-table-II-clean.md")
    assert "effect" not in header and "weights" not in header
    last = " | ".join(f"{name}: ours" for name in ("majority", "chance", "all_negative"))
    assert header.endswith(f"| my_fusion: ours | {last} |")
    assert not (folder / "mosei-table-III-clean.md").exists()


def test_class_balance_stands_beside_ours(built):
    folder, read = built()
    table = read("table-I").set_index("label")
    assert table.index.tolist() == ROWS[:-1]
    columns = [f"{head}_clean{ending}" for head in HEADS for ending in ("", "_difference")]
    ours, printed = (0.25, 0.75, 0.2, 0.8), (0.533, 0.467, 0.522, 0.478)
    both = [(own, own - cell) for own, cell in zip(ours, printed, strict=True)]
    expected = [value for pair in both for value in pair]
    assert table.loc["Happy", columns].tolist() == pytest.approx(expected)
    path = folder / "mosei-table-I.md"
    groups = [f"{head}: {column}" for head in HEADS for column in ("printed", "ours", "difference")]
    assert header_of(path) == f"| row | {' | '.join(groups)} |"
    cells = [
        *("8.6", "25.00", "+16.40", "91.4", "75.00", "−16.40"),
        *("6.9", "20.00", "+13.10", "93.1", "80.00", "−13.10"),
    ]
    assert line_of(path, "| Fear") == f"| Fear | {' | '.join(cells)} |"
    sizes = "n = 300 in train, 100 in test"
    assert f"\n- Ours: {sizes}; utterances without an emotion count.\n" in path.read_text()


def test_class_balance_of_a_demo_corpus_is_not_subtracted(built):
    table = built(source="demo")[1]("table-I")
    assert (table[[f"{head}_clean" for head in HEADS]] == [0.25, 0.75, 0.2, 0.8]).all(axis=None)
    assert table[[f"{head}_clean_difference" for head in HEADS]].isna().all(axis=None)


@pytest.mark.parametrize(("share", "endings"), [(0.2, [""]), (0.1, [", as published", ", clean"])])
def test_protocols_with_the_same_splits_share_a_column(built, make_scores, share, endings):
    present = {"train": 0.25, "dev": 0.25, "test": share}
    other = make_scores(SYSTEMS, PAPER, "mosei", "as_published", present=present)
    folder, _ = built(more=[other])
    heads = header_of(folder / "mosei-table-I.md").strip("| ").split(" | ")
    ours = [f"{column}{ending}" for ending in endings for column in ("ours", "difference")]
    assert heads[1:] == [f"{head}: {column}" for head in HEADS for column in ("printed", *ours)]


def test_without_scores_the_printed_balance_stands_alone():
    comparison = comparison_of(PAPER, "mosei", load(REPORTED, PAPER), no_scores())
    (table,) = corpus_tables.tables(comparison)
    assert [column.header for column in table.columns] == ["row", *["printed"] * 4]
    assert len(table.frame) == 6


def test_the_index_has_the_papers_tables_first(built):
    folder, _ = built()
    assert {"audit", "audit-rules"} <= set(Index.read(folder.parent).overall)
    audit = (folder.parent / "overall" / "audit.md").read_text()
    assert audit.startswith("## Audit of all printed numbers: ")
    entry = entry_of(folder.parent, PAPER, "mosei")
    assert [name.removeprefix("mosei-") for name in entry.tables] == [
        *("table-I", "table-II-clean", "table-III-clean", "claims", "audit"),
        *("test", "classes", "seeds", "differences"),
    ]
    assert entry.headlines[0].startswith("Claims of the paper, clean: ")
    score = "UAR 62.00 ± 0.00 [60.00, 64.00], 2 seeds; majority class 10.00."
    printed = "The printed figure is not in our source of the paper."
    acoustic = f"acoustic from features of acoustic, clean: {score} {printed}"
    assert entry.headlines[1] == acoustic


def test_the_test_table_is_of_means_over_emotions(built):
    folder, read = built()
    table = read("test").set_index("system")
    columns = ["clean_uar", "clean_accuracy", "clean_positive_f1"]
    assert table.loc["acoustic", columns].tolist() == [0.62, 0.6, 0.6]
    assert table.index[-3:].tolist() == ["majority", "chance", "all_negative"]
    assert set(table["kind"].iloc[-3:]) == {"baseline"}
    assert table.index[:3].tolist() == ["acoustic", f"{CITED} (acoustic)", "visual"]
    assert table["label"].iloc[0] == "acoustic"
    metrics = ("UAR", "accuracy", "weighted F1", "F1 of present")
    names = (*metrics, "95 % interval", "difference", "seeds")
    groups = ["printed: UAR", *(f"clean: {name}" for name in names)]
    header = f"| row | table | {' | '.join(groups)} | n | source | inputs | notes |"
    assert header_of(folder / "mosei-test.md") == header


def test_each_emotion_has_each_measure(built):
    classes = built()[1]("classes").set_index("system")
    assert list(classes.columns[1:25]) == [
        f"{metric}_{name}"
        for metric in ("uar", "accuracy", "weighted_f1", "positive_f1")
        for name in ("happy", "sad", "anger", "surprise", "disgust", "fear")
    ]
    columns = ["uar_anger", "uar_fear", "positive_f1_fear"]
    assert classes.loc["acoustic", columns].tolist() == [0.7, 0.62, 0.25]


def test_multi_label_differences_are_of_uar_without_mcnemar(built):
    folder, read = built()
    rows = read("differences").set_index(["first", "second"])
    # A system without class weights comes before the same system with them.
    assert len(rows) == 6 and rows.index[0] == ("acoustic", "acoustic_unweighted")
    difference = rows.loc[("visual", "acoustic"), ["value", "p"]].tolist()
    assert difference == pytest.approx([-0.01, 0.04])
    path = folder / "mosei-differences.md"
    effect = "+3.00 | [+1.00, +5.00] | 0.040 | 0.045 | early_fusion is better"
    row = f"| early_fusion - acoustic | clean | {effect} | 100 | official |"
    assert line_of(path, "| early_fusion - acoustic |") == row
    assert "McNemar" not in path.read_text()


def test_a_seed_has_the_epoch_of_every_emotion_and_fold(built):
    named = {"paper": PAPER, "system": "visual", "corpus": "mosei", "source": "official"}
    named |= {"protocol": "clean", "n_classes": 6, "multi_label": True, "n": 1, "seed": 1}
    epochs = {0: (3, 1, 4, 1, 5, 9), 1: (2, 6, 5, 3, 5, 8)}
    names = ("happy", "sad", "anger", "surprise", "disgust", "fear")
    rows = [
        named
        | {"split": "dev", "metric": "selected_epoch", "fold": fold, "class": name}
        | {"value": float(value)}
        for fold, values in epochs.items()
        for name, value in zip(names, values, strict=True)
    ]
    folder, read = built(more=[no_scores(scores=rows)])
    selected = read("seeds").set_index(["system", "seed"])["selected_epoch"]
    assert selected["visual", 1] == "3/1/4/1/5/9, 2/6/5/3/5/8"
    assert selected.isna()["visual", 2]
    each = f"per class where each class has a network of its own: {'/'.join(names)}"
    assert each in (folder / "mosei-seeds.md").read_text()


def test_titles_name_the_demo_corpus(built):
    folder, _ = built(source="demo")
    # The audit has printed numbers only.
    for path in {*folder.glob("*.md")} - {folder / "mosei-audit.md"}:
        assert "demo corpus in the layout of mosei" in path.read_text().splitlines()[0]
