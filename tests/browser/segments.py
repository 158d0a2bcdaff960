"""Whether segments that Rollcall has recorded play in Chromium, as the page of recordings plays them: each is given to
MediaSource with the type that the page's own code reads from it, and shows pictures at its start, middle and end. One in which no
sound has come yet, as when a camera breaks off at once, the page plays with the one that follows: it is decoded by ffmpeg.

usage: segments.py FOLDER…   every .mp4 below; exit code 1 if one does not play. What the browser has no decoder for (H.265 in
Debian's) is decoded by ffmpeg instead.
"""

import http.server
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager

from playwright.sync_api import sync_playwright

ASSETS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "src/web/assets")

UNSUPPORTED = "it does not play by itself in this browser"

PLAY = """async (url) => {
    const { describe } = await import("/mp4.js");
    const data = await (await fetch(url)).arrayBuffer();
    const { type, codec } = describe(data);
    if (!MediaSource.isTypeSupported(type)) return { codec, problem: UNSUPPORTED };
    const video = document.querySelector("video");
    const within = (what, promise) => Promise.race([promise, new Promise((_, failed) => setTimeout(() => failed(what), 10000))]);
    const event = (target, name) => new Promise((done, failed) => {
        target.addEventListener(name, done, { once: true });
        video.onerror = () => failed(video.error.message);
    });
    try {
        const source = new MediaSource();
        video.src = URL.createObjectURL(source);
        await within("it does not open", event(source, "sourceopen"));
        const buffer = source.addSourceBuffer(type);
        buffer.appendBuffer(data);
        await within("it is not taken", event(buffer, "updateend"));
        // Of sound and pictures, the one that ends first; what is left of the other is no picture's.
        if (!video.buffered.length) return { codec, problem: UNSUPPORTED };
        const end = video.buffered.end(0);
        if (source.readyState === "open") source.endOfStream();
        for (const at of [0, end / 2, end - 0.1]) {
            // A picture of the place before may still be on its way.
            const shown = new Promise((done) => {
                const look = (_, frame) => (Math.abs(frame.mediaTime - at) < 1 ? done() : video.requestVideoFrameCallback(look));
                video.requestVideoFrameCallback(look);
            });
            video.currentTime = at;
            await within(`no picture at ${at} s`, shown);
        }
        return { codec, duration: video.duration, ranges: video.buffered.length };
    } catch (problem) {
        return { codec, problem: String(problem) };
    }
}""".replace("UNSUPPORTED", f'"{UNSUPPORTED}"')


@contextmanager
def served(folder):
    """Files of `folder` below /segments/, and the page's own code, on loopback."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path):
            root, rest = (folder, path[len("/segments/"):]) if path.startswith("/segments/") else (ASSETS, path[1:])
            return os.path.join(root, *[part for part in rest.split("/") if part not in ("", "..")])

        def do_GET(self):
            if self.path != "/":
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><video muted></video>")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def seconds(path):
    command = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def decodes(path):
    """What ffmpeg says against it."""
    command = ["ffmpeg", "-v", "error", "-xerror", "-i", path, "-f", "null", "-"]
    return subprocess.run(command, capture_output=True, text=True).stderr.strip() or None


def played(browser, folder):
    """`(file, codec, problem, player)` of every segment below `folder`; the problem is None for one that plays."""
    found = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if name.endswith(".mp4")]
    with served(folder) as address:
        page = browser.new_page()
        page.goto(address)
        for path in sorted(found):
            name = os.path.relpath(path, folder)
            what = page.evaluate(PLAY, f"{address}/segments/{name}")
            problem = what.get("problem")
            if problem == UNSUPPORTED:
                yield name, what["codec"], decodes(path), "ffmpeg"
                continue
            if problem is None and what["ranges"] != 1:
                problem = f"it has {what['ranges']} pieces"
            if problem is None and abs(what["duration"] - seconds(path)) > 0.2:
                problem = f"it lasts {what['duration']} s, and {seconds(path)} s for ffprobe"
            yield name, what["codec"], problem, "Chromium"
        page.close()


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    count, failed, elsewhere = 0, 0, 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for folder in sys.argv[1:]:
            for name, codec, problem, player in played(browser, folder):
                count += 1
                elsewhere += player != "Chromium"
                failed += problem is not None
                if problem is not None:
                    print(f"{name} ({codec}): {problem}")
        browser.close()
    more = f" ({elsewhere} of them only in ffmpeg)" if elsewhere else ""
    print(f"{count - failed} of {count} segments play in Chromium{more}")
    sys.exit(1 if failed or not count else 0)


if __name__ == "__main__":
    main()
