"""The pages in a real browser: every outcome is seen, in both languages; staff's dialogs work; axe finds nothing serious.

usage: run.py STAGE PHOTO SCREENSHOTS [TEST]…   (the kiosk_stage example, a photo of one face, a folder for pictures,
the tests to run; all without)
"""

import json
import os
import shutil
import signal
import sys
import time

import kiosk
import recordings
import room
from common import PHOTO, SHOTS, accessible, frames, outcome, records, shot, stage, type_pin, wait
from playwright.sync_api import expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

OUTCOMES = {  # outcome → what the page says in Chinese and in English, and the colour of the frame
    "accepted": ("签到成功", "checked in", "good"),
    "already_checked_in": ("已签到", "already checked in", "good"),
    "not_in_class": ("不在本班", "not in this class", "no"),
    "unknown": ("未登记", "Not enrolled", "no"),
    "outside_window": ("不在签到时间", "not check-in time", "kind"),
    "too_small": ("请靠近一点", "Come closer", "hint"),
    "too_dark": ("光线太暗", "Too dark", "hint"),
    "too_bright": ("光线太亮", "Too bright", "hint"),
    "turned": ("请正对镜头", "Face the camera", "hint"),
    "blurred": ("请站稳", "Hold still", "hint"),
    "cut_off": ("请站到画面中间", "Move to the middle", "hint"),
    "unconfirmed": ("未确认", "not confirmed", "no"),
}

OUTSIDE = {  # too early or too late → headline and what follows, in Chinese and in English
    "before_arrival": ({"next_opens": "12:00"}, ("未到签到时间", "12:00 开始签到"), ("too early to check in", "Check-in begins at 12:00")),
    "before_departure": ({"next_opens": "16:00"}, ("未到签退时间", "16:00 开始签退"), ("too early to check out", "Check-out begins at 16:00")),
    "after_arrival": ({"last_closed": "08:10", "next_opens": "16:00"}, ("已过签到时间", "签到已于 08:10 截止，16:00 开始签退"), ("too late to check in", "Check-in closed at 08:10. Check-out begins at 16:00")),
    "after_departure": ({"last_closed": "16:30"}, ("已过签退时间", "签退已于 16:30 截止"), ("too late to check out", "Check-out closed at 16:30")),
    "done": ({}, ("今天已签完", "不用再签到"), ("done for today", "No need to check in again")),
}


def every_outcome(browser):
    with stage(PHOTO) as (address, say, _):
        page = browser.new_page(viewport={"width": 1280, "height": 720}, locale="zh-CN")
        spoken = "window.spoken = []; speechSynthesis.speak = (speech) => { window.spoken.push(speech.text); setTimeout(() => speech.onend?.()); };"
        page.add_init_script(spoken)
        page.goto(f"{address}/kiosk")
        frames(page, 0)
        # The face on the film is decided once; what the test says comes after that, or it would be overwritten.
        expect(page.locator("#recent")).to_contain_text("未登记", timeout=15000)
        accessible(page, "the kiosk")
        judged = set()
        for language, at in (("zh", 0), ("en", 1)):
            if language == "en":
                page.get_by_role("button", name="English").click()
            for name, said in OUTCOMES.items():
                say(outcome(name))
                expect(page.locator("#result .what")).to_have_text(said[at], timeout=5000)
                expect(page.locator(".stage")).to_have_attribute("data-state", said[2])
                size = page.evaluate("parseFloat(getComputedStyle(document.querySelector('#result .words')).fontSize)")
                assert size >= 0.06 * 720, f"{name} is only {size} px high"
                assert page.locator("#result").bounding_box()["height"] < 720 / 3, f"{name} hides the face"
                shot(page, f"kiosk-{language}-{name}")
                if said[2] not in judged:
                    judged.add(said[2])
                    time.sleep(0.3)  # its colours come gradually
                    accessible(page, f"the kiosk that says {name}")
            for at_what, (more, *texts) in OUTSIDE.items():
                say(outcome("outside_window", **{"next_opens": None, "outside": at_what, **more}))
                expect(page.locator("#result .what")).to_have_text(texts[at][0], timeout=5000)
                expect(page.locator("#result .more")).to_have_text(texts[at][1])
                expect(page.locator("#recent li").first).to_contain_text(texts[at][0])
                assert page.evaluate("window.spoken.at(-1)") == texts[at][0]
                shot(page, f"kiosk-{language}-{at_what}")
            say(outcome("unknown", method="qr"))
            expect(page.locator("#result .what")).to_have_text(("二维码已失效", "QR code not valid")[at], timeout=5000)
            shot(page, f"kiosk-{language}-outdated")
        accessible(page, "the kiosk in English, with a result")
        expect(page.locator("#result .words")).to_have_css("font-weight", "700")
        assert "签到成功" in page.evaluate("window.spoken") and "Come closer" in page.evaluate("window.spoken")
        say({"trouble": "disk full"})
        expect(page.locator("#result .what")).to_have_text("Check-ins cannot be saved")
        say({"trouble": None})
        page.get_by_role("button", name="中文").click()
        for width, height in ((1920, 1080), (1080, 1920)):
            page.set_viewport_size({"width": width, "height": height})
            say(outcome("accepted"))
            expect(page.locator("#result .what")).to_have_text("签到成功")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{width}×{height} overflows"
            shot(page, f"kiosk-{width}x{height}")
        page.close()


def speech(browser):
    """Whether the page can speak is what its button says; a voice of the language is chosen; the first touch is used."""
    with stage("none") as (address, say, _process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.add_init_script("""
            window.spoken = []; window.fault = "not-allowed"; window.shown = [];
            speechSynthesis.getVoices = () => ["en-US", "zh-HK", "cmn", "zh_CN"].map((lang) => ({ lang }));
            Object.defineProperty(SpeechSynthesisUtterance.prototype, "voice", { set(voice) { this.chosen = voice?.lang; } });
            speechSynthesis.speak = (speech) => {
              window.spoken.push(`${speech.chosen} ${speech.text}`);
              setTimeout(() => window.fault ? speech.onerror?.({ error: window.fault }) : (speech.onstart?.(), speech.onend?.()), 0);
            };
            addEventListener("DOMContentLoaded", () => new MutationObserver(() => window.shown.push(sound.textContent)).observe(sound, { childList: true }));
        """)
        page.goto(f"{address}/kiosk")
        button = page.locator("#sound")
        expect(button).to_have_text("点按开声")
        assert page.evaluate("window.spoken") == ["zh_CN 语音开"], "it is tried before anybody comes"

        def hear(fault, expected, pressed):
            page.evaluate("fault => { window.fault = fault }", fault)
            heard = page.evaluate("window.spoken.length")
            say(outcome("accepted"))
            wait(lambda: page.evaluate("window.spoken.length") > heard, 5, "it is spoken")
            expect(button).to_have_text(expected)
            expect(button).to_have_attribute("aria-pressed", pressed)

        hear("not-allowed", "点按开声", "false")
        expect(button).to_have_attribute("title", "浏览器要等有人触摸屏幕后才允许播放语音")
        accessible(page, "the kiosk that may not speak yet")
        page.evaluate("window.shown.length = 0")
        hear("not-allowed", "点按开声", "false")
        assert page.evaluate("window.shown") == [], "the same is told again"
        page.evaluate("window.fault = null")
        page.locator("#place").click()
        expect(button).to_have_text("语音开")
        assert page.evaluate("window.spoken.at(-1)") == "zh_CN 语音开"
        hear("synthesis-failed", "无语音", "false")
        hear("interrupted", "无语音", "false")
        hear(None, "语音开", "true")
        page.get_by_role("button", name="English").click()
        hear(None, "Voice on", "true")
        assert page.evaluate("window.spoken.at(-1)") == "en-US checked in"
        hear("not-allowed", "Tap for voice", "false")
        page.evaluate("window.fault = null")
        button.click()
        expect(button).to_have_text("Voice on")
        button.click()
        expect(button).to_have_text("Voice off")
        page.close()
        # Chromium itself: nobody has touched the page; then somebody does, and there may be no voice here.
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        with page.expect_websocket() as opened:
            page.goto(f"{address}/kiosk")
        opened.value.wait_for_event("framereceived")  # to look at the page would count as touching it
        say(outcome("accepted"))
        opened.value.wait_for_event("framereceived", lambda frame: '"outcome"' in str(frame))
        page.wait_for_timeout(500)
        expect(page.locator("#sound")).to_have_text("点按开声")
        page.locator("#place").click()
        has_voice = page.evaluate("speechSynthesis.getVoices().length > 0")
        expect(page.locator("#sound")).to_have_text("语音开" if has_voice else "无语音")
        page.close()


def connection(browser):
    """Whether the bureau answers, as the appliance tells it: nothing is green before it has."""
    with stage("none") as (address, _, _process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        told = {"registered": True, "link": "not_yet", "online": False}

        def change(route):
            server = route.connect_to_server()

            def pass_on(message):
                if isinstance(message, str) and json.loads(message)["type"] == "status":
                    message = json.dumps({**json.loads(message), **told})
                route.send(message)

            server.on_message(pass_on)

        page.route_web_socket("**/kiosk/live", change)
        page.goto(f"{address}/kiosk")
        for link, text in (("not_yet", "正在连接监管平台…"), ("online", "已连接监管平台"), ("offline", "离线，记录保存在本机")):
            told |= {"link": link, "online": link == "online"}
            expect(page.locator("#link .text")).to_have_text(text)
            expect(page.locator("#link")).to_have_class(link)
        page.close()


def zoomed(browser):
    """Twice as large, as who does not see well sets it in the browser: everything is there, and can be scrolled to."""
    with stage(PHOTO) as (address, say, _process):
        sizes = {}
        for factor in (1, 2):
            # What zooming does: the window keeps its size, and the page has fewer, larger pixels.
            page = browser.new_page(viewport={"width": 1280 // factor, "height": 720 // factor}, device_scale_factor=factor)
            page.add_init_script("Object.defineProperty(window, 'outerWidth', { get: () => 1280 });")
            page.goto(f"{address}/kiosk")
            frames(page, 0)
            expect(page.locator("#recent")).to_contain_text("未登记", timeout=15000)
            say(outcome("accepted"))
            expect(page.locator("#result .what")).to_have_text("签到成功")
            for selector in ("#result .words", ".clock time", "footer .text"):
                size = page.evaluate("selector => parseFloat(getComputedStyle(document.querySelector(selector)).fontSize)", selector)
                sizes.setdefault(selector, []).append(size * factor)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it has to be scrolled sideways"
            shot(page, f"kiosk-zoom-{factor}")
            footer = page.get_by_role("button", name="教师登记")
            footer.scroll_into_view_if_needed()
            expect(footer).to_be_in_viewport()
            shot(page, f"kiosk-zoom-{factor}-end")
            page.close()
        assert all(large >= 1.95 * usual for usual, large in sizes.values()), sizes


def latency(browser):
    """From the frame's arrival at the appliance to its being drawn."""
    with stage(PHOTO) as (address, _, _process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(f"{address}/kiosk")
        frames(page, 30)
        seen = []
        for _ in range(60):
            seen.append(int(page.evaluate("document.documentElement.dataset.latency")))
            time.sleep(0.05)
        seen.sort()
        median, p95 = seen[len(seen) // 2], seen[int(len(seen) * 0.95)]
        print(f"camera to screen: median {median} ms, p95 {p95} ms")
        assert p95 <= 150, f"camera to screen takes {p95} ms at the 95th percentile, {median} ms in the middle"
        page.close()


def qr_code(browser):
    with stage("qr") as (address, _, _process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(f"{address}/kiosk")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("李*", timeout=15000)
        accessible(page, "the QR dialog")
        type_pin(page, dialog, "1111")
        dialog.get_by_role("button", name="确认", exact=True).click()
        expect(dialog.get_by_role("alert")).to_contain_text("密码不对")
        shot(page, "kiosk-qr-wrong-pin")
        page.keyboard.type("2580")
        dialog.get_by_role("button", name="确认", exact=True).click()
        expect(page.locator("#result .what")).to_have_text("签到成功", timeout=10000)
        expect(page.locator("#result .more")).to_contain_text("二维码签到")
        expect(page.locator("#class .arrived")).to_have_text("1")
        shot(page, "kiosk-qr-accepted")
        page.goto(f"{address}/")
        expect(page.get_by_role("row", name="李四")).to_contain_text("二维码")
        page.close()


def enrolment(browser):
    with stage(PHOTO) as (address, _, _process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(f"{address}/kiosk")
        expect(page.locator("#result .what")).to_have_text("未登记", timeout=20000)
        page.get_by_role("button", name="教师登记").click()
        dialog = page.get_by_role("dialog")
        type_pin(page, dialog, "2580")
        shot(page, "kiosk-enrol-pin")
        dialog.get_by_role("button", name="确认", exact=True).click()
        accessible(page, "the roster dialog")
        dialog.get_by_role("button", name="张三").click()
        expect(dialog).to_contain_text("人脸信息处理告知书")
        accessible(page, "the notice")
        shot(page, "kiosk-enrol-notice")
        dialog.get_by_role("button", name="本人同意", exact=True).click()
        expect(page.locator("#result .what")).to_contain_text("请 张* 看镜头")
        box = page.locator("#result").bounding_box()
        assert box["height"] < 720 / 3, f"the band hides the face: {box}"
        shot(page, "kiosk-enrol-capture")
        expect(dialog).to_contain_text("张三 登记成功", timeout=20000)
        dialog.get_by_role("button", name="完成").click()
        expect(page.locator("#class .arrived")).to_have_text("1", timeout=20000)
        expect(page.locator("#result .what")).to_have_text("签到成功")
        shot(page, "kiosk-enrol-accepted")
        page.close()


def declining(browser):
    """Who declines is on record with the notice's hash, is told of the QR code and no longer counted as not enrolled."""
    with stage("none") as (address, say, process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        not_enrolled = lambda: next(one["people"] for one in page.request.get(f"{address}/api/status").json()["attention"] if one["code"] == "not_enrolled")
        before = not_enrolled()
        page.goto(f"{address}/kiosk")
        dialog = page.get_by_role("dialog")
        page.get_by_role("button", name="教师登记").click()
        type_pin(page, dialog, "2580")
        dialog.get_by_role("button", name="确认", exact=True).click()
        dialog.get_by_role("button", name="李四").click()
        dialog.get_by_role("button", name="返回").click()
        assert records(say, process, "consent") == [], "only a look"
        dialog.get_by_role("button", name="李四").click()
        dialog.get_by_role("button", name="不同意，使用二维码").click()
        expect(dialog.locator("h2")).to_have_text("已记录：李四 不同意人脸识别")
        expect(dialog.locator(".lead")).to_contain_text("rollcall qr TJNK-2026-0138 02")
        accessible(page, "what the one who declines is told")
        shot(page, "kiosk-declined")
        (declined,) = (record["data"] for record in records(say, process, "consent"))
        assert (declined["person"], declined["given"], declined["by"]) == ("02", False, "kiosk:T1") and len(declined["notice"]) == 64, declined
        dialog.get_by_role("button", name="登记下一位").click()
        expect(dialog.get_by_role("button", name="李四")).to_contain_text("使用二维码")
        assert not_enrolled() == before - 1
        # Again: it is on record already.
        dialog.get_by_role("button", name="李四").click()
        dialog.get_by_role("button", name="不同意，使用二维码").click()
        expect(dialog.locator("h2")).to_contain_text("已记录")
        # Who has consented is asked twice.
        dialog.get_by_role("button", name="登记下一位").click()
        dialog.get_by_role("button", name="张三").click()
        dialog.get_by_role("button", name="本人同意", exact=True).click()
        dialog.get_by_role("button", name="完成").click(timeout=15000)  # there is no camera
        page.get_by_role("button", name="教师登记").click()
        type_pin(page, dialog, "2580")
        dialog.get_by_role("button", name="确认", exact=True).click()
        dialog.get_by_role("button", name="张三").click()
        dialog.get_by_role("button", name="撤回同意，使用二维码").click()
        expect(dialog.locator("h2")).to_contain_text("要撤回同意吗")
        assert len(records(say, process, "consent")) == 2
        dialog.get_by_role("button", name="撤回同意，使用二维码").click()
        expect(dialog.locator("h2")).to_contain_text("已记录：张三")
        assert [record["data"]["given"] for record in records(say, process, "consent")] == [False, True, False]
        page.close()


def enrolment_refused(browser):
    """Why nobody was enrolled is said in the page's language: a camera that is gone, a face that is somebody else's."""
    with stage("none") as (address, _, _process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(f"{address}/kiosk")
        dialog = page.get_by_role("dialog")

        def try_to_enrol():
            page.get_by_role("button", name="教师登记").click()
            type_pin(page, dialog, "2580")
            dialog.get_by_role("button", name="确认", exact=True).click()
            dialog.get_by_role("button", name="张三").click()
            dialog.locator("button.main").click()

        def refuse_with(json):
            return lambda route: route.fulfill(status=409, json=json)

        try_to_enrol()
        expect(dialog).to_contain_text("摄像头无画面", timeout=10000)
        dialog.get_by_role("button", name="完成").click()
        for answer, said in (
            ({"code": "refused", "reason": "taken", "person": "02", "class": "TJNK-2026-0138"}, "无法登记：这张人脸已登记为 TJNK-2026-0138 班 02 号"),
            ({"code": "no_good_face", "reason": "several_faces"}, "没有拍到清楚的正脸，请再试：画面中不止一人"),
            ({"code": "no_good_face", "reason": "too_small"}, "没有拍到清楚的正脸，请再试：请靠近一点"),
        ):
            page.unroute_all()
            page.route("**/kiosk/enrol", refuse_with({**answer, "error": "in English"}))
            try_to_enrol()
            expect(dialog.locator("h2")).to_have_text(said)
            dialog.get_by_role("button", name="完成").click()
        page.close()


def gone_and_back(browser):
    """The camera, then the appliance: what is not there is said, and comes back by itself."""
    with stage("none") as (address, _, process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(f"{address}/kiosk")
        expect(page.locator("#camera-notice")).to_be_visible(timeout=10000)
        expect(page.locator("#result .what")).to_have_text("签到暂停")
        accessible(page, "the kiosk without a camera")
        shot(page, "kiosk-camera-gone")
        process.stdin.close()
        expect(page.locator("#link")).to_contain_text("正在重新连接", timeout=10000)
        page.close()
    with stage(PHOTO) as (address, say, process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(f"{address}/kiosk")
        frames(page, 0)
        say(outcome("accepted"))
        expect(page.locator("#recent")).to_contain_text("张* 签到成功")
        os.kill(process.pid, signal.SIGSTOP)  # hangs: its sockets stay open
        try:
            expect(page.locator("#link-notice")).to_be_visible(timeout=10000)
            expect(page.locator("#link")).to_contain_text("正在重新连接")
            expect(page.locator("#result .what")).to_have_text("签到暂停", timeout=10000)
            accessible(page, "the kiosk without its appliance")
            shot(page, "kiosk-appliance-gone")
        finally:
            os.kill(process.pid, signal.SIGCONT)
        expect(page.locator("#link-notice")).to_be_hidden(timeout=15000)
        frames(page, int(page.evaluate("document.documentElement.dataset.frame")))
        page.reload()  # a page that is opened later knows what happened before
        expect(page.locator("#recent")).to_contain_text("张* 签到成功")
        page.close()


def left_alone(browser):
    """A teacher who walks away leaves no names on the screen; the one who reads the notice is not hurried."""
    with stage(PHOTO) as (address, _, _process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.clock.install()
        page.goto(f"{address}/kiosk")
        dialog = page.get_by_role("dialog")
        for person in (None, "张三"):
            page.get_by_role("button", name="教师登记").click()
            type_pin(page, dialog, "2580")
            dialog.get_by_role("button", name="确认", exact=True).click()
            expect(dialog.get_by_role("button", name="张三")).to_be_visible()
            if person:
                dialog.get_by_role("button", name=person).click()
                expect(dialog).to_contain_text("人脸信息处理告知书")
                page.clock.fast_forward(120_000)
                expect(dialog).to_be_visible()
                page.clock.fast_forward(200_000)
            else:
                page.clock.fast_forward(30_000)
                expect(dialog).not_to_contain_text("自动关闭")
                page.clock.fast_forward(20_000)
                expect(dialog).to_contain_text("20 秒后自动关闭")
                page.clock.fast_forward(15_000)
            expect(dialog).to_be_hidden()
            assert "张三" not in page.content(), "a full name stays in the page"
        page.close()


def staff_page(browser):
    with stage(PHOTO) as (address, _, _process):
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
            errors = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(address)
            expect(page.get_by_role("row", name="张三")).to_contain_text("未登记人脸")
            expect(page.get_by_text("需要处理")).to_be_visible()
            expect(page.locator("figcaption")).to_contain_text("正常", timeout=10000)
            page.wait_for_timeout(4000)  # past a refresh
            accessible(page, f"the staff page, {scheme}")
            shot(page, f"staff-{scheme}")
            page.get_by_role("link", name="English").click()
            expect(page.get_by_role("row", name="张三")).to_contain_text("not enrolled")
            assert not errors, errors
            page.close()
        request = browser.new_context().request
        assert request.get(f"{address}/healthz").text() == "ok\n"
        metrics = request.get(f"{address}/metrics").text()
        assert "rollcall_log_records" in metrics and 'rollcall_camera_state{camera="front",state="live"} 1' in metrics
        for private in ("张三", "TJNK", "110101"):
            assert private not in metrics
        assert request.get(address, headers={"Host": "evil.example"}).status == 421
        assert request.get(address, headers={"Origin": "http://evil.example"}).status == 403
        picture = f"{address}/cameras/front.jpg"
        assert request.get(picture, headers={"Sec-Fetch-Site": "cross-site"}).status == 403
        assert request.get(picture).headers["cross-origin-resource-policy"] == "same-origin"
        json_type, roster = {"Content-Type": "application/json"}, f"{address}/kiosk/roster"
        for status, answer in (
            (400, request.post(roster, data=b"{", headers=json_type)),
            (422, request.post(roster, data=b"{}", headers=json_type)),
            (415, request.post(roster, data=b"{}", headers={"Content-Type": "text/plain"})),
            (413, request.post(roster, data=b'"' + b"x" * 20_000 + b'"', headers=json_type)),
            (405, request.get(roster)),
            (404, request.get(f"{address}/nothing")),
        ):
            assert (answer.status, set(answer.json())) == (status, {"code", "error"}), answer.text()


def main():
    os.makedirs(SHOTS, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        tests = (every_outcome, speech, connection, zoomed, latency, qr_code, enrolment, declining, enrolment_refused, gone_and_back, left_alone, staff_page, *kiosk.TESTS, *recordings.TESTS, *room.TESTS)
        wanted = sys.argv[4:]
        for test in (test for test in tests if not wanted or test.__name__ in wanted):
            began = time.monotonic()
            test(browser)
            print(f"ok  {test.__name__}  {time.monotonic() - began:.0f} s", flush=True)
        browser.close()
    print("browser tests: all passed")


main()
