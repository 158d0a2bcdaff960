"""What the tests of the pages share: a staged appliance, pictures, PINs, axe."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe

STAGE, PHOTO, SHOTS = sys.argv[1:4]
PIN = "2580"
TIME = "2026-11-24T08:12:00+08:00"


@contextmanager
def stage(what):
    """A real appliance, before whose camera `what` is held."""
    process = subprocess.Popen([STAGE, what], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://"), f"the stage did not start: {address!r}"

        def say(message):
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()

        yield address, say, process
    finally:
        if process.stdin and not process.stdin.closed:
            process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def shot(page, name):
    page.screenshot(path=os.path.join(SHOTS, f"{name}.png"))


def frames(page, above, seconds=20):
    """Waits until the page has drawn a frame with a number above `above` (its policy forbids wait_for_function)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if int(page.evaluate("document.documentElement.dataset.frame ?? 0")) > above:
            return
        time.sleep(0.05)
    raise AssertionError(f"no frame above {above} was drawn in {seconds} s")


def accessible(page, what):
    # Those of WCAG 2.2 AA that are off by default (the size of what is touched) as well.
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(page, options={"runOnly": rules}).response["violations"]
    grave = [f"{v['id']}: {v['help']} ({v['nodes'][0]['html'][:120]})" for v in found if v["impact"] in ("serious", "critical")]
    assert not grave, f"axe on {what}: " + "; ".join(grave)


def type_pin(page, dialog, pin):
    for digit in pin:
        dialog.get_by_role("button", name=digit, exact=True).click()


def records(say, process, kind):
    """The payloads of the log's records of a kind."""
    say({"records": kind})
    return json.loads(process.stdout.readline())


def watch_errors(page):
    """What goes wrong in the page, as a list that grows. To be asked who one is (401) is not wrong."""
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" and "401" not in message.text else None)
    return errors


def wait(condition, seconds, what):
    """Waits until `condition` gives something true; tells it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds} s")


def outcome(name, /, **more):
    """An outcome as the appliance tells it."""
    known = name in ("accepted", "already_checked_in", "not_in_class", "outside_window", "unconfirmed")
    return {"outcome": {
        "seq": 7, "time": TIME, "outcome": name, "method": "face", "window": "arrival", "role": "trainee" if known else None,
        "name": "张*" if known else None, "person": "01" if known else None, "class": "TJNK-2026-0138" if known else None,
        "next_opens": "12:00" if name == "outside_window" else None, "latency_ms": 31.0, **more}}
