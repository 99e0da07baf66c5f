"""Ask hosts whether they answer: one short request each, all at once.

Proxies and the Hub's endpoint are those of the downloads, since their libraries ask.
"""

import threading
import time
from collections.abc import Mapping
from typing import Any

CONNECT_S = 3.0  # to connect, and then to answer
DEADLINE_S = 4.0  # for all hosts together: a name server may take longer than any timeout

#: A host that connects and then takes its time is there; requests and the Hub's library agree on
#: the name of this error, and on no class.
SLOW = "ReadTimeout"


def hub_url(repository: str, commit: str, file: str = "config.json") -> str:
    """URL of a file of the Hugging Face Hub, or its mirror (HF_ENDPOINT)."""
    from huggingface_hub import hf_hub_url

    return hf_hub_url(repository, file, revision=commit)


def silent(urls: Mapping[str, str]) -> dict[str, str]:
    """Hosts that cannot be reached, each with the reason.

    Args:
        urls: host -> URL of a file there.
    """
    answers: dict[str, str | None] = dict.fromkeys(urls, f"no answer within {DEADLINE_S:g} s")

    def ask(host: str, url: str) -> None:
        answers[host] = _failure(url)

    # daemons: a request that hangs in a name server must not keep the run from ending
    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in urls.items()]
    for thread in threads:
        thread.start()
    end = time.monotonic() + DEADLINE_S
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return {host: reason for host, reason in answers.copy().items() if reason}


def _failure(url: str) -> str | None:
    """Ask for a URL; return why its host cannot be reached, or None."""
    import requests
    from huggingface_hub import constants, errors
    from huggingface_hub.utils import get_session

    from merflow.corpora.resume import innermost

    client: Any = get_session() if url.startswith(constants.ENDPOINT) else requests
    try:
        client.head(url, timeout=CONNECT_S)
    except (requests.RequestException, errors.HTTPError, OSError) as error:
        return None if type(error).__name__ == SLOW else innermost(error)
    return None
