import pytest
from support.printed_tables import lines

from merflow.tables.audit import settings

BATCH = "text b{1}_{2} {0} batch_size - - {1} utterances batch {2}"
LAYERS = "text {} s layers - - {} count layers {}"


@pytest.fixture
def findings(make_case):
    def find(*rows, rule=settings.of_several_systems):
        return rule(make_case(lines(*rows), classes=None)).findings

    return find


def test_two_systems_with_two_batch_sizes_are_a_hint(findings):
    text = BATCH.format("text", 30, "3.2")
    (finding,) = findings(text, BATCH.format("fusion", 32, "4.2"))
    assert (finding.confidence, finding.off) == ("hint", "+2")
    assert finding.printed == "batch size of text 30 (3.2: b30_3.2); of fusion 32 (4.2: b32_4.2)"
    assert findings(text, BATCH.format("fusion", 30, "4.2")) == []


def test_systems_side_by_side_may_differ(findings):
    assert findings(BATCH.format("cnn", 20, "5.2"), BATCH.format("lstm", 40, "5.2")) == []


def test_families_side_by_side_may_differ(findings):
    families = (BATCH.format("BERT", 20, "3"), BATCH.format("Swin", 40, "3"))
    members = (BATCH.format("bert_a", 20, "4"), BATCH.format("swin_a", 40, "5"))
    assert findings(*families, *members) == []


def test_two_places_on_one_system_are_found(findings):
    first = BATCH.format("text", 30, "3.2")
    (finding,) = findings(first, BATCH.format("text", 32, "4.2"))
    assert finding.confidence == "certain"
    assert findings(first, BATCH.format("text&fusion", 30, "4.2")) == []
    of_all = BATCH.format("all", 32, "4.2")
    assert [finding.confidence for finding in findings(first, of_all)] == ["certain"]


def test_scored_systems_are_left_to_the_rule_of_repeats(findings):
    score = "1 a text accuracy - test 60.0 percent"
    assert findings(score, BATCH.format("text", 30, "3"), BATCH.format("text", 32, "4")) == []


def test_a_value_that_no_member_of_a_family_has_is_found(findings):
    members = (BATCH.format("text_bert_8", 8, "4"), BATCH.format("text_bert_16", 16, "4"))
    range_of_values = (BATCH.format("BERT", 8, "3"), BATCH.format("BERT", 16, "3"))
    assert findings(*members, *range_of_values) == []
    (finding,) = findings(*members, BATCH.format("BERT", 32, "3"))
    assert (finding.confidence, finding.expected) == (
        "likely",
        "values of text_bert_8, text_bert_16",
    )


def test_a_value_of_some_members_of_a_family_is_a_hint(findings):
    members = (BATCH.format("text_bert_8", 8, "4"), BATCH.format("text_bert_16", 16, "4"))
    (finding,) = findings(*members, BATCH.format("BERT", 8, "3"))
    assert (finding.confidence, finding.expected) == ("hint", "the value of text_bert_16: 16")


def test_families_are_told_apart_by_whole_words(findings):
    assert findings(BATCH.format("BERT", 8, "3"), BATCH.format("text_roberta", 16, "4")) == []


def test_a_fact_with_two_values_is_found(findings):
    rule = settings.in_two_places
    first = LAYERS.format("dense", 3, "3.2")
    (finding,) = findings(first, LAYERS.format("dense,caption", 2, "4"), rule=rule)
    assert finding.printed == "dense (s): 3; 2 (4: dense, caption)"
    assert (finding.confidence, finding.off) == ("certain", "-1")
    for other in (
        LAYERS.format("dense,caption", 3, "4"),
        LAYERS.format("dense,caption", 2, "3.2"),  # two numbers of one sentence
        LAYERS.format("recurrent", 2, "4"),
    ):
        assert findings(first, other, rule=rule) == []


def test_one_of_several_values_may_be_repeated(findings):
    rule = settings.in_two_places
    two = (LAYERS.format("dense,first", 3, "3.2"), LAYERS.format("dense,second", 2, "3.2"))
    assert findings(*two, LAYERS.format("dense,again", 2, "4"), rule=rule) == []
    assert findings(*two, LAYERS.format("dense,again", 4, "4"), rule=rule) != []


def test_a_rounded_fact_may_be_repeated_with_more_digits(findings):
    size = "text size,{} - count - - {} utterances size {}"
    rule = settings.in_two_places
    about, exact = size.format("about", 13000, "1"), size.format("exact", 13350, "4")
    assert findings(about, exact, rule=rule) == []
    assert findings(about, size.format("exact", 15908, "4"), rule=rule) != []
    assert findings(exact, size.format("again", 13351, "1"), rule=rule) != []
