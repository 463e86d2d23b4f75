#!/usr/bin/python3
"""docs/tools/pictures.py [page ...]: each page of build/site as a picture in build/pictures: light, dark, and narrow.

By Chromium without a window, from the files, as a reader has them who has no server. What a look at the pictures would
find late is found here at once, and makes it fail: a page that is wider than the window, a script that throws, and a
search without results.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SITE = Path("build/site").resolve()
PICTURES = Path("build/pictures")
LOOKS = {"light": (1280, "light"), "dark": (1280, "dark"), "narrow": (400, "light")}
TALLEST, MOST = 2400, 4  # pixels of a picture, and pictures of a page: its beginning, if it is long

SEARCH = """new Promise((resolve) => {
  const field = document.querySelector(".md-search__input");
  document.querySelector("#__search").checked = true;
  field.focus();
  field.value = "subscribe";
  field.dispatchEvent(new Event("keyup"));
  let left = 100;
  const timer = setInterval(() => {
    const found = document.querySelectorAll(".md-search-result__item").length;
    if (found > 0 || --left == 0) { clearInterval(timer); resolve(found); }
  }, 100);
})"""


class Browser:
    """Chromium, driven through a pair of pipes: a message is JSON that ends with a zero."""

    def __init__(self, folder):
        there, self.write = os.pipe()
        self.read, back = os.pipe()

        def hand_over():
            first, second = os.dup(there), os.dup(back)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe",
             "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder}"],
            preexec_fn=hand_over, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(there)
        os.close(back)
        self.rest, self.last, self.events, self.session = b"", 0, [], None

    def receive(self):
        while b"\0" not in self.rest:
            piece = os.read(self.read, 1 << 20)
            if not piece:
                sys.exit("chromium has ended")
            self.rest += piece
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.last:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        while True:
            for place, event in enumerate(self.events):
                if event.get("method") == method:
                    return self.events.pop(place)
            self.events.append(self.receive())

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return result["result"].get("value")


def look(browser, page, name, width, scheme):
    browser.value("location.protocol === 'file:' && localStorage.clear()")  # the choice of the look before
    browser.events.clear()
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    browser.call("Page.navigate", url=page.as_uri())
    browser.wait("Page.loadEventFired")
    browser.value("new Promise((resolve) => setTimeout(resolve, 400))")  # colours pass into each other
    wide, tall = browser.value("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    base = "-".join(page.relative_to(SITE).with_suffix("").parts)
    for number, top in enumerate(range(0, min(tall, TALLEST * MOST), TALLEST), 1):
        clip = {"x": 0, "y": top, "width": width, "height": min(tall - top, TALLEST), "scale": 1}
        picture = browser.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        (PICTURES / f"{base}.{name}.{number}.png").write_bytes(base64.b64decode(picture["data"]))
    if wide > width:
        yield f"{wide} pixels wide in a window of {width}"
    for event in browser.events:
        if event.get("method") == "Runtime.exceptionThrown":
            yield event["params"]["exceptionDetails"].get("exception", {}).get("description", "a script has thrown")


def main(wanted):
    pages = [page for page in sorted(SITE.rglob("*.html"))
             if not wanted or any(re.search(word, str(page.relative_to(SITE))) for word in wanted)]
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(folder)
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        browser.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.call("Page.enable")
        browser.call("Runtime.enable")
        for page in pages:
            for name, (width, scheme) in LOOKS.items():
                for fault in look(browser, page, name, width, scheme):
                    faults += 1
                    print(f"{page.relative_to(SITE)}, {name}: {fault}")
        if not browser.value(SEARCH):
            faults += 1
            print("the search finds nothing")
        browser.session = None
        browser.call("Browser.close")
        browser.process.wait()
    print(f"{len(pages)} pages in {PICTURES}, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
