// The texts of staff's pages that scripts say, in both languages.
const TEXT = {
  "zh-CN": {
    title_identify: "查看录像前请确认身份", lead_identify: "查看和下载录像都会留下记录。请选择教师并输入密码。", teacher: "教师", pin: "密码", confirm: "确认", cancel: "取消", no_teachers: "没有未结束的班期，无法确认身份。", no_viewers: "没有未结束的班期，已结束的班期也没有录像留在本机，无法确认身份。", closed_class: "{name}（已结束）",
    wrong_pin: "密码不对，还可试 {detail} 次", locked: "密码错误次数过多，{detail} 后再试", no_pin: "这位教师尚未设置密码（rollcall pin）", no_structure: "画面里没有可辨认的内容，不能作为参考画面：请开灯、露出镜头、对好焦，再用现在的画面", workstation_too_small: "工位 {detail} 画得太小，无法判断是否看得到：请把整个工位圈进去", refused: "不能这样做：{error}", failed: "没有成功，请再试",
    recorded: "已录像", writing: "正在录制", nothing: "不需录像", unexplained: "未知", open_gap: "{cause}（仍在继续）", rollcall: "课前点名", rollcall_of: "课前点名 {class}", findings: "画面异常", gaps: "中断", none: "没有",
    camera: "摄像头", lesson: "课次", required: "应录", missing: "缺失", share: "比例", so_far: "截至目前", verdict: "结论", complete: "完整", incomplete: "不完整", shown_by: "摄像头 {name}", no_roll_call_recorded: "没有录到课前点名", no_camera: "没有摄像头录像", no_workstations: "计划没有填写工位，无法证明画面覆盖全部工位", workstations_shown: "工位可见", whole_day: "全天", not_begun: "尚未开始", no_lessons: "这一天本教室没有课，也没有录像。",
    track: "摄像头 {camera} 的时间轴", at: "{time}，{state}", play_from: "从 {time} 播放", from_to: "{from} – {until}", lasting: "{length}", goes_on: "仍在继续", what: "情况", when: "时间", where: "位置", workstation: "工位 {name}", picture: "缩略图",
    play: "播放", pause: "暂停", jumped: "{from} – {until} 没有录像（{cause}），已跳过", ended: "录像到此结束", gone: "{time} 的录像文件已不在本机，已跳过", altered: "{time} 的录像文件与记录不符，不能播放：请运行 rollcall check", unreadable: "{time} 的录像读不出来，已跳过", undecodable: "{time} 的录像无法解码，已跳过", unsupported: "本浏览器不能播放这种录像（{codec}）。可以下载后用其他软件播放。", nothing_there: "这里没有录像。", format_changed: "录像格式在 {time} 改变",
    viewer: "查看人：{who}", leave: "退出查看", loading: "正在读取…", disconnected: "无法读取，请稍候", bad_span: "请填写开始和结束时间，结束在开始之后。",
    dark: "画面过暗", over_exposed: "画面过曝", blurred: "画面模糊", frozen: "画面静止", looped: "画面循环", covered: "镜头被遮挡", moved: "摄像头移位", replaced: "画面不是本教室", workstation_hidden: "工位看不到", few_people: "人数少于签到", no_roll_call: "没有课前点名",
    corners: "角点", corner: "角点 {number}", name: "工位号", remove: "删除", unsaved: "尚未保存", saved: "已保存（记录 {seq}）", drawing: "在画面上依次点出工位的各个角；点第一个角或按“完成”结束。", done: "完成", undo: "撤销一个角", present: "用现在的画面", keep: "画面：已存的参考画面", fresh: "画面：刚才的画面，保存后成为参考", no_reference: "还没有参考画面。", title_save: "保存工位", lead_save: "保存会留下记录。请选择教师并输入密码。", add: "画一个工位", planned: "计划中：", all_marked: "计划中的工位都已标出", polygon: "工位 {name}", move_all: "整体移动", too_few: "至少要三个角", duplicate: "工位号 {name} 重复", nameless: "请填写工位号", x: "横 %", y: "纵 %", add_corner: "加一个角", delete_corner: "删除角点 {number}", leave_page: "有未保存的修改",
  },
  en: {
    title_identify: "Who wants to see recordings?", lead_identify: "Every look at a recording and every download is recorded. Choose the teacher and give the PIN.", teacher: "Teacher", pin: "PIN", confirm: "Confirm", cancel: "Cancel", no_teachers: "Every class is closed, or none is imported: nobody can identify themselves.", no_viewers: "No class is open, and no recordings of a closed one are here: nobody can identify themselves.", closed_class: "{name} (closed)",
    wrong_pin: "Wrong PIN; {detail} tries left", locked: "Too many wrong PINs; try again after {detail}", no_pin: "This teacher has no PIN yet (rollcall pin)", no_structure: "Nothing in the picture could be told apart, so it cannot be the reference: turn on the lights, free the lens, focus it, and take the present picture", workstation_too_small: "Workstation {detail} is drawn too small to be looked at: draw it around the whole place", refused: "Refused: {error}", failed: "It did not work; try again",
    recorded: "recorded", writing: "being recorded", nothing: "nothing to record", unexplained: "unknown", open_gap: "{cause} (goes on)", rollcall: "roll call", rollcall_of: "roll call {class}", findings: "Findings", gaps: "Gaps", none: "None",
    camera: "Camera", lesson: "Lesson", required: "Required", missing: "Missing", share: "Share", so_far: "so far", verdict: "Verdict", complete: "complete", incomplete: "not complete", shown_by: "camera {name}", no_roll_call_recorded: "no roll call is recorded", no_camera: "no camera records here", no_workstations: "the plan names no workstations that the pictures could be held against", workstations_shown: "Workstations shown", whole_day: "Whole day", not_begun: "not begun", no_lessons: "No lesson is given in this room on this day, and nothing is recorded.",
    track: "Timeline of camera {camera}", at: "{time}, {state}", play_from: "Play from {time}", from_to: "{from} – {until}", lasting: "{length}", goes_on: "goes on", what: "What", when: "When", where: "Where", workstation: "workstation {name}", picture: "small picture",
    play: "Play", pause: "Pause", jumped: "{from} – {until} is not recorded ({cause}); skipped", ended: "The recording ends here", gone: "The recording of {time} is no longer on this appliance; skipped", altered: "The recording of {time} is not the one that was recorded and is not played: run rollcall check", unreadable: "The recording of {time} cannot be read; skipped", undecodable: "The recording of {time} cannot be decoded; skipped", unsupported: "This browser cannot play this recording ({codec}). Download it and play it elsewhere.", nothing_there: "Nothing is recorded here.", format_changed: "The recording's format changes at {time}",
    viewer: "Viewed by {who}", leave: "Stop viewing", loading: "Reading…", disconnected: "Cannot read; please wait", bad_span: "Give a beginning and an end that comes after it.",
    dark: "dark", over_exposed: "over-exposed", blurred: "blurred", frozen: "frozen", looped: "looped", covered: "covered", moved: "camera moved", replaced: "another place", workstation_hidden: "workstation hidden", few_people: "fewer people than checked in", no_roll_call: "no roll call",
    corners: "Corners", corner: "Corner {number}", name: "Workstation", remove: "Delete", unsaved: "not saved", saved: "Saved (record {seq})", drawing: "Click the workstation's corners one after the other; click the first again or “Done” to end.", done: "Done", undo: "Take back a corner", present: "Use the present picture", keep: "Picture: the reference that is kept", fresh: "Picture: taken just now; saving makes it the reference", no_reference: "There is no reference picture yet.", title_save: "Save the workstations", lead_save: "Saving is recorded. Choose the teacher and give the PIN.", add: "Draw a workstation", planned: "In the plan:", all_marked: "All workstations of the plan are marked", polygon: "workstation {name}", move_all: "Move all", too_few: "Three corners at least", duplicate: "Workstation {name} is there twice", nameless: "Give the workstation's number", x: "x %", y: "y %", add_corner: "Add a corner", delete_corner: "Delete corner {number}", leave_page: "Changes are not saved",
  },
};

export const lang = document.documentElement.lang === "en" ? "en" : "zh-CN";

// The text for `key`, with {names} filled in.
export function t(key, values = {}) {
  const text = TEXT[lang][key] ?? TEXT["zh-CN"][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// h:mm:ss of a length in milliseconds.
export function length(ms) {
  const seconds = Math.round(ms / 1000);
  const two = (number) => String(number).padStart(2, "0");
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}
