"""Headless Chromium through its DevTools protocol over a pipe.

It needs Debian's `chromium` and no library. Messages are JSON, each followed by a zero byte. With
--remote-debugging-pipe the browser reads from file descriptor 3 and writes to 4.
https://chromedevtools.github.io/devtools-protocol
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)
TIMEOUT_S = 60.0  # for one answer, on a busy machine
KEYS = {"Enter": ("\r", 13), "Tab": ("", 9), " ": (" ", 32)}
#: Coordinates of the middle of an element, after scrolling to it.
MIDDLE = """(() => {{
  const element = {element};
  element.scrollIntoView({{block: 'center', inline: 'center'}});
  const box = element.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
}})()"""


class Tab:
    """One page, with its complaints: exceptions, messages of level error, failed requests."""

    def __init__(self, commands: int, answers: int) -> None:
        """Open a tab.

        Args:
            commands: file descriptor to write to.
            answers: file descriptor to read from.
        """
        self._commands, self._answers, self._rest, self._number = commands, answers, b"", 0
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._events: list[str] = []
        self._session = ""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = session["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        """Wait for the next message."""
        until = time.monotonic() + TIMEOUT_S
        while b"\0" not in self._rest:
            patience = max(0.0, until - time.monotonic())
            ready, _, _ = select.select([self._answers], [], [], patience)
            data = os.read(self._answers, 1 << 20) if ready else b""
            if not data:
                raise TimeoutError("Chromium does not answer any more")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(line)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, event: str, params: dict[str, Any]) -> None:
        self._events.append(event)
        serious = ("error", "warning", "assert")
        if event == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"]["text"])
        elif event == "Runtime.consoleAPICalled" and params["type"] in serious:
            self.complaints.append(str(params["args"]))
        elif event == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif event == "Network.loadingFailed" and not params.get("canceled"):
            self.complaints.append(params["errorText"])
        elif event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def open(self, page: Path, width: int, anchor: str = "", dark: bool = False) -> None:
        """Load a page from disk in a window `width` pixels wide."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1}
        self.ask("Emulation.setDeviceMetricsOverride", **size, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self._load("about:blank")  # the same page at another anchor would not be loaded again
        self._load(f"{page.resolve().as_uri()}{f'#{anchor}' if anchor else ''}")

    def _load(self, url: str) -> None:
        self._events.clear()
        self.ask("Page.navigate", url=url)
        while "Page.loadEventFired" not in self._events:
            self._next()

    def run(self, script: str) -> Any:
        """Value of a JavaScript expression as JSON. A promise is awaited."""
        options = {"returnByValue": True, "awaitPromise": True}
        answer = self.ask("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key of the keyboard."""
        text, code = KEYS[key]
        params = {"key": key, "code": "Space" if key == " " else key}
        params |= {"windowsVirtualKeyCode": code}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **params)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **params)

    def click(self, element: str) -> None:
        """Click the middle of the element that a JavaScript expression names."""
        x, y = self.run(MIDDLE.format(element=element))
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def shoot(self, path: Path, whole: bool = False) -> None:
        """Write a screenshot as PNG, of the window or of the whole page."""
        options = {"format": "png", "captureBeyondViewport": whole}
        answer = self.ask("Page.captureScreenshot", **options)
        path.write_bytes(base64.b64decode(answer["data"]))

    def print(self, path: Path) -> None:
        """Write the page as PDF."""
        answer = self.ask("Page.printToPDF", preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(answer["data"]))


@contextmanager
def chromium(folder: Path) -> Iterator[Tab]:
    """Run a browser whose profile is in `folder`."""
    assert CHROMIUM
    read_commands, write_commands = os.pipe()
    read_answers, write_answers = os.pipe()
    redirected = f'exec 3<&{read_commands} 4>&{write_answers}; exec "$@"'
    arguments = [CHROMIUM, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(
        ["bash", "-c", redirected, "chromium", *arguments],
        pass_fds=(read_commands, write_answers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_commands)
    os.close(write_answers)
    try:
        yield Tab(write_commands, read_answers)
    finally:
        process.terminate()
        process.wait(20)
        os.close(write_commands)
        os.close(read_answers)
