"""Models of ``corpora`` and ``checkpoints``: places that corpora and models come from."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from merflow.params.base import Strict

PLACES = ("hub", "url", "package", "folder", "demo")


class CorpusParams(Strict):
    """Source of a corpus."""

    source: Annotated[str, Field(min_length=1)] = Field(
        description="demo: made here. official: downloaded. Where a licence form is needed, the "
        "error says which. Otherwise a folder that holds the corpus in its official layout, "
        "complete or in part, or your own clips"
    )
    annotations: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="CSV file with the labels of your own clips"
    )


class CheckpointParams(Strict):
    """A pre-trained model or word vectors, from exactly one place."""

    hub: str | None = Field(
        default=None, description="repository of the Hugging Face Hub, with a revision"
    )
    revision: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{40}$",
        description="commit of the repository, 40 hex digits",
    )
    url: str | None = Field(
        default=None, description="file, or zip archive of one file, to download"
    )
    package: str | None = Field(
        default=None, description="Python package that carries the files of a model"
    )
    folder: str | None = Field(
        default=None, description="folder with the files of a model, or with word vectors"
    )
    demo: (
        Literal["roberta", "wav2vec2", "wav2vec2_emotion", "clip", "swin", "glove", "fasttext"]
        | None
    ) = Field(default=None, description="small model, made here from the demo corpora")

    @model_validator(mode="after")
    def _one_place(self) -> "CheckpointParams":
        if sum(getattr(self, place) is not None for place in PLACES) != 1:
            raise ValueError(f"name exactly one of {', '.join(PLACES)}")
        if (self.hub is None) != (self.revision is None):
            raise ValueError("hub and revision (a full commit) go together")
        return self

    @property
    def place(self) -> str:
        """Kind of place that the checkpoint comes from."""
        return next(place for place in PLACES if getattr(self, place) is not None)

    @property
    def name(self) -> str:
        """Name of the checkpoint in tables and metadata."""
        if self.hub and self.revision:
            return f"{self.hub}@{self.revision[:7]}"
        return f"demo {self.demo}" if self.demo else str(self.url or self.package or self.folder)
