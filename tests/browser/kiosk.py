"""Who comes together, classes at once, and what stays of those who have left."""

import json

from common import PHOTO, accessible, outcome, shot, stage, type_pin, wait
from playwright.sync_api import expect


def one_after_another(browser):
    """Several people are accepted at the same moment: each is seen, and heard out; but nobody waits long."""
    with stage("none") as (address, say, _process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.add_init_script("""
            window.spoken = []; window.interrupted = 0; window.shown = []; let speaking = null;
            speechSynthesis.cancel = () => { if (speaking) window.interrupted += 1; speaking = null; };
            speechSynthesis.speak = (speech) => {
              window.spoken.push(speech.text);
              speaking = speech;
              setTimeout(() => { if (speaking === speech) { speaking = null; speech.onend?.(); } }, 1500);
            };
            addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
              const who = document.querySelector("#result .who").textContent;
              if (who && window.shown.at(-1)?.[0] !== who) window.shown.push([who, performance.now()]);
            }).observe(document.querySelector("#result"), { childList: true, subtree: true }));
        """)
        page.goto(f"{address}/kiosk")
        expect(page.locator("#sound")).to_be_visible()
        page.wait_for_timeout(2000)  # the first words are over
        page.evaluate("window.spoken.length = 0; window.interrupted = 0")
        seen = lambda: [who for who, _ in page.evaluate("window.shown")]
        say(outcome("accepted", seq=1, name="张*"))
        say(outcome("accepted", seq=2, name="李*"))
        say(outcome("already_checked_in", seq=3, name="王*"))
        expect(page.locator("#recent li")).to_have_count(3)
        wait(lambda: len(seen()) == 3, 6, "each is seen")
        assert seen() == ["张*", "李*", "王*"], "in the order in which they came"
        turns = [at for _, at in page.evaluate("window.shown")]
        assert all(1150 <= after - before <= 1700 for before, after in zip(turns, turns[1:])), turns
        wait(lambda: len(page.evaluate("window.spoken")) == 3, 6, "each is heard")
        assert page.evaluate("window.spoken") == ["签到成功", "签到成功", "已签到"] and page.evaluate("window.interrupted") == 0
        # A crowd: those who would wait too long are in the list.
        page.wait_for_timeout(2000)
        page.evaluate("window.shown.length = 0")
        crowd = "赵钱孙李周吴郑王"
        for at, name in enumerate(crowd):
            say(outcome("accepted", seq=10 + at, name=f"{name}*"))
        expect(page.locator("#recent li").first).to_contain_text("王*")
        wait(lambda: seen()[-1:] == ["王*"], 6, "the last is seen")
        assert seen() == ["赵*", "吴*", "郑*", "王*"], seen()
        page.close()


def face_labels(browser):
    """What the frame round a face says is what the band says: of who leaves, that they have checked out."""
    with stage(PHOTO) as (address, _, _process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.add_init_script("""
            window.drawn = new Set();
            const { fillText } = CanvasRenderingContext2D.prototype;
            CanvasRenderingContext2D.prototype.fillText = function (text, ...place) { window.drawn.add(text); fillText.call(this, text, ...place); };
        """)
        face = {"track": 1, "x": 0.3, "y": 0.3, "width": 0.2, "height": 0.3, "name": "张*"}
        told = {}

        def change(route):
            server = route.connect_to_server()

            def pass_on(message):
                if isinstance(message, bytes):
                    length = int.from_bytes(message[:4], "big")
                    header = json.dumps({**json.loads(message[4:4 + length]), "faces": [{**face, **told}]}).encode()
                    message = len(header).to_bytes(4, "big") + header + message[4 + length:]
                route.send(message)

            server.on_message(pass_on)

        page.route_web_socket("**/kiosk/live", change)
        for name, window, label in (
            ("accepted", "arrival", "张* 签到成功"),
            ("accepted", "departure", "张* 签退成功"),
            ("already_checked_in", "departure", "张* 已签退"),
        ):
            told.update(state={"state": "decided", "outcome": name}, window=window)
            page.goto(f"{address}/kiosk")
            wait(lambda: label in page.evaluate("[...window.drawn]"), 10, label)
            assert page.evaluate("[...window.drawn]") == [label]
        page.close()


def several_classes(browser):
    """The missing of every class whose window is open are counted: two at once, more by turns; all of it fits."""
    names = ("2026年第三期电工初级班", "2026年第四期焊工中级班（周末）", "2026年第五期养老护理员初级班")
    with stage("none") as (address, say, _process):  # where staff should look after the camera, which takes room as well
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        count = [1]

        def change(route):
            server = route.connect_to_server()

            def pass_on(message):
                if isinstance(message, str) and json.loads(message)["type"] == "expectations":
                    classes = [{"class": f"TJNK-2026-013{at}", "class_name": name, "window": "arrival", "until": "08:10", "expected": 20 + at, "arrived": 3 + at} for at, name in enumerate(names)]
                    message = json.dumps({"type": "expectations", "classes": classes[:count[0]]})
                route.send(message)

            server.on_message(pass_on)

        def inside():
            """Whether nothing of the column is cut off."""
            footer, box = page.locator("footer").bounding_box(), page.locator("#class").bounding_box()
            return footer["y"] + footer["height"] <= 720 and box["y"] + box["height"] <= footer["y"]

        page.route_web_socket("**/kiosk/live", change)
        for number in (1, 2, 3):
            count[0] = number
            page.goto(f"{address}/kiosk")
            expect(page.locator("#attention")).to_be_visible(timeout=15000)
            ones = page.locator("#class .one")
            expect(ones).to_have_count(min(number, 2))
            expect(ones.nth(0)).to_contain_text("上课签到 至 08:10")
            expect(ones.nth(0)).to_contain_text("还差 17 人")
            pages = page.locator("#class .pages")
            if number < 3:
                expect(pages).to_be_hidden()
            if number == 2:
                expect(ones.nth(1)).to_contain_text("4 / 21 人")
                for at, name in enumerate(names[:2]):  # whoever is in both sees both
                    say(outcome("accepted", seq=at, **{"class": f"TJNK-2026-013{at}"}))
                    expect(page.locator("#result .more")).to_contain_text(name)
            if number == 3:
                expect(pages).to_have_text("第 1–2 个班，共 3 个 ›")
                expect(ones).to_have_count(1, timeout=8000)  # by itself
                expect(ones.nth(0)).to_contain_text(names[2])
                pages.click()
                expect(ones).to_have_count(2)
                page.wait_for_timeout(6000)
                expect(ones).to_have_count(2)  # whoever has turned the page reads it
            for language in ("zh", "en"):
                page.wait_for_timeout(300)
                shot(page, f"kiosk-{language}-{number}-classes")
                assert inside(), f"{number} classes do not fit"
                accessible(page, f"the kiosk with {number} classes")
                page.locator("#language").click()
        page.close()


def attention_by_turns(browser):
    """All that staff in the room should look after is said, by turns; what is new at once, a figure that changes is not new."""
    with stage("none") as (address, _, _process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        said = [["磁盘已满，剩余 100 MB。", "The disk is full, 100 MB left.", "full"], ["摄像头 back 未连接。", "Camera back is absent.", "back"]]

        def change(route):
            server = route.connect_to_server()

            def pass_on(message):
                if isinstance(message, str) and json.loads(message)["type"] == "room":
                    message = json.dumps({"type": "room", "lessons": [], "attention": said})
                route.send(message)

            server.on_message(pass_on)

        page.route_web_socket("**/kiosk/live", change)
        page.goto(f"{address}/kiosk")
        text = page.locator("#attention .text")
        expect(text).to_have_text("(1/2) 磁盘已满，剩余 100 MB。", timeout=15000)
        expect(text).to_have_text("(2/2) 摄像头 back 未连接。", timeout=15000)
        expect(text).to_have_text("(1/2) 磁盘已满，剩余 100 MB。", timeout=15000)
        # Before what is being said, and before all that was there.
        said.insert(0, ["摄像头 front 自 08:12 起镜头被遮挡。", "Camera front: the lens is covered since 08:12.", "front"])
        expect(text).to_have_text("(1/3) 摄像头 front 自 08:12 起镜头被遮挡。", timeout=8000)
        accessible(page, "the kiosk with several things to look after")
        shot(page, "kiosk-attention")
        # The figure changes with each look: the others have their turn all the same.
        figures = iter(range(99, 0, -1))
        seen = set()

        def other():
            said[1] = [f"磁盘已满，剩余 {next(figures)} MB。", "", "full"]
            page.wait_for_timeout(400)
            seen.add(text.text_content()[:5])
            return {"(1/3)", "(2/3)", "(3/3)"} <= seen

        wait(other, 35, "each has its turn")
        assert page.locator("#attention .all").text_content().count("\n") == 2
        page.locator("#language").click()
        expect(text).to_contain_text("Camera", timeout=15000)
        page.close()


def left_while_enrolling(browser):
    """A teacher who leaves while a face is taken has left: no name comes back without a PIN."""
    with stage("none") as (address, _, _process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        held = []
        page.route("**/kiosk/enrol", lambda route: held.append(route))  # answered below
        page.goto(f"{address}/kiosk")
        dialog = page.get_by_role("dialog")

        def begin():
            page.get_by_role("button", name="教师登记").click()
            type_pin(page, dialog, "2580")
            dialog.get_by_role("button", name="确认", exact=True).click()
            dialog.get_by_role("button", name="张三").click()
            dialog.get_by_role("button", name="本人同意", exact=True).click()
            expect(dialog).to_be_hidden()
            wait(lambda: (page.wait_for_timeout(50), held)[1], 5, "it is asked for")

        def answer():
            with page.expect_response("**/kiosk/enrol"):
                held.pop().fulfill(json={"seq": 9, "photos": 5})
            page.wait_for_timeout(300)

        begin()
        page.get_by_role("button", name="教师登记").click()
        dialog.get_by_role("button", name="取消").click()
        answer()
        expect(dialog).to_be_hidden()
        assert "张三" not in page.content(), "a full name comes back"
        # Whoever stands at the PIN pad meanwhile stays there.
        begin()
        page.get_by_role("button", name="教师登记").click()
        answer()
        expect(dialog.locator("h2")).to_have_text("登记人脸")
        assert "张三" not in page.content(), "a full name comes back"
        dialog.get_by_role("button", name="取消").click()
        # Nobody has left: the answer is shown.
        begin()
        answer()
        expect(dialog.locator("h2")).to_have_text("张三 登记成功")
        page.close()


def notice_for_everybody(browser):
    """Anybody may read how faces are used, without a PIN; the notice fits the screen and does not stay for ever."""
    with stage("none") as (address, _, _process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.clock.install()
        page.goto(f"{address}/kiosk")
        dialog = page.get_by_role("dialog")
        for language, button, close in (("zh", "隐私告知", "关闭"), ("en", "Privacy", "Close")):
            opener = page.get_by_role("button", name=button)
            box = opener.bounding_box()
            assert box["x"] + box["width"] <= 1280 and box["y"] + box["height"] <= 720, box
            opener.click()
            expect(dialog).to_contain_text("人脸信息处理告知书")
            expect(dialog).to_contain_text("Your rights: you may decline")
            box = dialog.bounding_box()
            assert box["y"] >= 0 and box["y"] + box["height"] <= 720 and box["width"] <= 1280, box
            end = dialog.get_by_role("button", name=close)
            expect(end).to_be_in_viewport(ratio=1)
            text = dialog.locator(".notice-text")
            text.focus()
            page.keyboard.press("End")
            page.clock.run_for(1000)
            wait(lambda: text.evaluate("text => text.scrollTop + text.clientHeight >= text.scrollHeight - 2"), 5, "it is read to its end")
            accessible(page, f"the notice for everybody, {language}")
            shot(page, f"kiosk-{language}-notice")
            end.click()
            expect(dialog).to_be_hidden()
            page.locator("#language").click()
        page.get_by_role("button", name="隐私告知").click()
        expect(dialog).to_be_visible()
        page.clock.fast_forward(101_000)
        expect(dialog).to_contain_text("20 秒后自动关闭")
        page.clock.fast_forward(20_000)
        expect(dialog).to_be_hidden()
        page.close()


TESTS = (one_after_another, face_labels, several_classes, attention_by_turns, left_while_enrolling, notice_for_everybody)
