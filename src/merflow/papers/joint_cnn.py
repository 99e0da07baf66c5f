"""Fusion of speech and transcripts with deep networks on IEMOCAP (early fusion: joint-CNN).

Systems, in the order of Table 2: ``speech_cnn``, ``text_lstm``, ``joint_cnn`` (early fusion),
``late_average``, ``late_weighted`` and ``late_product`` (Late Fusion-I, II, III of text_lstm and
joint_cnn). ``unimodal_*`` are the same three fusions of text_lstm and speech_cnn, which section 5.4
compares with early fusion and never prints. ``linear_*`` are ours: linear classifiers of the same
features.

Sizes are parameters. Their symbols in Table 1:

- widths (f_1, f_2, f_3), maps f_out, text_dim D_T, keep D_S, lstm N_1
- hidden (N_2, N_3) or (N_c2, N_c3), n_classes N_4 or N_c4
- filters N_f, width N_w

Differences from the paper:

- The LSTM gets "the D_T dimensional features per utterance" and is said to model consecutive words,
  but one vector has no time axis. ``sequence: positions`` applies the dense layer at every position
  of the convolution, without max-pooling, and the LSTM reads the positions. ``utterance`` pools
  first, as section 2.1 says, and the LSTM makes one step.
- The paper does not say how the text extractor is trained. Here it learns end to end with the
  classifier behind it. So text_lstm and joint_cnn have an extractor each. joint_cnn needs one
  vector per utterance and always pools.
- The convolution over words is padded to keep its length ("same" in Keras), so a text shorter than
  a filter has values too. Padding of a batch is masked out of pooling and LSTM. Feature maps pass a
  ReLU. T is linear, Keras' default for a dense layer.
- "L2-based feature selection" is not defined. ``ridge`` fits an L2-regularised linear classifier
  and keeps the features whose coefficients have the largest L2 norm over the classes. ``norm``
  keeps the features whose own L2 norm after min-max normalisation is largest. Both, and the
  normalisation, are fitted on the train split alone. Values of other splits may leave [0, 1]:
  nothing is clipped.
- The paper does not give the pool of the speech network. It is a parameter, Keras' default of 2. An
  odd last value is dropped, as in Keras.
- The length of U_D is given only as the length of (T; S), so W_f is square.
- Table 1 gives the sizes of the speech network only. The joint network has the same sizes.
- 20 % dropout "to the LSTM layers" is applied to the LSTM's output, not inside the recurrence.
- Weights start as torch draws them, not as Keras does (Glorot-uniform, and orthogonal in the LSTM).
- Equation 4 sums over j' != j, which gives odds. Summed over all classes it gives probabilities
  with the same order of classes.
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
        """Build the network.

        Args:
            dims: width of the input ``text``.
            n_classes: N_4.
            widths, maps, text_dim: of `TextExtractor`.
            sequence: positions or utterance, see the module's docstring.
            lstm: N_1, width of the LSTM.
            hidden: N_2, N_3, widths of the dense layers.
            dropout: on the output of the LSTM.
        """
        super().__init__()
        self.extractor = TextExtractor(dims["text"], widths, maps, text_dim)
        self.sequence = sequence
        self.lstm = nn.LSTM(text_dim, lstm, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.dense = _dense(lstm, hidden, n_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of input ``text`` (B, T, dim)."""
        words, mask = batch.inputs["text"], batch.masks["text"]
        if self.sequence == "positions":
            steps = self.extractor.positions(words)  # (B, T, D_T)
        else:
            steps, mask = self.extractor(words, mask)[:, None], mask[:, :1]  # (B, 1, D_T), (B, 1)
        # padding comes after the words, so no state of a word has seen it
        states, _ = self.lstm(steps)  # (B, T, N_1)
        rows = torch.arange(len(states), device=states.device)
        last = states[rows, mask.sum(dim=1) - 1]  # (B, N_1)
        return self.dense(self.dropout(last))


# 3. Emotion recognition from speech


def selection(method: str, keep: int, alpha: float) -> Transformer:
    """Min-max normalisation and L2-based selection of features (section 3.1).

    Args:
        method: ridge or norm, see the module's docstring.
        keep: D_S, number of features to keep; all, where there are fewer.
        alpha: weight of the squared L2 norm of the coefficients (ridge).
    """
    # seconds to import: not where only a fusion is computed
    from sklearn.feature_selection import SelectFromModel, SelectKBest
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    if method == "ridge":
        ridge = RidgeClassifier(alpha=alpha)
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

SYSTEMS: dict[str, AnySystem] = {
    "speech_cnn": System(("speech",), SpeechCnn, {"speech": selection}),
    "text_lstm": System(("text",), TextLstm),
    "joint_cnn": System(("text", "speech"), JointCnn, {"speech": selection}),
    "late_average": Fusion(_LATE, average),
    "late_weighted": Fusion(_LATE, weighted, weighted=True),
    "late_product": Fusion(_LATE, product),
    "unimodal_average": Fusion(_UNIMODAL, average),
    "unimodal_weighted": Fusion(_UNIMODAL, weighted, weighted=True),
    "unimodal_product": Fusion(_UNIMODAL, product),
    "linear_speech": Linear(("speech",)),
    "linear_text": Linear(("text",)),
    "linear_joint": Linear(("text", "speech")),
}
