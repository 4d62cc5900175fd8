"""Opens a page in headless Chromium over its debugging pipe and tells what happened, as JSON on standard output.

    browser.py CHROMIUM URL [--wait EXPRESSION] [--click EXPRESSION]... [--print EXPRESSION]... [--screenshot FILE]
        [--language TAG]

Steps are done in the order given. An EXPRESSION is JavaScript: --wait polls it until it is true, --click clicks the element that it
is as soon as there is one, --print adds its value to `values`; --language opens the page anew for a person of that language. The report has `values`, `requests` (every address that the page
asked for), `answers` (address to status and type), and `problems` (console errors and warnings, exceptions, refused loads).
"""

import base64
import json
import os
import select
import subprocess
import sys
import tempfile
import time

PATIENCE = 120  # seconds, for each step
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
    "--window-size=1400,900", "--log-level=3", "--remote-debugging-pipe",
]


class Browser:
    """Chromium as a child process; it reads commands from its file descriptor 3 and writes answers and events to 4."""

    def __init__(self, program, folder):
        to_read, self.commands = os.pipe()
        self.answers, to_write = os.pipe()

        def in_child():
            # Moved up first, so that neither duplicate overwrites the other's source.
            high_read, high_write = os.dup2(to_read, 60), os.dup2(to_write, 61)
            os.dup2(high_read, 3)
            os.dup2(high_write, 4)

        self.process = subprocess.Popen(
            [program, *FLAGS, "--user-data-dir=" + folder],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=sys.stderr,
            close_fds=False, preexec_fn=in_child, env={**os.environ, "TMPDIR": folder},
        )
        os.close(to_read)
        os.close(to_write)
        self.buffer, self.last, self.session, self.events = b"", 0, None, []

    def message(self, until):
        while b"\0" not in self.buffer:
            if not select.select([self.answers], [], [], max(0, until - time.monotonic()))[0]:
                raise SystemExit("Chromium did not answer in time")
            piece = os.read(self.answers, 1 << 20)
            if not piece:
                raise SystemExit("Chromium ended")
            self.buffer += piece
        text, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(text)

    def call(self, method, **parameters):
        self.last += 1
        command = {"id": self.last, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while True:
            message = self.message(until)
            if message.get("id") == self.last:
                if "error" in message:
                    raise SystemExit(f"{method}: {message['error']}")
                return message["result"]
            if "method" in message:
                self.events.append(message)

    def value(self, expression):
        # A debugger may evaluate text even where the page's policy forbids it; this one shall not.
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True,
            allowUnsafeEvalBlockedByCSP=False,
        )
        if "exceptionDetails" in answer:
            raise SystemExit(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression):
        until = time.monotonic() + PATIENCE
        while not self.value(f"Boolean({expression})"):
            if time.monotonic() > until:
                shown = self.value("document.documentElement.outerHTML")
                raise SystemExit(f"never true: {expression}\n{json.dumps(report(self.events))}\n{shown[:20000]}")
            time.sleep(0.1)

    def end(self):
        try:
            self.session = None
            self.call("Browser.close")
            self.process.wait(10)
        except (SystemExit, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


def report(events):
    requests, answers, problems = [], {}, []
    for event in events:
        method, told = event["method"], event["params"]
        if method == "Network.requestWillBeSent":
            requests.append(told["request"]["url"][:200])
        elif method == "Network.responseReceived":
            response = told["response"]
            kind = {name.lower(): text for name, text in response["headers"].items()}.get("content-type")
            answers[response["url"]] = {"status": response["status"], "type": kind}
        elif method == "Network.loadingFailed":
            problems.append(f"failed to load: {told.get('blockedReason')} {told['errorText']}")
        elif method == "Runtime.exceptionThrown":
            problems.append(json.dumps(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            problems.append(json.dumps(told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            problems.append(json.dumps(told["entry"]))
    return {"requests": requests, "answers": answers, "problems": problems}


def main(program, url, *steps):
    values = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(program, folder)
        try:
            # A tab of our own: the one that Chromium opens at its start may not be there yet.
            target = browser.call("Target.createTarget", url="about:blank")["targetId"]
            browser.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Network", "Runtime", "Log"):
                browser.call(domain + ".enable")
            browser.call("Page.navigate", url=url)
            for step, argument in zip(steps[::2], steps[1::2], strict=True):
                if step == "--wait":
                    browser.wait(argument)
                elif step == "--click":
                    browser.wait(argument)
                    browser.value(f"({argument}).click()")
                elif step == "--print":
                    values.append(browser.value(argument))
                elif step == "--language":
                    agent = browser.value("navigator.userAgent")
                    browser.call("Network.setUserAgentOverride", userAgent=agent, acceptLanguage=argument)
                    # By way of an empty page: to the same page with another fragment the browser would not load it again.
                    browser.call("Page.navigate", url="about:blank")
                    browser.call("Page.navigate", url=url)
                elif step == "--screenshot":
                    with open(argument, "wb") as file:
                        file.write(base64.b64decode(browser.call("Page.captureScreenshot")["data"]))
                else:
                    raise SystemExit(f"unknown step {step}")
            print(json.dumps({"values": values, **report(browser.events)}))
        finally:
            browser.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
