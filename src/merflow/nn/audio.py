"""Pre-trained wav2vec 2.0 for fine-tuning, and its pooling to one vector per utterance.

deepmsi_mer section 3.1 fine-tunes it. The convolutional front stays frozen, as in the fine-tuning
of Baevski et al. (2020). It takes each waveform alone, because the front of wav2vec2-base
normalises over time, padding included. Only its frames are padded. So a vector does not depend on
the batch, and the front of a batch takes the memory of one utterance.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

FULL_SCALE = 2**15  # of 16-bit samples


class AudioEncoder(nn.Module):
    """wav2vec 2.0 of a waveform, and the mean of its states over time."""

    def __init__(self, checkpoint: Path):
        """Load the encoder in `checkpoint`, a folder in the Hub's format.

        Neither LayerDrop nor SpecAugment is applied: a layer or an embedding without a gradient
        stops distributed training.

        Raises:
            CheckpointError: it is another kind of model, or lacks weights.
        """
        # imported here: it takes seconds, and other systems of the papers do not need it
        from transformers import AutoFeatureExtractor, AutoModel

        from merflow.features.pretrained import load_to_train

        super().__init__()
        self.encoder = load_to_train(AutoModel, checkpoint, optional=("masked_spec_embed",))
        self.encoder.freeze_feature_encoder()
        self.encoder.config.layerdrop = 0.0
        self.encoder.masked_spec_embed = None  # of SpecAugment
        preprocessor = AutoFeatureExtractor.from_pretrained(checkpoint, local_files_only=True)
        self.normalises: bool = preprocessor.do_normalize

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.encoder.config.hidden_size)

    def forward(self, waveforms: Tensor, mask: Tensor) -> Tensor:
        """Vectors (B, H): means of the states.

        Args:
            waveforms: (B, T), 16-bit samples at 16 kHz.
            mask: (B, T), True for samples.
        """
        frames, inside = self.frames(waveforms, mask)
        projected, _ = self.encoder.feature_projection(frames)
        states = self.encoder.encoder(projected, attention_mask=inside).last_hidden_state
        weights = inside[..., None].to(states.dtype)
        return (states * weights).sum(dim=1) / weights.sum(dim=1)

    @torch.no_grad()
    def frames(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Output of the convolutional front (B, frames, dim), padded, and its mask (B, frames)."""
        lengths = mask.sum(dim=1).tolist()
        of_each = [
            self.encoder.feature_extractor(self._scaled(waveform[:length])[None])[0].T
            for waveform, length in zip(waveforms, lengths, strict=True)
        ]
        counts = torch.tensor([len(frames) for frames in of_each], device=mask.device)
        padded = pad_sequence(of_each, batch_first=True)
        return padded, torch.arange(padded.shape[1], device=mask.device) < counts[:, None]

    def _scaled(self, waveform: Tensor) -> Tensor:
        """Scale samples (T,) to -1..1, or to mean 0 and variance 1."""
        samples = waveform.float() / FULL_SCALE
        if not self.normalises:
            return samples
        # the constant of Wav2Vec2FeatureExtractor
        return (samples - samples.mean()) / torch.sqrt(samples.var(correction=0) + 1e-7)
