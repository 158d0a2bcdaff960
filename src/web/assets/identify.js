// Asks staff who they are: class, teacher, PIN. Whoever looks at a recording or changes something gives them.
import { element, t } from "./text.js";

export async function post(path, body, method = "POST") {
  const answer = await fetch(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) }).catch(() => null);
  if (!answer) throw { code: "failed" };
  const json = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw json ?? { code: "failed" };
  return json;
}

function problemText({ code, detail, error }) {
  return ["wrong_pin", "locked", "no_pin", "no_structure", "workstation_too_small"].includes(code) ? t(code, { detail }) : error ? t("refused", { error }) : t("failed");
}

// Whom the dialog offers, and what it says when there is nobody: whoever changes something, and whoever looks at recordings.
const TEACHERS = { path: "/staff/teachers", nobody: "no_teachers" };
const VIEWERS = { path: "/staff/viewers", nobody: "no_viewers" };

// Shows the dialog until `act({ class, number, pin })` succeeds; resolves to what it gives, or to null when cancelled.
export async function askPin(title, lead, act, { path, nobody } = TEACHERS) {
  const classes = await fetch(path).then((answer) => (answer.ok ? answer.json() : null)).catch(() => null);
  const label = ({ name, closed }) => (closed ? t("closed_class", { name }) : name);
  const teachers = (classes ?? []).flatMap((one) => one.teachers.map(([number, name]) => ({ class: one.class, number, label: `${name} ${number} · ${label(one)}` })));
  const nobodyText = t(classes ? nobody : "disconnected");
  const select = element("select", { id: "identify-teacher", required: true }, ...teachers.map((teacher, at) => element("option", { value: at, textContent: teacher.label })));
  const pin = element("input", { id: "identify-pin", type: "password", inputMode: "numeric", autocomplete: "off", required: true, minLength: 4, maxLength: 12, pattern: "[0-9]*" });
  const problem = element("p", { className: "problem" });
  problem.setAttribute("role", "alert");
  const submit = element("button", { type: "submit", className: "main", textContent: t("confirm"), disabled: !teachers.length });
  const cancel = element("button", { type: "button", textContent: t("cancel") });
  const form = element("form", {},
    element("h2", { id: "identify-title", textContent: title }), element("p", { className: "detail", textContent: teachers.length ? lead : nobodyText }),
    element("label", { htmlFor: select.id, textContent: t("teacher") }), select,
    element("label", { htmlFor: pin.id, textContent: t("pin") }), pin,
    problem, element("div", { className: "actions" }, cancel, submit));
  const dialog = element("dialog", { className: "identify" }, form);
  dialog.setAttribute("aria-labelledby", "identify-title");
  document.body.append(dialog);
  return new Promise((resolve) => {
    let result = null;
    cancel.onclick = () => dialog.close();
    form.onsubmit = async (event) => {
      event.preventDefault();
      const teacher = teachers[Number(select.value)];
      submit.disabled = true;
      try {
        result = await act({ class: teacher.class, number: teacher.number, pin: pin.value }) ?? true;
        dialog.close();
      } catch (reason) {
        problem.textContent = problemText(reason);
        pin.value = "";
        pin.focus();
      }
      submit.disabled = false;
    };
    dialog.onclose = () => { dialog.remove(); resolve(result); };
    dialog.showModal();
    pin.focus();
  });
}

// Who looks at recordings on this page, or null.
export async function session() {
  const answer = await fetch("/staff/session", { cache: "no-store" }).catch(() => null);
  return answer?.ok ? answer.json() : null;
}

let asking = null;

// Makes sure that somebody has identified themselves; asks once, however many want to know.
export async function ensureSession() {
  const known = await session();
  if (known) return known;
  asking ??= askPin(t("title_identify"), t("lead_identify"), (staff) => post("/staff/session", staff), VIEWERS).finally(() => { asking = null; });
  return asking;
}

export const leave = () => post("/staff/session", {}, "DELETE");
