"""Rules of the audit, with the sentences that explain them to readers."""

from merflow.tables.audit import counts, predictions, repeats, scores, text_rules
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
        "A split, or all splits together, has the size that a release of the corpus has.",
        "Likely: a paper may leave utterances out, and seldom says so.",
        counts.known_sizes,
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
)
