"""Fusion of speech and transcripts with deep networks on IEMOCAP (early fusion: joint-CNN).

Systems, in the order of Table 2: ``speech_cnn``, ``text_lstm``, ``joint_cnn`` (early fusion),
``late_average``, ``late_weighted`` and ``late_product`` (Late Fusion-I, II, III of text_lstm and
joint_cnn). Not in Table 2:

- ``unimodal_*`` are the three fusions of text_lstm and speech_cnn (section 5.4, sentence 6).
- ``speech_lstm`` is the text network's LSTM on speech (section 3.2). ``unimodal_*_lstm`` are the
  three fusions of text_lstm and speech_lstm.
- ``text_lstm_utterance`` is text_lstm with one step per utterance. ``late_weighted_printed`` has
  the weights of Table 1, and ``speech_cnn_alpha_1`` another strength of the selection.
- ``linear_*`` are ours: linear classifiers of the same features.

Sizes are parameters. Their symbols in Table 1:

- widths (f_1, f_2, f_3), maps f_out, text_dim D_T, keep D_S, lstm N_1
- hidden (N_2, N_3) or (N_c2, N_c3), n_classes N_4 or N_c4
- filters N_f, width N_w

Deviations from the paper: reported/joint_cnn.deviations.yaml.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor, nn

from merflow.systems import AnySystem, Batch, Fusion, Linear, System, Transformer

# 2. Emotion recognition from text


class TextExtractor(nn.Module):
    """Convolutional text features (section 2.1)."""

    def __init__(self, dim: int, widths: Sequence[int], maps: int, text_dim: int):
        """Build the layers.

        Args:
            dim: length of a word vector.
            widths: f_1, f_2, f_3, widths of the filters over words.
            maps: f_out, number of filters of each width.
            text_dim: D_T, width of the dense layer.
        """
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Sequential(nn.ZeroPad1d(((width - 1) // 2, width // 2)), nn.Conv1d(dim, maps, width))
            for width in widths
        )
        self.dense = nn.Linear(len(widths) * maps, text_dim)

    def feature_maps(self, words: Tensor) -> Tensor:
        """Rectified feature maps (B, widths * maps, T) of words (B, T, dim), zero in padding."""
        words = words.transpose(1, 2)  # (B, dim, T)
        return torch.cat([convolution(words) for convolution in self.convolutions], dim=1).relu()

    def positions(self, words: Tensor) -> Tensor:
        """Features of each position (B, T, D_T) from words (B, T, dim)."""
        return self.dense(self.feature_maps(words).transpose(1, 2))

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        """T (B, D_T) from words (B, T, dim) and their mask (B, T)."""
        # after a ReLU, 0 never wins over a word
        maps = self.feature_maps(words).masked_fill(~mask[:, None], 0)
        return self.dense(maps.amax(dim=2))  # (B, widths * maps) -> (B, D_T)


class Lstm(nn.Module):
    """LSTM and dense layers (section 2.2)."""

    def __init__(self, dim: int, n_classes: int, lstm: int, hidden: Sequence[int], dropout: float):
        """Build the layers.

        Args:
            dim: length of the vector of a step.
            n_classes: N_4.
            lstm: N_1, width of the LSTM.
            hidden: N_2, N_3, widths of the dense layers.
            dropout: on the output of the LSTM.
        """
        super().__init__()
        self.lstm = nn.LSTM(dim, lstm, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.dense = _dense(lstm, hidden, n_classes)

    def forward(self, steps: Tensor, mask: Tensor) -> Tensor:
        """Logits (B, K) of steps (B, T, dim) and their mask (B, T)."""
        # padding comes after the steps, so no state of a step has seen it
        states, _ = self.lstm(steps)  # (B, T, N_1)
        rows = torch.arange(len(states), device=states.device)
        last = states[rows, mask.sum(dim=1) - 1]  # (B, N_1)
        return self.dense(self.dropout(last))


class TextLstm(nn.Module):
    """text_lstm: an LSTM over convolutional text features (section 2.2)."""

    def __init__(
        self,
        dims: Mapping[str, int],
        n_classes: int,
        widths: Sequence[int],
        maps: int,
        text_dim: int,
        sequence: str,
        lstm: int,
        hidden: Sequence[int],
        dropout: float,
    ):
        """Build a `TextExtractor` and an `Lstm`, which describe the other arguments.

        Args:
            dims: width of the input ``text``.
            n_classes: number of classes.
            widths, maps, text_dim: of `TextExtractor`.
            sequence: positions, a step per position of the convolution; utterance, one step.
            lstm, hidden, dropout: of `Lstm`.
        """
        super().__init__()
        self.extractor = TextExtractor(dims["text"], widths, maps, text_dim)
        self.sequence = sequence
        self.recurrent = Lstm(text_dim, n_classes, lstm, hidden, dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of input ``text`` (B, T, dim)."""
        words, mask = batch.inputs["text"], batch.masks["text"]
        if self.sequence == "positions":
            return self.recurrent(self.extractor.positions(words), mask)  # (B, T, D_T)
        return self.recurrent(self.extractor(words, mask)[:, None], mask[:, :1])  # (B, 1, D_T)


# 3. Emotion recognition from speech


def selection(method: str, keep: int, alpha: float | str) -> Transformer:
    """Min-max normalisation and L2-based selection of features (section 3.1).

    Args:
        method: ridge, by the L2 norm over the classes of a feature's coefficients in a ridge
            classifier; norm, by the L2 norm of the feature.
        keep: D_S, number of features to keep; all, where there are fewer.
        alpha: weight of the squared L2 norm of the coefficients (ridge), or cv: see
            `merflow.nn.selection`.
    """
    # seconds to import: not where only a fusion is computed
    from sklearn.feature_selection import SelectFromModel, SelectKBest
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    from merflow.nn.selection import SelectingRidge

    if method == "ridge":
        ridge = SelectingRidge(keep) if alpha == "cv" else RidgeClassifier(alpha=alpha)
        select = SelectFromModel(ridge, norm_order=2, max_features=keep, threshold=-np.inf)
    else:
        select = SelectKBest(_norms, k=keep)
    return make_pipeline(MinMaxScaler(), select)


def _norms(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.linalg.norm(values, axis=0)


class Cnn(nn.Module):
    """CNN over a vector as a sequence of one channel (sections 3.2 and 4.1)."""

    def __init__(
        self,
        length: int,
        n_classes: int,
        filters: int,
        width: int,
        pool: int,
        hidden: Sequence[int],
    ):
        """Build two convolutions, each with ReLU and max-pooling, and dense layers.

        Args:
            length: of the vector.
            n_classes: N_c4.
            filters: N_f, number of filters of each convolution.
            width: N_w, of a filter.
            pool: width of max-pooling.
            hidden: N_c2, N_c3, widths of the dense layers.

        Raises:
            ValueError: `length` is too short for the filters.
        """
        super().__init__()
        self.convolutions = nn.Sequential(
            *(nn.Conv1d(1, filters, width), nn.ReLU(), nn.MaxPool1d(pool)),
            *(nn.Conv1d(filters, filters, width), nn.ReLU(), nn.MaxPool1d(pool)),
        )
        left = ((length - width + 1) // pool - width + 1) // pool
        if left < 1:
            raise ValueError(
                f"{length} features are too few for two convolutions of width {width}"
                f" with pools of {pool}; raise keep, or lower width or pool"
            )
        self.dense = _dense(left * filters, hidden, n_classes)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, K) of features (B, length)."""
        # (B, 1, 100) -> (B, 128, 96 / 2 = 48) -> (B, 128, 44 / 2 = 22)
        maps = self.convolutions(features[:, None])
        return self.dense(maps.flatten(start_dim=1))  # (B, 128 * 22) -> (B, K)


class SpeechCnn(nn.Module):
    """speech_cnn: a CNN over the selected speech features S (section 3.2)."""

    def __init__(
        self,
        dims: Mapping[str, int],
        n_classes: int,
        filters: int,
        width: int,
        pool: int,
        hidden: Sequence[int],
    ):
        """Build a `Cnn` of length D_S = dims["speech"]."""
        super().__init__()
        self.cnn = Cnn(dims["speech"], n_classes, filters, width, pool, hidden)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of input ``speech`` (B, 1, D_S)."""
        return self.cnn(batch.inputs["speech"].squeeze(1))  # (B, D_S)


class SpeechLstm(nn.Module):
    """speech_lstm: an LSTM over the selected speech features S, in one step (section 3.2)."""

    def __init__(
        self,
        dims: Mapping[str, int],
        n_classes: int,
        lstm: int,
        hidden: Sequence[int],
        dropout: float,
    ):
        """Build an `Lstm` of steps of length D_S = dims["speech"]."""
        super().__init__()
        self.recurrent = Lstm(dims["speech"], n_classes, lstm, hidden, dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of input ``speech`` (B, 1, D_S)."""
        return self.recurrent(batch.inputs["speech"], batch.masks["speech"])


# 4. Fusion techniques


class EarlyFusion(nn.Module):
    """Joint features U_D = tanh(W_f [T; S] + b_f) (equation 1)."""

    def __init__(self, text_dim: int, speech_dim: int):
        """Build W_f, which is square: U_D is as long as [T; S], D_T + D_S."""
        super().__init__()
        self.dense = nn.Linear(text_dim + speech_dim, text_dim + speech_dim)

    def forward(self, text: Tensor, speech: Tensor) -> Tensor:
        """U_D (B, D_T + D_S) from T (B, D_T) and S (B, D_S)."""
        return torch.tanh(self.dense(torch.cat([text, speech], dim=1)))


class JointCnn(nn.Module):
    """joint_cnn: a CNN over the joint features U_D (section 4.1)."""

    def __init__(
        self,
        dims: Mapping[str, int],
        n_classes: int,
        widths: Sequence[int],
        maps: int,
        text_dim: int,
        filters: int,
        width: int,
        pool: int,
        hidden: Sequence[int],
    ):
        """Build a `TextExtractor`, the early fusion and a `Cnn`, which describe the arguments."""
        super().__init__()
        self.extractor = TextExtractor(dims["text"], widths, maps, text_dim)
        self.fusion = EarlyFusion(text_dim, dims["speech"])
        self.cnn = Cnn(text_dim + dims["speech"], n_classes, filters, width, pool, hidden)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of inputs ``text`` (B, T, dim) and ``speech`` (B, 1, D_S)."""
        text = self.extractor(batch.inputs["text"], batch.masks["text"])  # (B, D_T)
        speech = batch.inputs["speech"].squeeze(1)  # (B, D_S)
        return self.cnn(self.fusion(text, speech))


def average(probabilities: np.ndarray) -> np.ndarray:
    """Late Fusion-I: mean over the members, (M, N, K) -> (N, K) (equation 2)."""
    return probabilities.mean(axis=0)


def weighted(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Late Fusion-II: sum of members (M, N, K) times weights (M,), (N, K) (equation 3)."""
    return np.tensordot(weights, probabilities, axes=1)


def product(probabilities: np.ndarray) -> np.ndarray:
    """Late Fusion-III: product over the members (M, N, K), normalised to (N, K) (equation 4).

    A probability of 0 counts as the smallest number of float32, which rounded it to 0. So no row of
    products is 0 for all classes. Where members exclude each other's classes, the class that the
    fewest members exclude wins; several of these are equal.
    """
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    return softmax(logs.sum(axis=0), axis=-1)


def _dense(dim: int, hidden: Sequence[int], n_classes: int) -> nn.Sequential:
    """Three fully connected layers at the end of every network: (B, dim) -> (B, K)."""
    first, second = hidden
    return nn.Sequential(
        nn.Linear(dim, first),
        nn.ReLU(),
        nn.Linear(first, second),
        nn.ReLU(),
        nn.Linear(second, n_classes),
    )


_LATE = ("text_lstm", "joint_cnn")
_UNIMODAL = ("text_lstm", "speech_cnn")
_UNIMODAL_LSTM = ("text_lstm", "speech_lstm")
_SPEECH = {"speech": selection}

SYSTEMS: dict[str, AnySystem] = {
    "speech_cnn": System(("speech",), SpeechCnn, _SPEECH),
    "speech_cnn_alpha_1": System(("speech",), SpeechCnn, _SPEECH),
    "speech_lstm": System(("speech",), SpeechLstm, _SPEECH),
    "text_lstm": System(("text",), TextLstm),
    "text_lstm_utterance": System(("text",), TextLstm),
    "joint_cnn": System(("text", "speech"), JointCnn, _SPEECH),
    "late_average": Fusion(_LATE, average),
    "late_weighted": Fusion(_LATE, weighted, weighted=True),
    "late_weighted_printed": Fusion(_LATE, weighted, weighted=True),
    "late_product": Fusion(_LATE, product),
    "unimodal_average": Fusion(_UNIMODAL, average),
    "unimodal_weighted": Fusion(_UNIMODAL, weighted, weighted=True),
    "unimodal_product": Fusion(_UNIMODAL, product),
    "unimodal_average_lstm": Fusion(_UNIMODAL_LSTM, average),
    "unimodal_weighted_lstm": Fusion(_UNIMODAL_LSTM, weighted, weighted=True),
    "unimodal_product_lstm": Fusion(_UNIMODAL_LSTM, product),
    "linear_speech": Linear(("speech",)),
    "linear_text": Linear(("text",)),
    "linear_joint": Linear(("text", "speech")),
}
