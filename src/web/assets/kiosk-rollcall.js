// The roll call at the kiosk, and what staff should look after in the room.
import { ask, choosePinAct } from "./kiosk-dialogs.js";
import { lang, t } from "./kiosk-text.js";

const $ = (selector) => document.querySelector(selector);
let room = { lessons: [], attention: [] };
let told = 0;

// What staff should look after: a touch screen shows no tooltip, so all of it is said by turns, what is new at once.
const TURN_MS = 5000;
let turn = { at: 0, since: 0 };
const keys = ({ attention }) => attention.map(([, , key]) => key);
const texts = ({ attention }) => attention.map(([chinese, english]) => (lang() === "en" ? english : chinese));

const running = () => room.lessons.find((lesson) => lesson.since);

export function showRoom(next) {
  const [known, now] = [keys(room), keys(next)];
  const fresh = now.findIndex((key) => !known.includes(key));
  // What was being said may stand elsewhere in the list now.
  if (fresh >= 0) turn = { at: fresh, since: performance.now() };
  else turn.at = Math.max(0, now.indexOf(known[turn.at]));
  room = next;
  told = performance.now();
  present();
}

function duration(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function present() {
  const lesson = running();
  const box = $("#rollcall-state");
  box.hidden = !lesson;
  if (lesson) {
    const seconds = lesson.seconds + Math.floor((performance.now() - told) / 1000);
    box.querySelector(".title").textContent = t("rollcall_on");
    box.querySelector(".lesson").textContent = `${lesson.name} · ${lesson.begins}`;
    box.querySelector(".time").textContent = duration(seconds);
    box.querySelector(".present").textContent = lesson.present;
    box.querySelector(".expected").textContent = t("count", { expected: lesson.expected });
  }
  const button = $("#rollcall");
  button.hidden = room.lessons.length === 0;
  button.textContent = t(lesson ? "rollcall_end" : "rollcall_begin");
  button.classList.toggle("main", Boolean(lesson) || room.lessons.some((one) => !one.done));
  showAttention(texts(room));
}

function showAttention(all) {
  if (performance.now() - turn.since >= TURN_MS) turn = { at: turn.at + 1, since: performance.now() };
  turn.at %= all.length || 1;
  $("#attention").hidden = !all.length;
  $("#attention .text").textContent = all.length > 1 ? `(${turn.at + 1}/${all.length}) ${all[turn.at]}` : all[0] ?? "";
  // A screen reader is told the whole list, and only when it has changed.
  const list = all.join("\n");
  if ($("#attention .all").textContent !== list) $("#attention .all").textContent = list;
}

function open() {
  const lesson = running();
  const event = lesson ? "end" : "begin";
  const lessons = lesson ? [lesson] : room.lessons;
  const teachers = lessons.flatMap((one) => one.teachers.map(([number, name]) => ({ class: one.class, lesson: one.lesson, number, label: `${name} ${number} · ${one.name} ${one.begins}` })));
  choosePinAct(t(lesson ? "rollcall_end" : "rollcall_begin"), t(lesson ? "rollcall_end_lead" : "rollcall_begin_lead"), teachers, t("confirm"), (teacher, pin) =>
    ask("/kiosk/rollcall", { staff: { class: teacher.class, number: teacher.number, pin }, lesson: teacher.lesson, event }));
}

$("#rollcall").onclick = open;
setInterval(present, 500);
export const relabelRoom = present;
