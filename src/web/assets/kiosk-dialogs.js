// What staff do at the kiosk: confirm a QR code, enrol a person. Both ask for a teacher's PIN.
import { has, t } from "./kiosk-text.js";

const qrDialog = document.querySelector("#qr-dialog");
const enrolDialog = document.querySelector("#enrol-dialog");

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export async function ask(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
    .catch(() => null);
  if (!answer) throw { code: "failed" };
  const json = await answer.json();
  if (!answer.ok) throw json;
  return json;
}

function problemText({ code, detail, error, reason, person, class: group }) {
  const text = t(code ?? "failed", { detail });
  const why = reason && (has(`why_${reason}`) ? t(`why_${reason}`, { person, group }) : has(reason) ? t(reason) : error);
  if (why) return t("because", { text, why });
  return code === "rollcall_refused" ? t("because", { text, why: error }) : text;
}

// A choice of teachers and a PIN pad; `done(teacher, pin)` may throw a problem, which is shown.
function pinPad(teachers, done, label, extra = []) {
  let chosen = teachers.length === 1 ? teachers[0] : null;
  let pin = "";
  const problem = element("p", { className: "problem", role: "alert" });
  const dots = element("p", { className: "dots", tabIndex: -1 });
  const submit = element("button", { type: "button", className: "main", textContent: label });
  const show = () => {
    dots.textContent = "●".repeat(pin.length);
    dots.setAttribute("aria-label", t("digits", { count: pin.length }));
    dots.setAttribute("role", "status");
    submit.disabled = !chosen || pin.length < 4;
  };
  const choices = teachers.map((teacher) => {
    const button = element("button", { type: "button", className: "choice", textContent: teacher.label });
    button.onclick = () => { chosen = teacher; mark(); show(); };
    return button;
  });
  const mark = () => choices.forEach((button, at) => button.setAttribute("aria-pressed", teachers[at] === chosen));
  const type = (digit) => { if (pin.length < 12) { pin += digit; problem.textContent = ""; show(); } };
  const digits = [..."123456789"].map((digit) => element("button", { type: "button", textContent: digit, onclick: () => type(digit) }));
  const clear = element("button", { type: "button", textContent: t("clear"), onclick: () => { pin = ""; show(); } });
  const zero = element("button", { type: "button", textContent: "0", onclick: () => type("0") });
  submit.onclick = async () => {
    submit.disabled = true;
    const given = pin;
    pin = "";
    try { await done(chosen, given); } catch (reason) { problem.textContent = problemText(reason); }
    show();
    dots.focus(); // the button that had the focus is disabled now
  };
  mark(); show();
  const pad = element("div", { className: "pad" },
    element("div", { className: "choices", role: "group", ariaLabel: t("teacher") }, ...choices),
    dots, element("div", { className: "pin", role: "group", ariaLabel: t("pin") }, ...digits, clear, zero),
    problem, element("div", { className: "actions" }, ...extra, submit));
  pad.onKey = (event) => {
    if (/^\d$/.test(event.key)) { type(event.key); event.preventDefault(); }
    else if (event.key === "Backspace") { pin = pin.slice(0, -1); show(); }
    else if (event.key === "Enter" && !submit.disabled && event.target.tagName !== "BUTTON") submit.click();
  };
  return pad;
}

// Names and an admitted teacher must not stay on a screen that everybody sees.
const IDLE_MS = 60_000;
const READING_MS = 300_000; // a notice is read without touching anything
const PUBLIC_MS = 120_000; // so is the one that anybody may open, but it hides the camera's picture
const WARNING_MS = 20_000; // before it closes, it says so
let idle = null;
let soon = null;
let patience = IDLE_MS;

function leave() {
  clearTimeout(soon);
  staff = null;
  enrolDialog.close();
  enrolDialog.replaceChildren();
}

function stay() {
  clearTimeout(idle);
  clearTimeout(soon);
  enrolDialog.querySelector(".closing")?.remove();
  soon = setTimeout(() => enrolDialog.append(element("p", { className: "closing", role: "status", textContent: t("closing") })), patience - WARNING_MS);
  idle = setTimeout(() => enrolDialog.open && leave(), patience);
}

for (const event of ["pointerdown", "pointermove", "keydown", "wheel"]) enrolDialog.addEventListener(event, stay, { passive: true });
enrolDialog.addEventListener("cancel", leave);

function fillEnrolment(title, lead, ...parts) {
  patience = parts.some((part) => part.className === "notice-text") ? (staff ? READING_MS : PUBLIC_MS) : IDLE_MS;
  fill(enrolDialog, "enrol-title", title, lead, ...parts);
  stay();
}

function fill(dialog, id, title, lead, ...parts) {
  dialog.replaceChildren(element("h2", { id, textContent: title, tabIndex: -1 }), element("p", { className: "lead", textContent: lead }), ...parts);
  dialog.onkeydown = parts.find((part) => part.onKey)?.onKey ?? null;
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("h2").focus();
}

// ——— a QR code that waits for a teacher

let pending = null;

export function showPending(next) {
  pending = next;
  if (!pending) return qrDialog.open && qrDialog.close();
  const { id } = pending;
  const teachers = pending.teachers.map(([number, name, group]) => ({ class: group, number, label: `${name} ${number}${group === pending.class ? "" : ` · ${group}`}` }));
  const no = element("button", { type: "button", textContent: t("not_confirm") });
  no.onclick = () => ask("/kiosk/qr/dismiss", { id }).catch(() => {});
  fill(qrDialog, "qr-title", t("qr_title", { name: `${pending.name} ${pending.person}` }), t("qr_lead"),
    pinPad(teachers, (teacher, pin) => ask("/kiosk/qr", { id, class: teacher.class, teacher: teacher.number, pin }), t("confirm"), [no]));
}

qrDialog.addEventListener("cancel", (event) => {
  event.preventDefault();
  if (pending) ask("/kiosk/qr/dismiss", { id: pending.id }).catch(() => {});
});

// ——— enrolment

let staff = null;
let progress = null;

export async function openEnrolment() {
  const classes = await fetch("/kiosk/teachers").then((answer) => (answer.ok ? answer.json() : [])).catch(() => []);
  const teachers = classes.flatMap((one) => one.teachers.map(([number, name]) => ({ class: one.class, number, label: `${name} ${number} · ${one.name}` })));
  const cancel = element("button", { type: "button", textContent: t("cancel"), onclick: leave });
  fillEnrolment(t("enrol_title"), teachers.length ? t("enrol_lead") : t("no_classes"),
    teachers.length ? pinPad(teachers, async (teacher, pin) => {
      staff = { class: teacher.class, number: teacher.number, pin };
      const asked = staff;
      const roster = await ask("/kiosk/roster", asked);
      if (staff === asked) choosePerson(roster); // not if the teacher has left meanwhile
    }, t("confirm"), [cancel]) : cancel);
}

function choosePerson(roster) {
  const people = roster.map((person) => {
    const state = t(person.enrolled ? "enrolled" : person.declined ? "declined" : "not_enrolled");
    const button = element("button", { type: "button" }, person.name, element("small", { textContent: `${person.number} · ${state}` }));
    button.onclick = () => showNotice(person, roster);
    return button;
  });
  const cancel = element("button", { type: "button", textContent: t("cancel"), onclick: leave });
  fillEnrolment(t("enrol_title"), t("choose_person"), element("div", { className: "people" }, ...people), element("div", { className: "actions" }, cancel));
}

const fetchNotice = () => fetch("/kiosk/notice").then((answer) => answer.text());
const noticeText = (notice) => element("div", { className: "notice-text", textContent: notice, tabIndex: 0, role: "group", ariaLabel: t("privacy") });

// The notice for everybody, without a PIN.
export async function readNotice() {
  const notice = await fetchNotice().catch(() => t("failed_to_load"));
  if (enrolDialog.open) return; // somebody has begun something else
  const close = element("button", { type: "button", className: "main", textContent: t("close_notice"), onclick: leave });
  fillEnrolment(t("privacy"), t("privacy_lead"), noticeText(notice), element("div", { className: "actions" }, close));
}

async function showNotice(person, roster) {
  const asked = staff;
  const notice = await fetchNotice();
  if (staff !== asked) return;
  const consent = element("button", { type: "button", className: "main", textContent: t(person.consents ? "already_consents" : "consent") });
  const back = element("button", { type: "button", textContent: t("back"), onclick: () => choosePerson(roster) });
  const decline = element("button", { type: "button", textContent: t(person.consents ? "withdraw" : "decline") });
  decline.onclick = () => (person.consents ? confirmWithdrawal(person, roster) : refuse(person, roster));
  consent.onclick = () => capture(person, roster);
  fillEnrolment(t("notice_title", { name: person.name }), "",
    noticeText(notice), element("div", { className: "actions" }, back, decline, consent));
}

// What was enrolled is erased: not by a slip of the finger.
function confirmWithdrawal(person, roster) {
  const back = element("button", { type: "button", textContent: t("back"), onclick: () => showNotice(person, roster) });
  const sure = element("button", { type: "button", className: "main", textContent: t("withdraw"), onclick: () => refuse(person, roster) });
  fillEnrolment(t("withdraw_title", { name: person.name }), t("withdraw_lead"), element("div", { className: "actions" }, back, sure));
}

// Records that the person declines, and tells how else to check in.
async function refuse(person, roster) {
  const asked = staff;
  try {
    await ask("/kiosk/decline", { staff: asked, person: person.number });
    Object.assign(person, { declined: true, consents: false, enrolled: false });
    if (staff === asked) finished(t("declined_done", { name: person.name }), roster, t("declined_how", { group: asked.class, person: person.number }));
  } catch (reason) {
    if (staff === asked) finished(problemText(reason), roster);
  }
}

async function capture(person, roster) {
  const asked = staff;
  enrolDialog.close(); // the person must see the picture
  let done;
  try {
    await ask("/kiosk/enrol", { staff: asked, person: person.number, consents: true });
    Object.assign(person, { enrolled: true, consents: true, declined: false });
    done = t("enrol_done", { name: person.name });
  } catch (reason) {
    done = problemText(reason);
  }
  if (staff === asked && !enrolDialog.open) finished(done, roster); // not if the teacher has left, or somebody has begun something else
}

function finished(title, roster, lead = "") {
  const done = element("button", { type: "button", className: "main", textContent: t("close"), onclick: leave });
  const another = element("button", { type: "button", textContent: t("another"), onclick: () => choosePerson(roster) });
  fillEnrolment(title, lead, element("div", { className: "actions" }, another, done));
}

export function showEnrolling(next) {
  progress = next;
  document.documentElement.dataset.enrolling = progress ? "yes" : "no";
}

// What to say while somebody is being enrolled, or null.
export const enrolling = () => progress;

export function relabelDialogs() {
  if (pending) showPending(pending);
}

// Asks for a teacher's PIN to do one thing, and closes when it is done.
export function choosePinAct(title, lead, teachers, label, act) {
  const cancel = element("button", { type: "button", textContent: t("cancel"), onclick: leave });
  fillEnrolment(title, lead, pinPad(teachers, async (teacher, pin) => { await act(teacher, pin); leave(); }, label, [cancel]));
}
