"""The papers: one module each, in the paper's order: networks, systems, claims."""

#: Key -> module; a new paper is one line here, one module, a params block, a file under reported/ and its stages.
PAPERS = {
    "class_weight_lstm": "merflow.papers.class_weight_lstm",
    "joint_cnn": "merflow.papers.joint_cnn",
    "mel_cnn_bert": "merflow.papers.mel_cnn_bert",
    "weighted_late_fusion": "merflow.papers.weighted_late_fusion",
}
