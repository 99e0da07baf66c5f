"""merflow: five multimodal-emotion-recognition papers, rebuilt from raw video to result tables.

Imports go down only (tests/test_architecture.py holds this)::

    cli
    tables, evaluation, training, papers
    nn
    features
    corpora
    media
    checkpoints, store
    artifacts, params, errors, provenance, progress
"""

__version__ = "0.1.0"
