// A day's recordings: timeline, playback, totals, findings, download.
import { ensureSession, leave, session } from "/staff/identify.js";
import { element, length, t } from "/staff/text.js";
import { Player } from "./player.js";
import { Timeline } from "./timeline.js";

const $ = (selector) => document.querySelector(selector);
const REFRESH_MS = 5000;
const NOTE_MS = 8000;
const BEFORE_FINDING_MS = 2000;
const { date } = document.body.dataset;
const causes = Object.fromEntries([...document.querySelectorAll(".legend .cause")].map((item) => [item.querySelector(".key").dataset.kind, item.textContent]));

let day = null;
let shownDay = "";
let camera = null;

const timeline = new Timeline($("#timeline"), causes, {
  play: (name, wall) => play(name, wall),
  look: (name, at, state) => { $("#readout").textContent = name ? `${timeline.clock(at)} · ${name} · ${state}` : ""; },
});

// ——— playback

function note(text) {
  $("#note").textContent = text;
  clearTimeout(note.timer);
  note.timer = setTimeout(() => { $("#note").textContent = ""; }, NOTE_MS);
}

const player = new Player($("#video"), {
  time: (wall) => {
    if (wall === null) return;
    $("#wall").textContent = timeline.clock(wall);
    document.documentElement.dataset.wall = Math.round(wall);
    timeline.moveCursor({ camera, wall });
  },
  jump: (from, until) => {
    const gap = cameraView(camera)?.gaps.find(({ start, end }) => start < until && end > from);
    note(t("jumped", { from: timeline.clock(from), until: timeline.clock(until), cause: gap ? causes[gap.cause] : timeline.stateAt(camera, from) }));
  },
  skipped: (wall, why) => note(t(why, { time: timeline.clock(wall) })),
  waiting: () => note(t("disconnected")),
  unsupported: (codec) => note(t("unsupported", { codec })),
  ended: () => note(t("ended")),
  identify: async () => { const who = await ensureSession(); showViewer(who); return who !== null; },
});

const cameraView = (name) => day?.cameras.find((one) => one.camera === name);

async function play(name, wall) {
  const who = await ensureSession();
  if (!who) return;
  showViewer(await session());
  $("#player").hidden = false;
  if (camera !== name) player.stop();
  camera = name;
  $("#player-camera").textContent = name;
  $("#take-camera").value = name;
  player.setSegments(cameraView(name).segments);
  $("#player").scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  await player.play(wall);
}

function showViewer(who) {
  $("#viewer").textContent = who ? t("viewer", { who: `${who.number} · ${who.class}` }) : "";
}

$("#leave").onclick = async () => {
  player.stop();
  await leave().catch(() => {});
  $("#player").hidden = true;
  timeline.moveCursor(null);
};

const video = $("#video");
for (const event of ["play", "pause"]) video.addEventListener(event, () => { $("#toggle").textContent = t(video.paused ? "play" : "pause"); });
$("#toggle").onclick = () => player.toggle();
$("#back").onclick = () => player.step(-1);
$("#on").onclick = () => player.step(1);
video.onclick = () => player.toggle();

function setRate(rate) {
  player.setRate(rate);
  for (const button of document.querySelectorAll("[data-rate]")) button.setAttribute("aria-pressed", Number(button.dataset.rate) === rate);
}
for (const button of document.querySelectorAll("[data-rate]")) button.onclick = () => setRate(Number(button.dataset.rate));

$("#next").onclick = () => {
  const wall = (player.wall ?? 0) + BEFORE_FINDING_MS + 500;
  const next = timeline.findingsOf(camera).map(({ start }) => start).filter((start) => start > wall).sort((a, b) => a - b)[0];
  if (next === undefined) note(t("none"));
  else play(camera, next - BEFORE_FINDING_MS);
};

// Only where the player has the focus: a letter typed elsewhere does nothing.
$("#player").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const isButton = event.target.tagName === "BUTTON";
  if (event.key === "," ) player.step(-1);
  else if (event.key === ".") player.step(1);
  else if (event.key === "k" || (event.key === " " && !isButton)) player.toggle();
  else if (event.key === "n") $("#next").click();
  else return;
  event.preventDefault();
});

// ——— totals

const percent = (part, whole) => `${(Math.floor((whole ? part / whole : 1) * 10000) / 100).toFixed(2)} %`;

// What the account of a lesson that is over says: complete or not, why not, and for how long each workstation was shown.
function verdict({ verdict }) {
  if (!verdict) return [];
  const isEnough = ({ complete, shown_ms, required_ms }) => complete ?? shown_ms >= required_ms * verdict.required_share;
  const text = (key) => (one) => `${t(key, { name: one.name })} ${percent(one.shown_ms, one.required_ms)}${one.unknown_ms ? ` (${t("unexplained")} ${length(one.unknown_ms)})` : ""}`;
  const short = (key, all) => all.filter((one) => !isEnough(one)).map(text(key));
  const why = [...short("shown_by", verdict.cameras), ...short("workstation", verdict.workstations), ...(verdict.roll_call_recorded ? [] : [t("no_roll_call_recorded")])];
  if (!verdict.cameras.length) why.push(t("no_camera"));
  else if (!why.length && !verdict.workstations.length) why.push(t("no_workstations"));
  const enough = verdict.workstations.filter(isEnough).map(text("workstation"));
  const row = (head, mark, what, ...details) => element("tr", { className: "verdict" }, element("td"), Object.assign(element("td", { textContent: head }), { colSpan: 2 }), element("td", {}, element("span", { className: `mark ${mark}`, textContent: what })), element("td", { className: "wrap", textContent: details.join("；") || "—" }));
  const rows = [row(t("verdict"), verdict.complete ? "good" : "bad", t(verdict.complete ? "complete" : "incomplete"), ...(verdict.complete ? [] : why))];
  if (enough.length) rows.push(row(t("workstations_shown"), enough.length === verdict.workstations.length ? "good" : "warn", `${enough.length} / ${verdict.workstations.length}`, ...enough));
  return rows;
}

function accounts() {
  const rows = day.lessons.flatMap((lesson) => [...lesson.accounts.map((account, at) => {
    const share = account.required_ms ? account.recorded_ms / account.required_ms : 1;
    const missing = Object.entries(account.gaps_ms).map(([cause, ms]) => `${causes[cause]} ${length(ms)}`);
    if (account.unexplained_ms) missing.push(`${t("unexplained")} ${length(account.unexplained_ms)}`);
    const mark = account.unexplained_ms ? "bad" : share >= 0.99 ? "good" : "warn";
    const name = at === 0 ? [`${timeline.clock(lesson.start, false)}–${timeline.clock(lesson.end, false)} ${lesson.name}`, element("small", { textContent: ` ${lesson.topic}` })] : [];
    return element("tr", {},
      Object.assign(element("th", {}, ...name), { scope: "row" }), element("td", { textContent: account.camera }),
      element("td", { textContent: `${length(account.recorded_ms)} / ${length(account.required_ms)}` }),
      element("td", {}, element("span", { className: `mark ${mark}`, textContent: percent(account.recorded_ms, account.required_ms) }), account.is_over ? "" : ` ${t("so_far")}`),
      element("td", { className: "wrap", textContent: missing.join("；") || "—" }));
  }), ...verdict(lesson)]);
  if (!rows.length) return element("p", { className: "none", textContent: day.lessons.length ? t("not_begun") : t("no_lessons") });
  const heads = ["lesson", "camera", "recorded", "share", "missing"].map((key) => Object.assign(element("th", { textContent: t(key) }), { scope: "col" }));
  heads[2].textContent = `${t("recorded")} / ${t("required")}`;
  return element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
}

// ——— gaps, findings, roll calls, each with a way to play it

function found() {
  const gaps = day.cameras.flatMap((one) => one.gaps.map((gap) => ({ ...gap, camera: one.camera, what: causes[gap.cause], kind: "gap", cause: gap.cause, end: gap.open ? null : gap.end })));
  const findings = day.findings.map((finding) => ({ ...finding, what: t(finding.what), kind: "finding" }));
  const calls = day.rollcalls.map((call) => ({ ...call, what: t("rollcall_of", { class: call.class }), kind: "rollcall" }));
  const all = [...gaps, ...findings, ...calls].sort((a, b) => a.start - b.start);
  if (!all.length) return [element("li", { className: "none", textContent: t("none") })];
  return all.map((one) => {
    const where = [one.camera && `${t("camera")} ${one.camera}`, one.workstation && t("workstation", { name: one.workstation })].filter(Boolean).join(" · ");
    const target = one.camera ?? camera ?? day.cameras[0]?.camera;
    const from = one.kind === "finding" ? one.start - BEFORE_FINDING_MS : one.kind === "gap" ? one.start - 5000 : one.start;
    const when = `${timeline.clock(one.start)} – ${one.end ? timeline.clock(one.end) : t("goes_on")}`;
    const button = element("button", { type: "button", textContent: t("play"), ariaLabel: `${t("play_from", { time: timeline.clock(one.start) })}: ${one.what}`, disabled: !target });
    button.onclick = () => play(target, from);
    const key = element("span", { className: `key ${one.kind}` });
    if (one.cause) key.dataset.kind = one.cause;
    const picture = one.thumbnail ? element("img", { src: `/findings/thumbnails/${one.thumbnail}.jpg`, alt: `${t("picture")}: ${one.what}`, loading: "lazy" }) : key;
    return element("li", {}, element("div", { className: "picture" }, picture), element("div", { className: "text" }, element("strong", { textContent: one.what }), element("span", { className: "detail", textContent: where }), element("span", { className: "when", textContent: `${when}${one.end ? ` · ${length(one.end - one.start)}` : ""}` })), button);
  });
}

// ——— download

function time(input) {
  const [hours, minutes, seconds = "0"] = input.value.split(":");
  return Date.parse(`${date}T00:00:00Z`) - day.utc_offset_ms + ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}

$("#download").onsubmit = async (event) => {
  event.preventDefault();
  const [from, until] = [time($("#take-from")), time($("#take-until"))];
  const wanted = $("#take-camera").value;
  const has = cameraView(wanted)?.segments.some(({ start, end }) => start < until && end > from);
  $("#take-problem").textContent = !(from < until) ? t("bad_span") : has ? "" : t("nothing_there");
  if (!(from < until) || !has || !(await ensureSession())) return;
  location.assign(`/recordings/download?${new URLSearchParams({ camera: wanted, from, until })}`);
};

function fillDownload() {
  const select = $("#take-camera");
  if (select.options.length !== day.cameras.length) select.replaceChildren(...day.cameras.map((one) => element("option", { value: one.camera, textContent: one.camera })));
  const segments = day.cameras.flatMap((one) => one.segments);
  if ($("#take-from").value || !segments.length) return;
  $("#take-from").value = timeline.clock(Math.min(...segments.map(({ start }) => start)));
  $("#take-until").value = timeline.clock(Math.max(...segments.map(({ end }) => end)) + 999);
}

// ——— the day

function show() {
  timeline.draw(day);
  $("#lesson-accounts").replaceChildren(accounts());
  $("#found-list").replaceChildren(...found());
  const present = new Set(day.cameras.flatMap((one) => one.gaps.map(({ cause }) => cause)));
  for (const item of document.querySelectorAll(".legend .cause")) item.hidden = !present.has(item.querySelector(".key").dataset.kind);
  fillDownload();
  if (camera) player.setSegments(cameraView(camera)?.segments ?? []);
}

async function refresh() {
  try {
    const answer = await fetch(`/api/recordings?date=${date}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    day = await answer.json();
    // Nothing is drawn anew under somebody's hands unless something has changed; `now` moves on by itself.
    const text = JSON.stringify({ ...day, now: day.cameras.some((one) => one.writing_since) ? Math.floor(day.now / 30_000) : 0 });
    if (text !== shownDay) { shownDay = text; show(); }
    $("#stale").hidden = true;
  } catch (reason) {
    $("#stale").hidden = false;
    $("#stale").textContent = t("disconnected");
    if (!(reason instanceof TypeError)) console.error(reason);
  }
  setTimeout(refresh, REFRESH_MS);
}

$("#date").onchange = ({ target }) => { if (target.value) location.assign(`/recordings?${new URLSearchParams({ date: target.value, lang: document.documentElement.lang === "en" ? "en" : "zh" })}`); };
session().then(showViewer);
refresh();
