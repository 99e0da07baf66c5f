"""What reaches a user as one line: what happened, where, what was expected, what to do."""

ERRORS = "MERFLOW_ERRORS"  # environment variable: the file in which a run collects the errors of its jobs


class MerflowError(Exception):
    """Base of every error that a user can mend; the command line prints it as one line and exits with 1."""


class ParamsError(MerflowError):
    """params.yaml asks for something that does not exist or cannot be."""


class CorpusError(MerflowError):
    """A corpus' files are not what its layout says."""


class DownloadError(MerflowError):
    """A download or an archive cannot be trusted or had."""


class MediaError(MerflowError):
    """A clip cannot be opened or decoded."""


class StoreError(MerflowError):
    """An artifact cannot be read or written whole."""


class CheckpointError(MerflowError):
    """A pre-trained model is not at hand or not what was asked for."""


class EvaluationError(MerflowError):
    """Predictions, labels or printed numbers do not fit each other."""
