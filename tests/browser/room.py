"""What staff do in the room: take the roll call, look after alarms, mark workstations."""

from common import PIN, accessible, frames, records, shot, stage, type_pin, watch_errors
from playwright.sync_api import expect


def roll_call(browser):
    with stage("recordings") as (address, say, process):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        errors = watch_errors(page)
        page.goto(f"{address}/kiosk")
        # The network camera is off while a lesson goes on: said within ten seconds.
        expect(page.locator("#attention")).to_contain_text("back", timeout=10000)
        page.get_by_role("button", name="开始点名").click()
        dialog = page.get_by_role("dialog")
        accessible(page, "the roll call's dialog")
        type_pin(page, dialog, "1111")
        dialog.get_by_role("button", name="确认", exact=True).click()
        expect(dialog.get_by_role("alert")).to_contain_text("密码不对")
        errors.clear()  # the browser tells of the refusal as well
        type_pin(page, dialog, PIN)
        dialog.get_by_role("button", name="确认", exact=True).click()
        state = page.locator("#rollcall-state")
        expect(state).to_be_visible(timeout=10000)
        expect(state).to_contain_text("正在课前点名")
        expect(state).to_contain_text("/ 4 人")
        page.wait_for_timeout(1500)
        accessible(page, "the kiosk during a roll call")
        shot(page, "kiosk-rollcall")
        for language in ("zh", "en"):
            overflow = page.evaluate("document.documentElement.scrollHeight - innerHeight")
            assert overflow <= 0, f"the kiosk overflows by {overflow} px in {language}"
            page.locator("#language").click()
        page.get_by_role("button", name="结束点名").click()
        type_pin(page, dialog, PIN)
        dialog.get_by_role("button", name="确认", exact=True).click()
        expect(state).to_be_hidden(timeout=10000)
        said = [(record["data"]["event"], record["data"]["by"]) for record in records(say, process, "rollcall")]
        assert said == [("started", "T1"), ("ended", "T1")], said
        # A second one is another bookmark.
        expect(page.get_by_role("button", name="开始点名")).to_be_visible()
        page.goto(f"{address}/recordings")
        expect(page.locator("#found-list")).to_contain_text("课前点名", timeout=10000)
        shot(page, "recordings-today")
        assert not errors, errors
        page.close()


def workstations(browser):
    with stage("recordings") as (address, say, process):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        errors = watch_errors(page)
        page.goto(f"{address}/kiosk")
        frames(page, 0)
        page.goto(f"{address}/cameras/front")
        expect(page.locator("#planned")).to_contain_text("01、02")
        page.get_by_role("button", name="用现在的画面").click()
        expect(page.locator("#source")).to_contain_text("保存后成为参考")
        page.wait_for_timeout(800)
        for corners in (((0.1, 0.2), (0.4, 0.2), (0.4, 0.7), (0.1, 0.7)), ((0.55, 0.3), (0.9, 0.3), (0.8, 0.8))):
            page.get_by_role("button", name="画一个工位").click()
            box = page.locator("#drawing").bounding_box()
            for x, y in corners:
                page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
            page.get_by_role("button", name="完成").click()
        # A corner is dragged, and moved on with the keys.
        corner = page.locator(".corner").first
        start = corner.bounding_box()
        page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.25 * box["height"], steps=4)
        page.mouse.up()
        page.keyboard.press("ArrowRight")
        accessible(page, "the workstations")
        shot(page, "workstations")
        page.get_by_role("button", name="保存").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("密码").fill(PIN)
        dialog.get_by_role("button", name="确认").click()
        expect(page.locator("#state")).to_contain_text("已保存", timeout=10000)
        saved = records(say, process, "reference")[-1]["data"]
        assert saved["camera"] == "front" and saved["by"] == "staff:T1", saved
        assert [one["workstation"] for one in saved["workstations"]] == ["01", "02"], saved
        (x, y), polygon = saved["workstations"][1]["polygon"][0], saved["workstations"][0]["polygon"]
        assert abs(x - 0.502) < 0.005 and abs(y - 0.25) < 0.005, (x, y)
        assert all(abs(a - b) < 0.005 for corner, wanted in zip(polygon, ((0.1, 0.2), (0.4, 0.2), (0.4, 0.7), (0.1, 0.7))) for a, b in zip(corner, wanted)), polygon
        page.reload()
        expect(page.locator("svg polygon")).to_have_count(2)
        expect(page.locator("#planned")).to_contain_text("都已标出")
        expect(page.locator("#source")).to_contain_text("已存的参考画面")
        page.emulate_media(color_scheme="dark")
        page.wait_for_timeout(500)
        shot(page, "workstations-dark")
        accessible(page, "the workstations, dark")
        # In figures, too: a corner's percentage is typed.
        page.locator("summary").first.click()
        page.get_by_label("角点 1, 横 %").first.fill("12.5")
        page.keyboard.press("Tab")
        expect(page.locator("#state")).to_contain_text("尚未保存")
        # Lists of corners that are open stay as they are while another polygon is chosen on the picture.
        page.locator("summary").nth(1).click()
        expect(page.locator("#list > li").nth(1)).to_have_class("chosen")
        page.evaluate("document.querySelector('#list').firstChild.kept = true")
        box = page.locator("#drawing").bounding_box()
        page.mouse.click(box["x"] + 0.2 * box["width"], box["y"] + 0.6 * box["height"])
        expect(page.locator("#list > li").first).to_have_class("chosen")
        page.wait_for_timeout(300)
        assert page.evaluate("document.querySelector('#list').firstChild.kept"), "the list was made anew"
        assert page.locator("#list details[open]").count() == 2
        assert not errors, errors
        page.close()


TESTS = (roll_call, workstations)
