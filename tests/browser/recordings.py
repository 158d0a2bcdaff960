"""The recordings' page: timeline, playback across borders and gaps, who may look, what is written down of it."""

import json
import os
import re
import socket
import subprocess
import tempfile
import time

import segments
from common import PIN, accessible, records, shot, stage, wait, watch_errors
from playwright.sync_api import expect

DAY = "2026-03-02"
MUTE_DAY = "2026-03-05"  # a day without a lesson, on which the sound failed
HOUR = 3_600_000
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def open_day(browser, address, scheme="light", lang="zh"):
    page = browser.new_page(viewport={"width": 1280, "height": 1000}, color_scheme=scheme)
    page.goto(f"{address}/recordings?date={DAY}&lang={lang}")
    expect(page.get_by_role("slider")).to_have_count(1, timeout=15000)
    return page


def identify(page, pin=PIN):
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("教师").locator("option", has_text=re.compile("0091|焊工")).first.wait_for(state="attached")
    dialog.get_by_label("教师").select_option(label=next(label for label in dialog.get_by_label("教师").locator("option").all_text_contents() if "0091" in label or "焊工" in label))
    dialog.get_by_label("密码").fill(pin)
    dialog.get_by_role("button", name="确认").click()


def wall(page):
    """The wall time that is shown, ms of the day."""
    hours, minutes, seconds = page.locator("#wall").text_content().split(":")
    return 0 if hours == "--" else ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000


def at(hours, minutes, seconds=0):
    return ((hours * 60 + minutes) * 60 + seconds) * 1000


def playing_from(page, when, seconds=20):
    wait(lambda: when <= wall(page) < when + 60_000, seconds, f"the picture of {when}")


def timeline(browser):
    with stage("recordings") as (address, _, _process):
        for scheme, lang in (("light", "zh"), ("dark", "en")):
            page = open_day(browser, address, scheme, lang)
            errors = watch_errors(page)
            expect(page.locator(".track .gap")).to_have_count(3)
            expect(page.locator(".track .finding")).to_have_count(2)
            rows = page.get_by_role("row")
            # 20 minutes less 130 s, and 20 minutes less 5: each lesson's account adds up.
            expect(rows.nth(1)).to_contain_text("0:17:50 / 0:20:00")
            expect(rows.nth(1)).to_contain_text("0:00:10")
            expect(rows.nth(1)).to_contain_text("0:02:00")
            second = rows.filter(has_text="08:50–09:00")
            expect(second).to_contain_text("0:15:00 / 0:20:00")
            # What the lessons' accounts say of them, which are made when the appliance has started.
            verdicts = page.locator("tr.verdict")
            expect(verdicts).to_have_count(2, timeout=40_000)
            said = {"zh": ("不完整", "工位 01 0.00 % (未知 0:20:00)", "没有录到课前点名"), "en": ("not complete", "workstation 01 0.00 % (unknown 0:20:00)", "no roll call is recorded")}
            for text in said[lang]:
                expect(verdicts.first).to_contain_text(text)
            accessible(page, f"the recordings, {scheme}")
            shot(page, f"recordings-{scheme}")
            assert not errors, errors
            if lang == "zh":
                track = page.get_by_role("slider")
                track.focus()
                page.keyboard.press("PageDown")
                assert "08:22:00，画面停滞" in track.get_attribute("aria-valuetext")
                page.keyboard.press("PageDown")
                assert "08:26:00，已录像 · 镜头被遮挡" in track.get_attribute("aria-valuetext")
                page.locator(".lesson").first.click()
                shot(page, "recordings-lesson")
                page.get_by_role("link", name="后一天").click()
                expect(page.locator("#day")).to_contain_text("2026-03-03")
                expect(page.locator("#timeline")).to_contain_text("没有课")
            page.close()


def playback(browser):
    with stage("recordings") as (address, say, process):
        page = open_day(browser, address)
        errors = watch_errors(page)
        # 08:20:07, three seconds before the first border: the track shows 08:20 to 09:00.
        track = page.get_by_role("slider")
        track.focus()
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        accessible(page, "the dialog that asks who looks")
        shot(page, "recordings-identify")
        identify(page, "1111")
        expect(dialog.get_by_role("alert")).to_contain_text("还可试 4 次")
        errors.clear()  # the browser tells of the refusal as well
        identify(page)
        expect(page.locator("#viewer")).to_contain_text("T1")
        playing_from(page, at(8, 20))
        began, shown = time.monotonic(), wall(page)
        wait(lambda: wall(page) >= at(8, 20, 13), 30, "playback past the border at 08:20:10")
        took = (time.monotonic() - began) * 1000
        assert abs(took - (wall(page) - shown)) < 1600, f"{wall(page) - shown} ms were shown in {took:.0f} ms"
        assert page.evaluate("document.querySelector('video').error") is None
        shot(page, "recordings-playing")
        accessible(page, "the player")
        assert not errors, errors

        # The gap from 08:22:00 to 08:22:10 is jumped over, and that is said. 16 times as fast.
        page.get_by_role("button", name="16×").click()
        began = time.monotonic()
        wait(lambda: wall(page) >= at(8, 22, 11), 40, "playback past the gap at 16×")
        note = page.locator("#note")
        expect(note).to_contain_text("08:22:00 – 08:22:10")
        expect(note).to_contain_text("画面停滞")
        print(f"16×: from 08:20:13 to past 08:22:11 in {time.monotonic() - began:.1f} s")
        shot(page, "recordings-gap")

        page.get_by_role("button", name="1×", exact=True).click()
        page.get_by_role("button", name="下一个异常").click()
        playing_from(page, at(8, 25, 58))
        page.get_by_role("button", name="暂停").click()
        still = page.evaluate("document.querySelector('video').currentTime")
        page.get_by_role("button", name="前进一帧").click()
        page.wait_for_timeout(300)
        step = page.evaluate("document.querySelector('video').currentTime") - still
        assert abs(step - 0.05) < 0.002, f"a picture is {step:.3f} s"

        # A track is clicked on: from there.
        box = track.bounding_box()
        page.mouse.click(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2)
        playing_from(page, at(8, 51, 50), 20)
        assert page.evaluate("document.querySelector('video').error") is None  # its sound is FLAC
        page.get_by_role("button", name="退出查看").click()
        expect(page.locator("#player")).to_be_hidden()
        assert not errors, errors

        seen = wait(lambda: [r["data"] for r in records(say, process, "viewing")], 10, "a record of the viewing")
        assert all(view["by"] == "T1" and view["camera"] == "back" and view["what"] == "played" for view in seen), seen
        assert seen[0]["start"].startswith(f"{DAY}T08:20:00"), seen
        assert any(view["start"].startswith(f"{DAY}T08:5") for view in seen), seen
        page.close()


def interrupted(browser):
    """A file that is not what was recorded is told as that; a line that is cut for a while skips nothing, and accuses nobody."""
    with stage("recordings") as (address, _, _process):
        page = open_day(browser, address)
        state = {"cut": False, "urls": []}

        def answer(route):
            url = route.request.url
            if url not in state["urls"]:
                state["urls"].append(url)
            if state["urls"].index(url) == 2:  # the segment of 08:20:20
                route.fulfill(status=409, content_type="application/json", body='{"error": "altered"}')
            elif state["cut"]:
                route.abort("connectionrefused")
            else:
                route.continue_()

        page.route("**/recordings/media/*.mp4", answer)
        page.evaluate("""() => {
            window.notes = [];
            new MutationObserver(() => notes.push(document.querySelector('#note').textContent)).observe(document.querySelector('#note'), { childList: true });
        }""")
        notes = lambda: page.evaluate("notes")
        page.get_by_role("slider").focus()
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        identify(page)
        playing_from(page, at(8, 20))
        page.get_by_role("button", name="4×").click()
        wait(lambda: wall(page) >= at(8, 20, 31), 60, "playback past what is altered")
        told = [note for note in notes() if "08:20:20 的录像文件与记录不符" in note]
        assert len(told) >= 2, "told when it could not be fetched, and when it should have been shown: " + str(notes())
        assert not [note for note in notes() if "不需录像" in note], notes()
        state["cut"] = True
        before = len(notes())
        wait(lambda: "无法读取，请稍候" in notes()[before:], 60, "told that nothing can be read")
        page.wait_for_timeout(3000)
        state["cut"] = False
        wait(lambda: wall(page) >= at(8, 21, 50), 120, "playback after the line was cut")
        assert not [note for note in notes()[before:] if "已跳过" in note or "不符" in note], notes()
        page.close()


def mute(browser):
    """A camera whose sound stops, and comes back: its pictures are all played, and no more is fetched than is played."""
    with stage("recordings") as (address, _, _process):
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        errors = watch_errors(page)
        fetched = []
        page.on("request", lambda request: fetched.append(request.url) if "/recordings/media/" in request.url else None)
        page.goto(f"{address}/recordings?date={MUTE_DAY}&lang=zh")
        track = page.get_by_role("slider")
        expect(track).to_have_count(1, timeout=15000)
        track.focus()
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        identify(page)
        page.get_by_role("button", name="4×").click()
        playing_from(page, at(8, 20))
        heard = lambda: page.evaluate("document.querySelector('video').webkitAudioDecodedByteCount")
        wait(lambda: heard() > 0, 10, "sound")
        began, shown = time.monotonic(), wall(page)
        # The sound stops at 08:20:15.
        wait(lambda: wall(page) >= at(8, 20, 40), 60, "playback past where the sound stops")
        assert heard() == 0, "there is no sound in this"
        # What has been played, what is to be within the next forty seconds, and the one in which they end.
        assert len(fetched) <= (wall(page) - at(8, 20) + 1000) / 10_000 + 4 + 2, fetched
        wait(lambda: wall(page) >= at(8, 22, 54), 120, "playback to where the sound is back")
        took = (time.monotonic() - began) * 1000
        assert took >= 0.9 * (wall(page) - shown) / 4, f"{wall(page) - shown} ms cannot have been shown in {took:.0f} ms"
        wait(lambda: heard() > 0, 10, "sound again")
        assert page.evaluate("document.querySelector('video').error") is None
        assert not errors, errors
        page.close()


def media(browser):
    """Files: refused without a session, whole, in ranges, and a span as one file."""
    with stage("recordings") as (address, say, process):
        context = browser.new_context()
        request = context.request
        day = request.get(f"{address}/api/recordings?date={DAY}").json()
        segments = next(camera for camera in day["cameras"] if camera["camera"] == "back")["segments"]
        first, url = segments[0], f"{address}/recordings/media/{segments[0]['seq']}.mp4"
        span = f"{address}/recordings/download?camera=back&from={first['start'] + 3000}&until={segments[13]['start'] + 1500}"
        assert request.get(url).status == 401 and request.get(span).status == 401
        staff = {"class": "TJNK-2026-0091", "number": "T1", "pin": PIN}
        assert request.post(f"{address}/staff/session", data={**staff, "pin": "0000"}).status == 403
        answer = request.post(f"{address}/staff/session", data=staff)
        cookie = answer.headers["set-cookie"]
        assert answer.status == 200 and "HttpOnly" in cookie and "SameSite=Strict" in cookie
        whole = request.get(url)
        assert (whole.status, whole.headers["content-type"], len(whole.body())) == (200, "video/mp4", first["bytes"])
        etag = whole.headers["etag"]
        part = request.get(url, headers={"Range": "bytes=100-299", "If-Range": etag})
        assert part.status == 206 and part.body() == whole.body()[100:300]
        assert part.headers["content-range"] == f"bytes 100-299/{first['bytes']}"
        assert request.get(url, headers={"Range": "bytes=100-", "If-Range": '"other"'}).status == 200
        assert request.get(url, headers={"Range": f"bytes={first['bytes']}-"}).status == 416
        for other in ("0.mp4", "..%2f..%2frollcall.db", "99999999.mp4", "x.mp4"):
            assert request.get(f"{address}/recordings/media/{other}").status == 404, other
        taken = request.get(span)
        assert taken.status == 200 and re.search(r'filename="back_2026-03-02T082003_\d+\.mp4"', taken.headers["content-disposition"])
        data = [record["data"] for record in records(say, process, "viewing")]
        assert [one["what"] for one in data] == ["downloaded"], data
        page = context.new_page()
        page.goto(f"{address}/recordings?date={DAY}")
        length = page.evaluate(
            """async (url) => {
                const video = document.createElement("video");
                video.src = URL.createObjectURL(await (await fetch(url)).blob());
                await new Promise((done, failed) => { video.onloadedmetadata = done; video.onerror = () => failed(video.error.message); });
                video.currentTime = 1e6;
                await new Promise((done) => { video.onseeked = done; });
                return video.duration;
            }""",
            span,
        )
        # From the group of pictures at 08:20:03 to that at 08:22:21, the gap's ten seconds included.
        assert abs(length - 139) < 1.2, f"the span is {length} s long"
        context.close()


def own_segments(browser):
    """What Rollcall has recorded from real network cameras, and put into files with its own hands, plays."""
    sources = (("h264", "aac", "aac"), ("h264", "pcma", "flac"), ("h265", "aac", "aac"))
    servers, urls = [], []
    with tempfile.TemporaryDirectory() as work:
        try:
            for coding, sound, _ in sources:
                with socket.socket() as free:
                    free.bind(("127.0.0.1", 0))
                    port = free.getsockname()[1]
                serve = [os.path.join(ROOT, "scripts/rtsp-serve"), str(port), coding, "--sound", sound]
                servers.append(subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
                servers[-1].stdout.readline()
                urls += ["--url", f"rtsp://127.0.0.1:{port}/camera"]
            bench = [os.path.join(ROOT, "target/debug/rollcall"), "recording", "bench", "--no-decoding", "--seconds", "30"]
            subprocess.run([*bench, "--keep", work, *urls], check=True, capture_output=True)
        finally:
            for server in servers:
                server.kill()
                server.wait()
        found = list(segments.played(browser, os.path.join(work, "recordings")))
        assert not [one for one in found if one[2]], found
        for number, (coding, _, kept) in enumerate(sources):
            own = [one for one in found if one[0].startswith(f"camera{number}/")]
            assert own, found
            for name, _, _, player in own:
                # Debian's Chromium has no decoder for H.265.
                assert player == "Chromium" or coding == "h265", found
                probe = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,duration", "-of", "json",
                         os.path.join(work, "recordings", name)]
                streams = json.loads(subprocess.run(probe, check=True, capture_output=True).stdout)["streams"]
                assert [stream["codec_name"] for stream in streams] == [{"h265": "hevc"}.get(coding, coding), kept], streams
                picture, sound = (float(stream["duration"]) for stream in streams)
                assert abs(picture - sound) < 0.5, streams


TESTS = (timeline, playback, interrupted, mute, media, own_segments)
