"""Drives a real headless Chromium over its debugging pipe: no network, no driver program, no dependency.

The protocol is Chromium's DevTools protocol; over ``--remote-debugging-pipe`` each message is JSON followed by a
NUL byte, read by the browser on file descriptor 3 and written on 4.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from typing import Any

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--remote-debugging-pipe",
)
_ABOVE_THE_PIPE = 10


def find_chromium() -> str | None:
    """Path of the browser, or None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@dataclass
class Page:
    """One tab. ``console`` collects errors and warnings, ``requested`` every address that was asked for."""

    browser: Browser
    session: str
    console: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol and its result."""
        return self.browser.call(method, session=self.session, **params)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        got = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in got, got["exceptionDetails"]
        return got["result"].get("value")

    def show(
        self, address: str, *, width: int, height: int = 900, dark: bool = False, scripts: bool = True
    ) -> None:
        """Opens ``address`` in a viewport of ``width`` by ``height`` CSS pixels and waits until it has loaded."""
        self.console.clear()
        self.requested.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Page.navigate", url="about:blank")
        self.requested.clear()
        self.call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def wait_for(self, condition: str, seconds: float = 30.0) -> None:
        """Returns when the JavaScript ``condition`` holds; fails after ``seconds``."""
        end = time.monotonic() + seconds
        while not self.evaluate(condition):
            assert time.monotonic() < end, f"still not true: {condition}; console: {self.console}"
            time.sleep(0.05)

    def screenshot(self, path: Path, *, full: bool = False) -> bytes:
        """A PNG of the viewport, or of the whole page."""
        got = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        picture = base64.b64decode(got["data"])
        path.write_bytes(picture)
        return picture

    def notice(self, method: str, params: dict[str, Any]) -> None:
        """Takes an event of this tab."""
        if method == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.console.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.console.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.console.append(params["entry"]["text"])


class Browser:
    """A running Chromium and its pipe."""

    def __init__(self, to: int, back: int) -> None:
        self._to = to
        self._back = back
        self._buffer = b""
        self._count = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._pages: dict[str, Page] = {}

    def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """Sends a command and waits for its answer, at most a minute."""
        self._count += 1
        number = self._count
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        end = time.monotonic() + 60
        while number not in self._answers:
            left = end - time.monotonic()
            assert left > 0, f"Chromium did not answer {method}"
            self._read(left)
        answer = self._answers.pop(number)
        assert "error" not in answer, (method, answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def new_page(self) -> Page:
        """An empty tab that is listened to."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        return page

    def _read(self, seconds: float) -> None:
        if not select([self._back], [], [], seconds)[0]:
            return
        chunk = os.read(self._back, 1 << 20)
        assert chunk, "Chromium closed its pipe"
        *whole, self._buffer = (self._buffer + chunk).split(b"\0")
        for text in whole:
            message = json.loads(text)
            if "id" in message:
                self._answers[message["id"]] = message
            elif message.get("sessionId") in self._pages:
                self._pages[message["sessionId"]].notice(message["method"], message["params"])


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A headless Chromium with a new profile; it and its profile are gone when the block ends."""
    program = find_chromium()
    assert program is not None
    profile = tempfile.mkdtemp(prefix="stillhunt-chromium-")
    commands_in, commands_out = (_lift(end) for end in os.pipe())
    answers_in, answers_out = (_lift(end) for end in os.pipe())
    quiet = os.open(os.devnull, os.O_RDWR)
    process = os.posix_spawn(
        program,
        [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, quiet, 0),
            (os.POSIX_SPAWN_DUP2, quiet, 1),
            (os.POSIX_SPAWN_DUP2, quiet, 2),
            (os.POSIX_SPAWN_DUP2, commands_in, 3),
            (os.POSIX_SPAWN_DUP2, answers_out, 4),
        ],
        setpgroup=0,
    )
    os.close(commands_in)
    os.close(answers_out)
    try:
        browser = Browser(commands_out, answers_in)
        yield browser
        with suppress(OSError, AssertionError):
            browser.call("Browser.close")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
        for end in (commands_out, answers_in, quiet):
            os.close(end)
        shutil.rmtree(profile, ignore_errors=True)


def _lift(end: int) -> int:
    """The same end of a pipe on a descriptor that the browser's own 3 and 4 cannot clobber."""
    lifted = fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _ABOVE_THE_PIPE)
    os.close(end)
    return lifted
