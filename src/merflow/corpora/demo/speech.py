"""Synthetic speech: espeak-ng 1.52 of the package espeakng_loader, through ctypes.

The library (https://github.com/espeak-ng/espeak-ng) carries state from one utterance to the next:
the same text three times has three lengths. So every call of `speak` works in a process of its own.
Voice variants with ``breath`` (f2, f3, f5) read uninitialised memory and differ from process to
process. `VARIANTS` leaves them out.
"""

import ctypes
import multiprocessing
from dataclasses import dataclass
from multiprocessing.connection import Connection

import espeakng_loader
import numpy as np

from merflow.errors import MediaError

SAMPLING_RATE = 22_050  # Hz, of the library
VARIANTS = {"female": ("f1", "f4", "linda", "steph"), "male": ("m1", "m3", "m4", "m7")}

_SYNCHRONOUS, _UTF8 = 2, 1  # espeak_AUDIO_OUTPUT, flag of espeak_Synth (speak_lib.h)
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4  # espeak_PARAMETER
_SILENCE = 0.004  # of full scale
_SAMPLES = ctypes.POINTER(ctypes.c_short)
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, _SAMPLES, ctypes.c_int, ctypes.c_void_p)
_FORK = multiprocessing.get_context("fork")  # a fresh interpreter would cost a second per utterance


@dataclass(frozen=True)
class Voice:
    """Settings of espeak-ng.

    Attributes:
        variant: name.
        pitch, range: pitch and its range, 0-99.
        rate: words per minute.
        volume: 0-200.
    """

    variant: str
    pitch: int
    range: int
    rate: int
    volume: int


def speak(text: str, voice: Voice) -> np.ndarray:
    """Say `text`; the same samples on every call.

    Returns:
        float32 (n,) in -1..1 at SAMPLING_RATE, without silence around it.

    Raises:
        MediaError: the library failed or said nothing.
    """
    receiver, sender = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=_synthesise, args=(sender, text, voice))
    child.start()
    sender.close()
    try:
        samples = np.frombuffer(receiver.recv_bytes(), np.int16).astype(np.float32) / 32768
    except EOFError as error:
        raise MediaError(f"espeak-ng failed on {text!r} with {voice}") from error
    finally:
        child.join()
    loud = np.flatnonzero(np.abs(samples) > _SILENCE)
    if not len(loud):
        raise MediaError(f"espeak-ng said nothing for {text!r} with {voice}")
    return samples[loud[0] : loud[-1] + 1]


def _synthesise(sender: Connection, text: str, voice: Voice) -> None:
    """Send the samples of `text`, int16; nothing if the library refuses the voice."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    pieces: list[np.ndarray] = []

    @_CALLBACK
    def collect(samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: int) -> int:
        if count > 0:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    library.espeak_SetSynthCallback(collect)
    name = f"en-us+{voice.variant}".encode()
    if rate != SAMPLING_RATE or library.espeak_SetVoiceByName(name) != 0:
        return  # the closed pipe tells the caller
    library.espeak_SetParameter(_RATE, voice.rate, 0)
    library.espeak_SetParameter(_VOLUME, voice.volume, 0)
    library.espeak_SetParameter(_PITCH, voice.pitch, 0)
    library.espeak_SetParameter(_RANGE, voice.range, 0)
    data = text.replace("’", "'").encode() + b"\0"
    library.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, 0, 0, _UTF8, None, None)
    sender.send_bytes(np.concatenate(pieces or [np.zeros(1, np.int16)]).tobytes())
