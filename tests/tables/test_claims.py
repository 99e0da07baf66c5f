import pytest
import yaml
from support import REPORTED

from merflow.errors import EvaluationError
from merflow.tables.claims import load_claims
from merflow.tables.reported import load

PAPERS = sorted(path.name.removesuffix(".claims.yaml") for path in REPORTED.glob("*.claims.yaml"))
CLAIM = {
    "id": "a",
    "claim": "B beats A.",
    "quote": "B is better.",
    "where": "5",
    "corpora": ["iemocap"],
}
ORDER = {
    "kind": "order",
    "better": ["late_product"],
    "than": ["unimodal_product", "TFN"],
    "metrics": ["uar"],
}
EXTREME = {"kind": "class_extreme", "lowest": "happiness", "metric": "recall", "systems": "all"}
EMOTIONS = {
    "id": "a",
    "claim": "B beats A.",
    "quote": "B is better.",
    "where": "5",
    "corpora": ["mosei"],
}
LANGUAGE = {
    "kind": "order",
    "better": ["language"],
    "than": ["acoustic", "visual"],
    "metrics": ["uar"],
}
SPREAD = {
    "kind": "spread",
    "systems": ["early_fusion", "late_fusion"],
    "metric": "uar",
    "about": 1.5,
}
CONFUSED = {"kind": "most_confused", "pair": ["happiness", "excitement"], "systems": ["joint_cnn"]}


def read(folder, *claims, paper="joint_cnn"):
    (folder / f"{paper}.claims.yaml").write_text(yaml.safe_dump(list(claims)))
    return load_claims(folder, paper, load(REPORTED, paper))


@pytest.mark.parametrize("paper", PAPERS)
def test_every_file_of_claims_is_valid(paper):
    claims = load_claims(REPORTED, paper, load(REPORTED, paper))
    assert len(claims) > 3


def test_systems_without_a_printed_row_and_cited_ones_are_known(tmp_path):
    claims = read(
        tmp_path,
        CLAIM | {"decided_by": ORDER},
        CLAIM | {"id": "b", "decided_by": EXTREME},
        CLAIM | {"id": "c", "decided_by": CONFUSED},
        CLAIM | {"id": "d", "decided_by": CONFUSED | {"kind": "confusion", "about": 33}},
        CLAIM | {"id": "e", "decided_by": {"kind": "nothing", "reason": "No score."}},
    )
    kinds = ["order", "class_extreme", "most_confused", "confusion", "nothing"]
    assert [claim.decided_by.kind for claim in claims] == kinds


@pytest.mark.parametrize(
    ("changes", "rule", "message"),
    [
        (
            {},
            ORDER | {"better": ["late_produkt"]},
            "joint_cnn.claims.yaml, a: unknown system 'late_produkt'; known: speech_cnn, text_lstm",
        ),
        ({}, ORDER | {"than": ["RGAT"]}, "a: unknown system 'RGAT'; known: .*TFN"),
        ({}, ORDER | {"metrics": ["wa"]}, "a: unknown metric 'wa'; known: accuracy, uar"),
        (
            {},
            ORDER | {"metrics": ["macro_f1"]},
            "a: the paper prints no macro_f1 of TFN on the test split of iemocap; take it out",
        ),
        (
            {},
            ORDER | {"than": ["late_product"]},
            "a: late_product cannot be better than itself",
        ),
        ({}, ORDER | {"than": []}, "a: decided_by.order.than: list should have at least 1 item"),
        ({}, EXTREME | {"lowest": "happy"}, "a: unknown class 'happy'; known: anger, happiness"),
        (
            {},
            EXTREME | {"metric": "accuracy"},
            "a: unknown metric 'accuracy'; known: precision, recall, f1",
        ),
        ({}, EXTREME | {"systems": ["TFN"]}, "a: unknown system 'TFN'"),
        (
            {},
            {key: value for key, value in EXTREME.items() if key != "lowest"},
            "a: name a lowest class, a highest class",
        ),
        ({}, CONFUSED | {"pair": ["happiness"]}, "pair: list should have at least 2 items"),
        ({}, {"kind": "best"}, "decided_by: input tag 'best' found using 'kind' does not match"),
        (
            {},
            ORDER | {"classes": ["sadness"]},
            "a: unknown metric 'uar'; known: precision, recall, f1",
        ),
        (
            {},
            ORDER | {"metrics": ["loss"]},
            "a: losses are compared between systems of the paper only, and without points; take by",
        ),
        (
            {},
            ORDER | {"than": ["late_average"], "metrics": ["loss"], "by": 1},
            "a: losses are compared between systems of the paper",
        ),
        ({}, ORDER | {"by": 0}, "a: decided_by.order.by: input should be greater than 0"),
        ({"corpora": ["meld"]}, ORDER, "a: unknown corpus 'meld'; known: iemocap"),
        ({"verdict": "supported"}, ORDER, "a: verdict: unknown key"),
        ({"quote": ""}, ORDER, "a: quote: string should have at least 1 character"),
    ],
)
def test_a_wrong_claim_is_refused_in_one_line(tmp_path, changes, rule, message):
    with pytest.raises(EvaluationError, match=message) as raised:
        read(tmp_path, CLAIM | changes | {"decided_by": rule})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (LANGUAGE | {"classes": ["angry"]}, "a: unknown class 'angry'; known: happy, sad, anger"),
        (
            LANGUAGE | {"metrics": ["macro_f1"]},
            "a: unknown metric 'macro_f1'; known: uar, accuracy, weighted_f1, positive_f1",
        ),
        (
            LANGUAGE | {"metrics": ["loss"]},
            "a: unknown metric 'loss'; known: uar, accuracy, weighted_f1, positive_f1",
        ),
        (LANGUAGE | {"in_turn": True}, "a: 1 systems cannot be compared with 2 in turn"),
        (
            LANGUAGE | {"better": ["Zadeh et al., 2018"], "metrics": ["accuracy"]},
            "a: the paper prints no accuracy of Zadeh et al., 2018 on",
        ),
        (
            SPREAD | {"systems": ["early_fusion"]},
            "a: decided_by.spread.systems: list should have at least 2 items",
        ),
        (
            SPREAD | {"systems": ["early_fusion", "EF"]},
            "a: unknown system 'EF'; known: acoustic, visual, language, early_fusion",
        ),
        (SPREAD | {"metric": "UA"}, "a: unknown metric 'UA'; known: uar"),
        (
            {"kind": "class_weights", "systems": ["EF"], "metrics": ["uar"]},
            "a: unknown system 'EF'",
        ),
        ({"kind": "class_weights", "systems": "all", "metrics": ["UA"]}, "a: unknown metric 'UA'"),
        (
            {"kind": "over_epochs", "systems": ["language"]},
            "a: mosei is multi-label: no network is for all classes",
        ),
    ],
)
def test_a_wrong_multi_label_claim_is_refused_in_one_line(tmp_path, rule, message):
    with pytest.raises(EvaluationError, match=message) as raised:
        read(tmp_path, EMOTIONS | {"decided_by": rule}, paper="class_weight_lstm")
    assert "\n" not in str(raised.value)


def test_a_wrong_file_is_refused_in_one_line(tmp_path):
    claim = CLAIM | {"decided_by": ORDER}
    with pytest.raises(
        EvaluationError, match="a: stands 2 times; give each entry an id of its own"
    ):
        read(tmp_path, claim, claim)
    (tmp_path / "joint_cnn.claims.yaml").write_text("- [")
    with pytest.raises(EvaluationError, match=r"joint_cnn\.claims\.yaml: not YAML: .*"):
        load_claims(tmp_path, "joint_cnn", load(REPORTED, "joint_cnn"))


def test_a_paper_without_the_file_has_no_claims(tmp_path):
    assert load_claims(tmp_path, "joint_cnn", load(REPORTED, "joint_cnn")) == []
