"""Errors that reach a user as one line.

The line says what happened, where, what was expected and what to do.
"""


class MerflowError(Exception):
    """Base of errors that a user can mend.

    The command line prints one line and exits with 1.
    """


class ParamsError(MerflowError):
    """params.yaml asks for something that does not exist or cannot be."""


class CorpusError(MerflowError):
    """Files of a corpus do not fit its layout."""


class DownloadError(MerflowError):
    """A download or an archive is not available, or not as expected."""


class MediaError(MerflowError):
    """A clip cannot be opened or decoded."""


class StoreError(MerflowError):
    """An artifact cannot be read, or cannot be written completely."""


class CheckpointError(MerflowError):
    """A pre-trained model is not available, or not as expected."""


class EvaluationError(MerflowError):
    """Predictions, labels or printed numbers do not fit each other."""


def reason(error: BaseException, length: int = 200) -> str:
    """Shorten the message of a library's error to one line of at most `length` characters."""
    return " ".join(str(error).split())[:length]
