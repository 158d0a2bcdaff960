// The roll call at the kiosk, and what staff should look after in the room.
import { ask, choosePinAct } from "./kiosk-dialogs.js";
import { lang, t } from "./kiosk-text.js";

const $ = (selector) => document.querySelector(selector);
let room = { lessons: [], attention: [] };
let told = 0;

const running = () => room.lessons.find((lesson) => lesson.since);

export function showRoom(next) {
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
  const [first, ...others] = room.attention.map((texts) => texts[lang() === "en" ? 1 : 0]);
  $("#attention").hidden = !first;
  $("#attention .text").textContent = first ? `${first}${others.length ? ` (+${others.length})` : ""}` : "";
  $("#attention").title = [first, ...others].filter(Boolean).join("\n");
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
