"""Rules of the audit, with the sentences that explain them to readers."""

from merflow.tables.audit import (
    counts,
    labels,
    predictions,
    repeats,
    scores,
    settings,
    stated,
    text_rules,
)
from merflow.tables.audit.case import Rule

MINUS = "\N{MINUS SIGN}"

RULES = (
    Rule(
        "sizes add up",
        "Sizes of classes add up to their split, and sizes of splits to the corpus.",
        "Certain where all splits are named, or where some already exceed the whole. Otherwise a"
        " hint: the rest may be in splits that are not named.",
        counts.sums,
    ),
    Rule(
        "share of a split",
        "The printed share of a split is its size divided by the size of all splits, in each"
        " class.",
        "Certain: a division.",
        counts.split_shares,
    ),
    Rule(
        "shares add up",
        "Shares that divide all utterances or speakers add up to 100 %.",
        "Certain: a sum.",
        counts.hundred,
    ),
    Rule(
        "ratio of a class",
        "A ratio of absent to present utterances in the text follows from the shares in a table.",
        "Likely: the shares are certain, but a ratio in words may be meant roughly.",
        counts.imbalance,
    ),
    Rule(
        "known size",
        "A split, or all splits together, has the size that a release of the corpus has. Labels of"
        " a multi-label corpus have the numbers of a release.",
        "Likely: a paper may leave utterances out, and seldom says so. Labels count only where"
        " those of all releases are known.",
        counts.known_sizes,
    ),
    Rule(
        "labels within utterances",
        "Labels do not exceed the utterances that they are of. In a multi-label corpus they may,"
        " but then sizes of splits are not sums of labels.",
        "Certain: without several labels an utterance counts once, and a sum of labels that exceeds"
        " the corpus is no number of utterances.",
        labels.within_utterances,
    ),
    Rule(
        "split by label",
        "Where utterances have several labels, a split of utterances does not divide every class"
        " alike to the label.",
        f"Likely: fewer than {100 * labels.CHANCE:g} % of random splits are so even. A search for"
        " such a split could find one.",
        labels.split_by_label,
    ),
    Rule(
        "number of classes",
        "No table has more classes than the paper says that there are.",
        "Certain: a count.",
        labels.number_of_classes,
    ),
    Rule(
        "confusions fit recall",
        f"The number of misclassified utterances of a class is at most support x (1 {MINUS}"
        " recall).",
        "Likely: certain if the class has one of its known supports.",
        counts.confusions,
    ),
    Rule(
        "weighted recall is accuracy",
        "Recall weighted by support equals accuracy.",
        "Certain: both are the share of correctly classified utterances.",
        scores.recall_is_accuracy,
    ),
    Rule(
        "average of classes",
        "A printed average is the weighted or plain mean over its classes, as its name says.",
        "Certain where it lies outside the range of its classes. Likely where no known support of"
        " the split gives it.",
        scores.averages,
    ),
    Rule(
        "F1 within bounds",
        "F1 is at most the harmonic mean of precision and recall, or 2r/(1+r) where precision is"
        " not printed.",
        "Certain: it holds for one run, and for means over classes, runs and folds.",
        scores.f1_bounds,
    ),
    Rule(
        "precision counts as 1",
        "The F1 of the classes of a row are not all 2r/(1+r) of their recall r.",
        f"Likely: {predictions.FEWEST} or more classes agree to the digits, or lie at most"
        f" {100 * predictions.AVERAGING:g} points below, as means over folds do.",
        predictions.precision_of_one,
    ),
    Rule(
        "implied predictions",
        f"The predictions that recall and F1 imply, s (2r/F1 {MINUS} 1) for a class with support"
        " s, add up to the number of utterances.",
        f"Likely where the sum is off by more than {100 * predictions.SHIFT:g} % beyond what the"
        " digits allow. Otherwise a hint: means over runs move the sum a little.",
        predictions.implied_predictions,
    ),
    Rule(
        "whole utterances",
        "Recall x support, and accuracy x n, are whole numbers, where the digits can tell.",
        "A hint: means over runs or folds need not be whole numbers, so nothing need be wrong.",
        predictions.whole_utterances,
    ),
    Rule(
        "below the largest class",
        "Accuracy is at least the share of the largest class.",
        "Certain that a constant prediction of the largest class would score higher. The numbers"
        " do not say why; wrongly mapped labels have this effect.",
        scores.below_majority,
    ),
    Rule(
        "printed twice",
        "A score or a hyper-parameter of a system has the same value wherever it is printed.",
        "Certain: one of the two is wrong, or they are of different runs.",
        repeats.printed_twice,
    ),
    Rule(
        "setting of several systems",
        "A setting has one value: in all places, in a family of systems and its members, and in two"
        " systems that no section contrasts.",
        "Certain where two places are on one system. Likely where a value of a family is that of"
        " none of its systems. Otherwise a hint: the systems may be trained differently.",
        settings.of_several_systems,
    ),
    Rule(
        "fact in two places",
        "A count, a size or a dimension has the same value in every section that prints it.",
        "Certain: one of the two is wrong, or they are of different things.",
        settings.in_two_places,
    ),
    Rule(
        "under another name",
        "A number that is called F1 (precision, recall, accuracy) is not another score of the"
        " same system.",
        "Certain: to the digits it is the other score, and not the score that it is called.",
        repeats.under_another_name,
    ),
    Rule(
        "of another row",
        "A number that the text prints of a system is not the number of another system in a table.",
        f"Likely: {repeats.DIGITS} digits agree, and no table has a row of the system that the"
        " text names.",
        repeats.of_another_row,
    ),
    Rule(
        "copied pair",
        "Two classes of a row do not agree in all their scores to the last digit.",
        f"Likely: fewer than {repeats.CHANCE:g} pairs of the table would agree by chance.",
        repeats.copied_pair,
    ),
    Rule(
        "copied cell",
        f"Neighbouring scores of {repeats.DIGITS} digits do not agree to the last digit.",
        "A hint: close scores may agree by chance.",
        repeats.copied_cell,
    ),
    Rule(
        "gain of the worst",
        "The worst gain is the best gain minus the spread, and is not below the gain claimed for"
        " all.",
        "Likely: certain if the sentence speaks of each system, and not of their mean or the best.",
        text_rules.worst_gain,
    ),
    Rule(
        "claim beside its numbers",
        "A claim that one score is higher than another agrees with the two printed numbers.",
        "Certain where the claim is read literally. Likely where its file notes how it is read.",
        text_rules.claims,
    ),
    Rule(
        "claim on another split",
        "A claim that names no split also agrees with the numbers of the splits on which it is not"
        " decided here, and a claim that names one agrees with the numbers of this split.",
        "A hint: the sentence may be meant of test alone. Likely where only another split is"
        " printed, or where the sentence names it.",
        text_rules.claims_on_other_splits,
    ),
    Rule(
        "stated difference",
        "A difference that the text states is that of the printed scores, in points or relative to"
        " the lower score.",
        "Likely: the sentence may speak of other scores than the printed ones.",
        stated.differences,
    ),
    Rule(
        "stated sum",
        "A sum that the text states is the sum of its terms.",
        "Certain: a sum.",
        stated.sums,
    ),
)
