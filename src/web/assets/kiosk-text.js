// Every text of the kiosk, in both languages.
export const TEXT = {
  "zh-CN": {
    title: "点名签到", idle: "请正对镜头", idle_more: "站在画面中间，看镜头即可签到", looking: "正在识别…",
    accepted: "签到成功", accepted_departure: "签退成功", already_checked_in: "已签到", already_departure: "已签退",
    not_in_class: "不在本班", unknown: "未登记", outside_window: "不在签到时间", before_arrival: "未到签到时间", before_departure: "未到签退时间", after_arrival: "已过签到时间", after_departure: "已过签退时间", done: "今天已签完", outdated: "二维码已失效", too_small: "请靠近一点", too_dark: "光线太暗",
    too_bright: "光线太亮", turned: "请正对镜头", blurred: "请站稳", cut_off: "请站到画面中间", unconfirmed: "未确认",
    more_unknown: "如已报名，请找教师登记", more_outdated: "请找工作人员重新打印", more_not_in_class: "今天本教室没有您的课", more_next: "{time} 开始签到", more_next_departure: "{time} 开始签退", more_closed: "签到已于 {time} 截止", more_closed_departure: "签退已于 {time} 截止", more_done: "不用再签到", comma: "，", more_outside: "今天的签到时间已过",
    more_already: "不用重复签到", more_qr: "二维码签到", more_unconfirmed: "教师未确认，请重新出示二维码", more_light: "请换个位置，或请教师开灯",
    arrival: "上课签到", departure: "下课签退", until: "至 {time}", opens: "{time} 开始", no_class: "今天没有课", no_classes: "本机还没有班级", count: " / {expected} 人", missing: "还差 {count} 人", complete: "全部到齐", pages: "第 {from}–{until} 个班，共 {count} 个  ›",
    online: "已连接监管平台", not_yet: "正在连接监管平台…", offline: "离线，记录保存在本机", unregistered: "未注册，记录保存在本机", alarm: "监管平台核验异常，请联系工作人员",
    waiting: "{count} 条记录待上传", receipt: "最近签认 {time}", no_receipt: "尚未签认", camera_gone: "摄像头无画面", camera_gone_do: "请教师检查摄像头的电源和连接",
    paused: "签到暂停", appliance_gone: "签到设备无响应", appliance_gone_do: "正在自动重新连接；如长时间未恢复，请告知教师",
    disconnected: "正在重新连接…", trouble: "签到暂时无法保存", trouble_do: "请稍候，并告知教师", picture: "摄像头画面", staff: "教师登记", privacy: "隐私告知", privacy_lead: "任何人都可以阅读。如有疑问或要撤回同意，请找教师。", close_notice: "关闭", failed_to_load: "暂时无法显示，请再试", sound_on: "语音开", sound_off: "语音关", sound_blocked: "点按开声", sound_blocked_why: "浏览器要等有人触摸屏幕后才允许播放语音", sound_failed: "无语音", sound_failed_why: "浏览器没有可用的语音，请管理员按操作手册安装", room: "教室 {room}",
    qr_title: "确认 {name} 的二维码签到", qr_lead: "请教师核对本人后输入密码", teacher: "教师", pin: "密码", confirm: "确认", not_confirm: "不是本人", cancel: "取消", closing: "20 秒后自动关闭，触摸屏幕可继续", back: "返回", clear: "清除", digits: "已输入 {count} 位",
    enrol_title: "登记人脸", enrol_lead: "请教师选择姓名并输入密码", choose_person: "选择要登记的人", enrolled: "已登记", not_enrolled: "未登记", declined: "不同意人脸识别，使用二维码", declined_done: "已记录：{name} 不同意人脸识别", declined_how: "签到改用个人二维码。请机构工作人员在设备上运行 rollcall qr {group} {person} 二维码.svg，打印后交给本人；签到时向镜头出示，由教师输入密码确认。", withdraw: "撤回同意，使用二维码", withdraw_title: "{name} 要撤回同意吗？", withdraw_lead: "撤回后立即删除在本班登记的人脸，签到改用个人二维码。", notice_title: "请 {name} 本人阅读告知书", consent: "本人同意", decline: "不同意，使用二维码", already_consents: "本人已同意，开始登记",
    capturing: "请 {name} 看镜头", progress: "慢慢左右转头一点  {good} / {wanted}", enrol_done: "{name} 登记成功", close: "完成", another: "登记下一位",
    wrong_pin: "密码不对，还可试 {detail} 次", locked: "密码错误次数过多，{detail} 后再试", no_pin: "这位教师尚未设置密码", refused: "无法登记", gone: "二维码已失效，请重新出示", no_good_face: "没有拍到清楚的正脸，请再试", no_camera: "摄像头无画面，无法登记", failed: "未能保存，请再试",
    because: "{text}：{why}", why_class_gone: "本机没有这个班级", why_not_teacher: "不是这个班的教师", why_cannot_confirm: "这位教师不能确认此二维码", why_busy: "正在为另一人登记，请稍候", why_not_on_roster: "不在本班名单上", why_no_consent: "本人未同意，请使用二维码", why_taken: "这张人脸已登记为 {group} 班 {person} 号", why_no_face: "没有看到人脸", why_several_faces: "画面中不止一人", why_too_few: "清楚的照片不够，请站稳看镜头",
    rollcall_on: "正在课前点名", rollcall_begin: "开始点名", rollcall_end: "结束点名", rollcall_begin_lead: "点名会在录像中做标记。请任课教师选择姓名并输入密码。", rollcall_end_lead: "请任课教师选择姓名并输入密码。", rollcall_refused: "不能点名", no_lesson: "现在不是这个班的上课时间",
  },
  en: {
    title: "Check-in", idle: "Face the camera", idle_more: "Stand in the middle of the picture and look at the camera", looking: "Looking…",
    accepted: "checked in", accepted_departure: "checked out", already_checked_in: "already checked in", already_departure: "already checked out",
    not_in_class: "not in this class", unknown: "Not enrolled", outside_window: "not check-in time", before_arrival: "too early to check in", before_departure: "too early to check out", after_arrival: "too late to check in", after_departure: "too late to check out", done: "done for today", outdated: "QR code not valid", too_small: "Come closer", too_dark: "Too dark",
    too_bright: "Too bright", turned: "Face the camera", blurred: "Hold still", cut_off: "Move to the middle", unconfirmed: "not confirmed",
    more_unknown: "If you have signed up, ask the teacher to enrol you", more_outdated: "It has been replaced: ask the staff to print the new one", more_not_in_class: "You have no lesson in this room today", more_next: "Check-in begins at {time}", more_next_departure: "Check-out begins at {time}", more_closed: "Check-in closed at {time}", more_closed_departure: "Check-out closed at {time}", more_done: "No need to check in again", comma: ". ", more_outside: "Today's check-in is over",
    more_already: "No need to check in again", more_qr: "by QR code", more_unconfirmed: "The teacher did not confirm; show the code again", more_light: "Move, or ask for the light to be changed",
    arrival: "Arrival", departure: "Departure", until: "until {time}", opens: "opens at {time}", no_class: "No lesson today", no_classes: "No class on this appliance yet", count: " of {expected}", missing: "{count} still expected", complete: "Everybody is here", pages: "Classes {from}–{until} of {count}  ›",
    online: "Connected to the bureau", not_yet: "Connecting to the bureau…", offline: "Offline: records stay here", unregistered: "Not registered: records stay here", alarm: "The bureau reports a problem: tell the staff",
    waiting: "{count} waiting", receipt: "Countersigned {time}", no_receipt: "Not countersigned yet", camera_gone: "No camera picture", camera_gone_do: "Teacher: please check the camera",
    paused: "Check-in is paused", appliance_gone: "The appliance does not answer", appliance_gone_do: "Reconnecting by itself; if this goes on, please tell the teacher",
    disconnected: "Reconnecting…", trouble: "Check-ins cannot be saved", trouble_do: "Please wait, and tell the teacher", picture: "Camera picture", staff: "Enrol", privacy: "Privacy", privacy_lead: "For everybody to read. With questions, or to withdraw consent, ask the teacher.", close_notice: "Close", failed_to_load: "Cannot be shown now; try again", sound_on: "Voice on", sound_off: "Voice off", sound_blocked: "Tap for voice", sound_blocked_why: "The browser lets the page speak once somebody has touched the screen", sound_failed: "No voice", sound_failed_why: "The browser has no voice; the operations manual says how to install one", room: "Room {room}",
    qr_title: "Confirm {name}'s QR code", qr_lead: "Teacher: check that it is this person, then give your PIN", teacher: "Teacher", pin: "PIN", confirm: "Confirm", not_confirm: "Not this person", cancel: "Cancel", closing: "Closes in 20 seconds; touch the screen to go on", back: "Back", clear: "Clear", digits: "{count} digits given",
    enrol_title: "Enrol a face", enrol_lead: "Teacher: choose your name and give your PIN", choose_person: "Who is to be enrolled?", enrolled: "enrolled", not_enrolled: "not enrolled", declined: "declined, uses a QR code", declined_done: "On record: {name} declines face recognition", declined_how: "Check-in is by a personal QR code from now on. Staff print it: run rollcall qr {group} {person} code.svg on the appliance. Show it to the camera; the teacher confirms it with the PIN.", withdraw: "I withdraw and use a QR code", withdraw_title: "Withdraw {name}'s consent?", withdraw_lead: "The face enrolled for this class is erased at once; check-in is by a personal QR code from then on.", notice_title: "{name}, please read this notice yourself", consent: "I consent", decline: "I decline and use a QR code", already_consents: "Has consented: begin",
    capturing: "{name}, look here", progress: "Turn your head a little, slowly  {good} of {wanted}", enrol_done: "{name} is enrolled", close: "Done", another: "Enrol another",
    wrong_pin: "Wrong PIN; {detail} tries left", locked: "Too many wrong PINs; try again after {detail}", no_pin: "This teacher has no PIN yet", refused: "Not enrolled", gone: "The code has expired; show it again", no_good_face: "No clear picture of one face; try again", no_camera: "The camera sends no pictures; nobody can be enrolled", failed: "Not saved; try again",
    because: "{text}: {why}", why_class_gone: "this class is not on this appliance", why_not_teacher: "not a teacher of this class", why_cannot_confirm: "this teacher cannot confirm this code", why_busy: "somebody else is being enrolled; wait a moment", why_not_on_roster: "not on this class's roster", why_no_consent: "no consent: use a QR code", why_taken: "this face is that of {person} in class {group}", why_no_face: "nobody was seen", why_several_faces: "more than one person was seen", why_too_few: "too few clear pictures; hold still and look at the camera",
    rollcall_on: "Roll call", rollcall_begin: "Begin roll call", rollcall_end: "End roll call", rollcall_begin_lead: "The roll call is bookmarked in the recording. Teacher: choose your name and give your PIN.", rollcall_end_lead: "Teacher: choose your name and give your PIN.", rollcall_refused: "No roll call", no_lesson: "No lesson of this class goes on now",
  },
};

let language = localStorage.getItem("language") ?? "zh-CN";

export const lang = () => language;

export function setLanguage(next) {
  language = next;
  localStorage.setItem("language", next);
}

// Whether there is a text for `key`.
export const has = (key) => key in TEXT[language];

// The text for `key`, with {names} filled in.
export function t(key, values = {}) {
  const text = TEXT[language][key] ?? TEXT["zh-CN"][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}
