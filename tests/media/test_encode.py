import av
import numpy as np
import pytest
import soundfile

from merflow.errors import MediaError
from merflow.media.encode import AVI, MP4, Format, write_audio, write_clip

FPS, RATE = 24, 48_000


@pytest.fixture
def samples() -> np.ndarray:
    """Half a second: a tone of 440 Hz on the left, silence on the right."""
    seconds = np.arange(RATE // 2) / RATE
    tone = 0.5 * np.sin(2 * np.pi * 440 * seconds)
    return np.stack([tone, np.zeros(len(tone))], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("form", "codecs"), [(MP4, ["h264", "aac"]), (AVI, ["mpeg4", "mp3float"])], ids=["mp4", "avi"]
)
def test_frames_and_audio_come_back(
    tmp_path, samples: np.ndarray, form: Format, codecs: list[str]
) -> None:
    frames = [np.full((48, 64, 3), (200, 10 * n, 40), np.uint8) for n in range(12)]
    path = tmp_path / f"clip.{form.container}"
    write_clip(path, iter(frames), FPS, samples, RATE, form)
    with av.open(str(path)) as container:
        assert [stream.codec_context.name for stream in container.streams] == codecs
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        container.seek(0)
        pieces = [frame.to_ndarray() for frame in container.decode(audio=0)]
    assert len(images) == 12
    assert np.abs(images[6].mean(axis=(0, 1)) - [200, 60, 40]).max() < 12
    left, right = np.concatenate(pieces, axis=1)
    assert len(samples) <= len(left) < len(samples) + 3 * 1152
    assert np.abs(np.fft.rfft(left[4000:20_000])).argmax() * 3 == 441  # bins of 3 Hz
    assert np.abs(right).max() < 0.05


def test_audio_alone_is_16_bit_wav(tmp_path, samples: np.ndarray) -> None:
    write_audio(tmp_path / "audio.wav", samples, RATE)
    values, rate = soundfile.read(tmp_path / "audio.wav")
    assert rate == RATE and np.abs(values - samples).max() < 1e-4


def test_a_failed_encoder_leaves_no_file(tmp_path) -> None:
    path, samples = tmp_path / "clip.mp4", np.zeros((10, 1), np.float32)
    message = r"clip.mp4: cannot encode frames None and samples \(10, 1\)"
    with pytest.raises(MediaError, match=message):
        write_clip(path, [], FPS, samples, RATE)
    odd = [np.zeros((47, 63, 3), np.uint8)]
    with pytest.raises(MediaError, match="cannot be encoded as libx264 and aac"):
        write_clip(path, odd, FPS, samples, RATE)
    assert not list(tmp_path.iterdir())
