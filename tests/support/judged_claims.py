"""Claims made by hand, and comparisons that judge them."""

from merflow.tables.claims import Claim
from merflow.tables.reported import load
from support import REPORTED
from support.score_tables import comparison_of, joined, no_scores

PRINTED = load(REPORTED, "joint_cnn")
FUSIONS = ["early_fusion", "late_fusion", "deep_fusion", "tensor_fusion"]
NAN = float("nan")


def compared(*scores):
    return comparison_of("joint_cnn", "iemocap", PRINTED, joined(*scores or [no_scores()]))


def claim_of(**rule):
    about = {"id": "c", "claim": "C.", "quote": "C.", "where": "5", "corpora": ["iemocap"]}
    return Claim.model_validate(about | {"decided_by": rule})
