// The kiosk's page: the mirrored picture, the faces in it, results, counts. Everything comes over one WebSocket.
import { enrolling, openEnrolment, readNotice, relabelDialogs, showEnrolling, showPending } from "./kiosk-dialogs.js";
import { relabelRoom, showRoom } from "./kiosk-rollcall.js";
import { lang, setLanguage, t } from "./kiosk-text.js";

const $ = (selector) => document.querySelector(selector);
const SHOWN_MS = 5000; // a result stays
const TURN_MS = 1200; // an acceptance is seen for so long, whoever comes next
const WAITING = 3; // more do not wait: the list beside the picture has them all
const SPEECH_MS = 3000; // a voice that does not say that it has ended
const SILENT_MS = 5000; // the appliance says something every second; after this it is gone
const HINT_AFTER_MS = 500; // a hint is shown only when it lasts
const KINDS = {
  accepted: "good", already_checked_in: "good", not_in_class: "no", unknown: "no", unconfirmed: "no", outside_window: "kind",
  too_small: "hint", too_dark: "hint", too_bright: "hint", turned: "hint", blurred: "hint", cut_off: "hint",
};
const SIGNS = { good: "✓", kind: "!", no: "✕", hint: "↔", idle: "☺" };
const COLOURS = { good: "#46d98a", kind: "#ffd166", no: "#ff9b8f", hint: "#ffd166", idle: "#8fc1ff" };

// Type is as large as the screen allows, so that a browser's zoom would change nothing; what is zoomed is told by the window.
function zoom() {
  const factor = Math.min(5, Math.max(1, Math.round((outerWidth / innerWidth) * 20) / 20)) || 1;
  document.documentElement.style.setProperty("--zoom", factor);
  document.documentElement.classList.toggle("zoomed", factor > 1.1);
}
addEventListener("resize", zoom);
zoom();

let status = null;
let classes = []; // whose window is open, else the next one
let shown = null; // the result on the screen: { outcome, at }
let waiting = []; // those that come after it, oldest first
let hint = null; // { outcome, since }
let recent = [];
let voice = localStorage.getItem("voice") !== "off";

// ——— words of an outcome

// A QR code that is nobody's: renewed, or of somebody who has left.
const isOutdated = ({ outcome, method }) => outcome === "unknown" && method === "qr";

function words(outcome) {
  const leaving = outcome.window === "departure";
  if (isOutdated(outcome)) return t("outdated");
  if (outcome.outcome === "accepted") return t(leaving ? "accepted_departure" : "accepted");
  if (outcome.outcome === "already_checked_in") return t(leaving ? "already_departure" : "already_checked_in");
  return t(outcome.outside ?? outcome.outcome);
}

function more(outcome) {
  switch (outcome.outcome) {
    case "accepted": return [outcome.time?.slice(11, 16), outcome.method === "qr" && t("more_qr"), whichClass(outcome)].filter(Boolean).join("  ");
    case "already_checked_in": return t("more_already");
    case "unknown": return t(isOutdated(outcome) ? "more_outdated" : "more_unknown");
    case "not_in_class": return t("more_not_in_class");
    case "outside_window": return moreOutside(outcome);
    case "unconfirmed": return t("more_unconfirmed");
    case "too_dark": case "too_bright": return t("more_light");
    default: return "";
  }
}

// The class, where there are several: whoever is in two of them sees that both count.
const whichClass = (outcome) => classes.length > 1 && classes.find((one) => one.class === outcome.class)?.class_name;

// When it was too late, and when it will not be too early.
function moreOutside({ outside, last_closed, next_opens }) {
  const next = outside === "after_arrival" || outside === "before_departure" ? "more_next_departure" : "more_next";
  const parts = [last_closed && t(outside === "after_departure" ? "more_closed_departure" : "more_closed", { time: last_closed }), next_opens && t(next, { time: next_opens })];
  return parts.filter(Boolean).join(t("comma")) || t(outside === "done" ? "more_done" : "more_outside");
}

// Why nothing is heard: null, "blocked" (a browser lets no page speak that nobody has touched) or "failed" (no voice).
let mute = "speechSynthesis" in window ? null : "failed";

function setMute(next) {
  if (mute === next) return;
  mute = next;
  showVoice();
}

// Mandarin in China, then any Mandarin (espeak-ng calls it cmn); English for English.
function chooseVoice() {
  const wanted = lang() === "en" ? [/^en/] : [/^zh-cn/, /^(cmn|zh-hans)/, /^zh(?!-hk|-mo)/];
  const voices = speechSynthesis.getVoices();
  return wanted.map((name) => voices.find((one) => name.test(one.lang.toLowerCase().replace("_", "-")))).find(Boolean) ?? null;
}

let spoken = null; // what is being said: { speech, keep, timer }
let unspoken = []; // what is said after it

// Takes the place of what is being said; unless that was to be kept (`keep`), which is heard out first.
function say(text, { volume = 1, keep = false } = {}) {
  if (!voice || !("speechSynthesis" in window)) return;
  const speech = new SpeechSynthesisUtterance(text);
  speech.lang = lang();
  speech.volume = volume;
  speech.voice = chooseVoice();
  const next = { speech, keep };
  if (spoken?.keep) unspoken = [...unspoken.filter((one) => one.keep), next].slice(-WAITING);
  else utter(next);
}

function utter(next) {
  clearTimeout(spoken?.timer);
  spoken = next;
  const { speech } = next;
  const over = () => {
    if (spoken !== next) return;
    clearTimeout(next.timer);
    spoken = null;
    if (unspoken.length) utter(unspoken.shift());
  };
  speech.onstart = () => setMute(null);
  speech.onend = over;
  speech.onerror = ({ error }) => {
    // Otherwise the next one has taken its place.
    if (error !== "canceled" && error !== "interrupted") setMute(error === "not-allowed" ? "blocked" : "failed");
    over();
  };
  next.timer = setTimeout(over, SPEECH_MS);
  speechSynthesis.cancel();
  speechSynthesis.speak(speech);
}

const isAcceptance = (outcome) => outcome.outcome === "accepted";
const speak = (outcome) => say(words(outcome), { keep: isAcceptance(outcome) });

// The first touch allows it.
for (const event of ["click", "keydown"]) {
  document.addEventListener(event, () => {
    if (mute !== "blocked") return;
    setMute(null);
    say(t("sound_on"));
  });
}

function showVoice() {
  const state = !voice ? "sound_off" : mute ? `sound_${mute}` : "sound_on";
  Object.assign($("#sound"), { textContent: t(state), title: voice && mute ? t(`${state}_why`) : "" });
  $("#sound").setAttribute("aria-pressed", voice && !mute);
}

// ——— the band below the picture

function present(state, sign, who, what, detail) {
  const stage = $(".stage");
  const key = [state, who, what, detail].join("|");
  if (stage.dataset.key === key) return;
  stage.dataset.key = key;
  stage.dataset.state = state;
  $("#result .sign").textContent = sign;
  $("#result .who").textContent = who;
  $("#result .what").textContent = what;
  $("#result .more").textContent = detail;
}

// Whether somebody who has just been accepted is still to be seen.
const hasTurn = (now) => shown && isAcceptance(shown.outcome) && now - shown.at < TURN_MS;

function show(outcome) {
  shown = { outcome, at: performance.now() };
  speak(outcome);
}

function presentNow() {
  const now = performance.now();
  if (waiting.length && !hasTurn(now)) show(waiting.shift());
  if (status?.trouble) return present("no", "!", "", t("trouble"), t("trouble_do"));
  const session = enrolling();
  if (session) {
    const detail = session.hint ? t(session.hint) : t("progress", session);
    return present("hint", `${session.good}`, "", t("capturing", session), detail);
  }
  if (shown && now - shown.at < SHOWN_MS) {
    const { outcome } = shown;
    const kind = KINDS[outcome.outcome] ?? "no";
    return present(kind, SIGNS[kind], outcome.name ?? "", words(outcome), more(outcome));
  }
  // Nobody is asked to look into a camera that does not see them.
  if ([...document.querySelectorAll(".notice")].some((notice) => !notice.hidden)) return present("hint", "!", "", t("paused"), "");
  if (hint && now - hint.since > HINT_AFTER_MS) return present("hint", SIGNS.hint, "", t(hint.outcome), "");
  present("idle", SIGNS.idle, "", t("idle"), t("idle_more"));
}

// ——— the picture

const canvas = $("#picture");
const context = canvas.getContext("2d", { alpha: false });
let newest = null;
let drawing = false;

async function draw() {
  if (drawing) return;
  drawing = true;
  while (newest) {
    const { header, jpeg } = newest;
    newest = null;
    try {
      const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
      if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
      context.save();
      context.scale(-1, 1); // a mirror: people move the way they expect
      context.drawImage(bitmap, -bitmap.width, 0);
      context.restore();
      bitmap.close();
      header.faces.forEach(frame);
      document.documentElement.dataset.latency = Date.now() - header.captured_unix_ms;
      document.documentElement.dataset.frame = header.number;
    } catch { /* a damaged picture is skipped; the next one comes */ }
  }
  drawing = false;
}

function frame(face) {
  const [w, h] = [face.width * canvas.width, face.height * canvas.height];
  const [x, y] = [(1 - face.x - face.width) * canvas.width, face.y * canvas.height];
  const kind = face.state.state === "decided" ? KINDS[face.state.outcome] ?? "no" : face.state.state === "hint" ? "hint" : "idle";
  const size = Math.max(18, Math.min(canvas.width / 28, w * 0.24));
  context.strokeStyle = COLOURS[kind];
  context.lineWidth = Math.max(3, canvas.width / 240);
  context.beginPath();
  context.roundRect(x, y, w, h, Math.min(w, h) * 0.16);
  context.stroke();
  const said = face.state.state === "looking" ? t("looking") : words({ ...face.state, outside: face.outside, window: face.window });
  const label = [face.name, said].filter(Boolean).join(" ");
  context.font = `600 ${size}px "Noto Sans CJK SC", "Noto Sans SC", sans-serif`;
  const width = context.measureText(label).width + size;
  const left = Math.max(0, Math.min(canvas.width - width, x + w / 2 - width / 2));
  const top = y > size * 1.8 ? y - size * 1.8 : y + h + size * 0.3;
  context.fillStyle = COLOURS[kind];
  context.beginPath();
  context.roundRect(left, top, width, size * 1.5, size * 0.4);
  context.fill();
  context.fillStyle = "#0b1622";
  context.textBaseline = "middle";
  context.fillText(label, left + size / 2, top + size * 0.78);
}

function takePicture(buffer) {
  const length = new DataView(buffer).getUint32(0);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  newest = { header, jpeg: new Uint8Array(buffer, 4 + length) };
  noteHint(header.faces);
  draw();
}

// The hint of the nearest face, once it has lasted.
function noteHint(faces) {
  const nearest = faces.reduce((a, b) => (!a || b.width > a.width ? b : a), null);
  const outcome = nearest?.state.state === "hint" ? nearest.state.outcome : null;
  if (!outcome) hint = null;
  else if (hint?.outcome !== outcome) hint = { outcome, since: performance.now() };
}

// ——— the column beside it

const AT_ONCE = 2; // classes for which there is room
const PAGE_MS = 5000; // the others' turn
const STOP_MS = 60_000; // whoever has turned the page reads it
let page = { at: 0, until: 0 };

// Shows the classes; of more than there is room for, some and then the others.
function showClass() {
  const box = $("#class");
  const pages = Math.max(1, Math.ceil(classes.length / AT_ONCE));
  page.at %= pages;
  const from = page.at * AT_ONCE;
  const visible = classes.slice(from, from + AT_ONCE);
  const ones = [...box.querySelectorAll(".one")];
  ones.slice(Math.max(1, visible.length)).forEach((one) => one.remove());
  while (ones.length < visible.length) {
    const another = ones[0].cloneNode(true);
    ones.at(-1).after(another);
    ones.push(another);
  }
  box.classList.toggle("several", classes.length > 1);
  ones.forEach((one, at) => showOne(one, visible[at]));
  const turn = box.querySelector(".pages");
  turn.hidden = pages === 1;
  turn.textContent = t("pages", { from: from + 1, until: from + visible.length, count: classes.length });
}

function turnPage(pause) {
  page = { at: page.at + 1, until: performance.now() + pause };
  showClass();
}

function showOne(box, one) {
  const bar = box.querySelector(".bar");
  bar.hidden = !one;
  if (!one) {
    box.querySelector(".name").textContent = t("no_class");
    for (const part of [".window", ".arrived", ".of", ".missing"]) box.querySelector(part).textContent = "";
    return;
  }
  const { class_name, window: open, until, expected, arrived } = one;
  box.querySelector(".name").textContent = class_name;
  box.querySelector(".window").textContent = open ? `${t(open)} ${t("until", { time: until })}` : t("opens", { time: until });
  box.querySelector(".arrived").textContent = arrived;
  box.querySelector(".of").textContent = t("count", { expected });
  box.querySelector(".missing").textContent = arrived < expected ? t("missing", { count: expected - arrived }) : t("complete");
  bar.setAttribute("aria-valuemax", expected);
  bar.setAttribute("aria-valuenow", arrived);
  bar.setAttribute("aria-label", `${class_name} ${arrived}${t("count", { expected })}`);
  bar.firstElementChild.style.width = `${expected ? (100 * arrived) / expected : 0}%`;
}

function showStatus(connected = true) {
  const link = $("#link");
  const state = !connected ? "disconnected" : !status ? "disconnected" : status.alarm ? "alarm" : !status.registered ? "unregistered" : status.link;
  link.className = state;
  link.querySelector(".text").textContent = t(state);
  const gone = connected && status && ["stalled", "absent"].includes(status.camera);
  $("#camera-notice").hidden = !gone;
  $("#link-notice").hidden = connected || !status; // not before the first connection
  if (!status) return;
  // Times are the appliance's, whatever zone the browser is in.
  const at = status.countersigned_at ? new Date(status.countersigned_at) : null;
  const time = at?.toLocaleString(lang(), { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit" });
  const waiting = status.waiting && !status.online ? ` · ${t("waiting", { count: status.waiting })}` : "";
  $("#receipt").textContent = (at ? t("receipt", { time }) : t("no_receipt")) + waiting;
  $("#place").textContent = `${status.site}  ${t("room", { room: status.room })}`;
  $("#time").textContent = status.time.slice(11, 16);
  const day = new Date(`${status.time.slice(0, 10)}T12:00:00`);
  $("#date").textContent = day.toLocaleDateString(lang(), { month: "short", day: "numeric", weekday: "long" });
}

function showRecent() {
  $("#recent").replaceChildren(...recent.map((outcome) => {
    const line = document.createElement("li");
    const time = Object.assign(document.createElement("time"), { textContent: outcome.time.slice(11, 16) });
    const text = Object.assign(document.createElement("span"), { className: KINDS[outcome.outcome] ?? "no" });
    text.textContent = [outcome.name, words(outcome)].filter(Boolean).join(" ");
    line.append(time, text);
    return line;
  }));
}

function takeOutcome(outcome) {
  // Acceptances take their turns; of anything else only the newest is of use.
  if (waiting.length || hasTurn(performance.now())) waiting = [...waiting.filter(isAcceptance), outcome].slice(-WAITING);
  else show(outcome);
  const isSame = (one) => one.seq === outcome.seq && one.outcome === outcome.outcome;
  recent = [outcome, ...recent.filter((one) => !isSame(one))].slice(0, 5);
  showRecent();
  presentNow();
}

// ——— the connection

let pause = 250;
let heard = 0;
let dropped = () => {};

function connect() {
  const socket = new WebSocket(`ws://${location.host}/kiosk/live`);
  socket.binaryType = "arraybuffer";
  heard = performance.now();
  socket.onopen = () => { pause = 250; heard = performance.now(); document.documentElement.dataset.connected = "yes"; };
  socket.onmessage = ({ data }) => {
    heard = performance.now();
    if (data instanceof ArrayBuffer) return takePicture(data);
    const message = JSON.parse(data);
    if (message.type === "outcome") takeOutcome(message.outcome);
    else if (message.type === "recent") { recent = message.outcomes; showRecent(); }
    else if (message.type === "expectations") { classes = message.classes; showClass(); }
    else if (message.type === "status") { status = message; showStatus(); }
    else if (message.type === "room") showRoom(message);
    else if (message.type === "pending_qr") showPending(message.pending);
    else if (message.type === "enrolling") showEnrolling(message.enrolling);
  };
  dropped = () => {
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    document.documentElement.dataset.connected = "no";
    showStatus(false);
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, 5000);
    heard = Infinity; // until the next try
  };
  socket.onclose = dropped;
}

// An appliance that hangs keeps its sockets open: silence must not look like a working kiosk.
function watch() {
  if (performance.now() - heard > SILENT_MS) dropped();
}

// ——— language and voice

function relabel() {
  document.documentElement.lang = lang();
  document.title = t("title");
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  canvas.setAttribute("aria-label", t("picture"));
  const other = lang() === "en" ? "zh-CN" : "en";
  Object.assign($("#language"), { textContent: other === "en" ? "English" : "中文", lang: other });
  showVoice();
  showClass(); showStatus(document.documentElement.dataset.connected === "yes"); showRecent(); relabelDialogs(); relabelRoom();
  delete $(".stage").dataset.key;
  presentNow();
}

$("#language").onclick = () => { setLanguage(lang() === "en" ? "zh-CN" : "en"); relabel(); };
$("#sound").onclick = () => {
  voice = mute === "blocked" || !voice; // who wants to hear something is not taken at the opposite word
  localStorage.setItem("voice", voice ? "on" : "off");
  relabel();
};
say(t("sound_on"), { volume: 0 }); // not heard: it tells at once whether the page may speak, before anybody comes
$("#enrol").onclick = openEnrolment;
$("#privacy").onclick = readNotice;
$("#class .pages").onclick = () => turnPage(STOP_MS);

relabel();
setInterval(presentNow, 150);
setInterval(watch, 500);
setInterval(() => { if (classes.length > AT_ONCE && performance.now() > page.until) turnPage(0); }, PAGE_MS);
connect();
