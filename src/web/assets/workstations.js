// Marks workstations on a camera's reference picture: a polygon each, drawn with pointer or keys.
import { askPin, post } from "./identify.js";
import { element, t } from "./text.js";

const $ = (selector) => document.querySelector(selector);
const { camera } = document.body.dataset;
const STEP = 0.002;
const BIG_STEP = 0.02;
const LIVE_MS = 2000;
const CLOSE_PX = 14; // a click this near to the first corner closes the polygon

let marked = []; // { name, corners: [[x, y] …] }
let planned = [];
let picture = null; // SHA-256 of the picture that is drawn on
let chosen = null;
let drawing = null; // corners so far, while a polygon is being drawn

const clamp = (value) => Math.min(1, Math.max(0, value));
const round = (value) => Math.round(value * 10_000) / 10_000;
const percent = (value) => (value * 100).toFixed(1);
const say = (text) => { $("#problem").textContent = text; };

function changed() {
  $("#state").textContent = t("unsaved");
  $("#save").disabled = !picture;
  show();
}

// ——— the board

const svg = (name, attributes) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const points = (corners) => corners.map((corner) => corner.join(",")).join(" ");

function cornerButton(one, at) {
  const button = element("button", { type: "button", className: "corner", ariaLabel: `${t("polygon", { name: one.name })}: ${t("corner", { number: at + 1 })}` });
  const put = () => { button.style.left = `${one.corners[at][0] * 100}%`; button.style.top = `${one.corners[at][1] * 100}%`; };
  const move = (x, y) => { one.corners[at] = [round(clamp(x)), round(clamp(y))]; put(); drawShapes(); showTags(); };
  put();
  button.onpointerdown = (event) => {
    button.setPointerCapture(event.pointerId);
    button.onpointermove = (moved) => move(...position(moved));
    button.onpointerup = () => { button.onpointermove = button.onpointerup = null; changed(); focusCorner(at); };
    event.preventDefault();
    button.focus();
  };
  button.onkeydown = (event) => {
    const step = event.shiftKey ? BIG_STEP : STEP;
    const [x, y] = one.corners[at];
    const to = { ArrowLeft: [x - step, y], ArrowRight: [x + step, y], ArrowUp: [x, y - step], ArrowDown: [x, y + step] }[event.key];
    if (to) move(...to);
    else if (event.key === "Delete" && one.corners.length > 3) one.corners.splice(at, 1);
    else return;
    event.preventDefault();
    changed();
    focusCorner(Math.min(at, one.corners.length - 1));
  };
  return button;
}

const focusCorner = (at) => document.querySelectorAll(".corner")[at]?.focus();

function position(event) {
  const box = $("#drawing").getBoundingClientRect();
  return [round(clamp((event.clientX - box.left) / box.width)), round(clamp((event.clientY - box.top) / box.height))];
}

function drawShapes() {
  const shapes = marked.map((one) => {
    const shape = svg("polygon", { points: points(one.corners), class: one === chosen ? "chosen" : "" });
    shape.addEventListener("click", (event) => { if (!drawing) { choose(one); event.stopPropagation(); } });
    return shape;
  });
  if (drawing) shapes.push(svg("polyline", { points: points(drawing) }));
  $("#drawing").replaceChildren(...shapes);
}

function showTags() {
  document.querySelectorAll(".tag").forEach((tag) => tag.remove());
  for (const one of marked) {
    const middle = [0, 1].map((axis) => one.corners.reduce((sum, corner) => sum + corner[axis], 0) / one.corners.length);
    const tag = element("span", { className: "tag", textContent: one.name || "?" });
    tag.setAttribute("aria-hidden", "true");
    [tag.style.left, tag.style.top] = [`${middle[0] * 100}%`, `${middle[1] * 100}%`];
    $("#board").append(tag);
  }
}

// Which one is chosen, on the board and in the list.
function showChosen() {
  drawShapes();
  document.querySelectorAll(".corner").forEach((corner) => corner.remove());
  if (chosen && !drawing) $("#board").append(...chosen.corners.map((_, at) => cornerButton(chosen, at)));
  [...$("#list").children].forEach((line, at) => line.classList.toggle("chosen", marked[at] === chosen));
}

function show() {
  showTags();
  $("#board").classList.toggle("drawing", drawing !== null);
  for (const [id, hidden] of [["#add", drawing !== null], ["#undo", !drawing], ["#done", !drawing]]) $(id).hidden = hidden;
  $("#done").disabled = (drawing?.length ?? 0) < 3;
  const missing = planned.filter((name) => !marked.some((one) => one.name === name));
  $("#planned").textContent = planned.length ? (missing.length ? `${t("planned")} ${missing.join("、")}` : t("all_marked")) : "";
  $("#names").replaceChildren(...missing.map((name) => element("option", { value: name })));
  list();
  showChosen();
}

function choose(one) {
  chosen = one;
  showChosen();
}

$("#drawing").addEventListener("click", (event) => {
  if (!drawing) return choose(null);
  const at = position(event);
  const box = $("#drawing").getBoundingClientRect();
  const isFirst = drawing.length >= 3 && Math.hypot((at[0] - drawing[0][0]) * box.width, (at[1] - drawing[0][1]) * box.height) < CLOSE_PX;
  if (isFirst) return finish();
  drawing.push(at);
  show();
});

$("#add").onclick = () => {
  if (!picture) return say(t("no_reference"));
  drawing = [];
  chosen = null;
  $("#source").textContent = t("drawing");
  show();
  $("#undo").focus();
};
$("#undo").onclick = () => { if (drawing?.pop() === undefined) { drawing = null; tellSource(); } show(); };
$("#done").onclick = finish;
addEventListener("keydown", (event) => { if (event.key === "Escape" && drawing) { drawing = null; tellSource(); show(); } });

function finish() {
  if (drawing.length < 3) return say(t("too_few"));
  const free = planned.find((name) => !marked.some((one) => one.name === name)) ?? "";
  chosen = { name: free, corners: drawing };
  marked.push(chosen);
  drawing = null;
  tellSource();
  changed();
  document.querySelector(".workstations li.chosen input")?.focus();
}

// ——— the list: the same in figures

function list() {
  const open = new Set([...document.querySelectorAll(".workstations details[open]")].map((details) => Number(details.dataset.at)));
  $("#list").replaceChildren(...marked.map((one, at) => item(one, at, open.has(at))));
}

function item(one, at, isOpen) {
  const name = element("input", { value: one.name, maxLength: 32, ariaLabel: t("name"), onfocus: () => { if (chosen !== one && !drawing) choose(one); } });
  name.setAttribute("list", "names");
  name.onchange = () => { one.name = name.value.trim(); changed(); };
  const remove = element("button", { type: "button", textContent: t("remove"), ariaLabel: `${t("remove")}: ${t("polygon", { name: one.name })}` });
  remove.onclick = () => { marked = marked.filter((other) => other !== one); if (chosen === one) chosen = null; changed(); };
  const figure = (corner, axis) => {
    const input = element("input", { type: "number", min: 0, max: 100, step: 0.1, value: percent(one.corners[corner][axis]), ariaLabel: `${t("corner", { number: corner + 1 })}, ${t(axis ? "y" : "x")}` });
    input.onchange = () => { one.corners[corner][axis] = round(clamp(Number(input.value) / 100)); chosen = one; changed(); };
    return input;
  };
  const corners = one.corners.map((_, corner) => {
    const drop = element("button", { type: "button", textContent: "✕", ariaLabel: t("delete_corner", { number: corner + 1 }), disabled: one.corners.length <= 3 });
    drop.onclick = () => { one.corners.splice(corner, 1); chosen = one; changed(); };
    return element("li", {}, `${corner + 1}`, figure(corner, 0), figure(corner, 1), drop);
  });
  const more = element("button", { type: "button", textContent: t("add_corner") });
  more.onclick = () => { const [first, last] = [one.corners[0], one.corners.at(-1)]; one.corners.push([round((first[0] + last[0]) / 2), round((first[1] + last[1]) / 2)]); chosen = one; changed(); };
  const details = element("details", { open: isOpen }, element("summary", { textContent: `${t("corners")} (${one.corners.length})` }), element("ul", { className: "corners" }, ...corners), more);
  details.dataset.at = at;
  // By hand only: a list that is open when it is made anew tells of a toggle as well.
  details.querySelector("summary").onclick = () => { if (!details.open && chosen !== one && !drawing) choose(one); };
  return element("li", {}, element("div", { className: "line" }, name, remove), details);
}

// ——— pictures, loading, saving

let isFresh = false;
function tellSource() { $("#source").textContent = picture ? t(isFresh ? "fresh" : "keep") : t("no_reference"); }

function usePicture(hash, fresh) {
  [picture, isFresh] = [hash, fresh];
  if (hash) $("#picture").src = `/cameras/${camera}/pictures/${hash}.jpg`;
  tellSource();
}

$("#present").onclick = async () => {
  try {
    usePicture((await post(`/cameras/${camera}/stills`, {})).picture, true);
    changed();
  } catch (reason) { say(reason.error ?? t("failed")); }
};

function problem() {
  const names = marked.map(({ name }) => name);
  if (names.some((name) => !name)) return t("nameless");
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  return twice ? t("duplicate", { name: twice }) : "";
}

$("#save").onclick = async () => {
  say(problem());
  if (problem()) return;
  const workstations = marked.map(({ name, corners }) => ({ workstation: name, polygon: corners }));
  const saved = await askPin(t("title_save"), t("lead_save"), (staff) => post(`/cameras/${camera}/workstations`, { staff, picture, workstations }));
  if (!saved) return;
  isFresh = false;
  tellSource();
  $("#save").disabled = true;
  $("#state").textContent = t("saved", { seq: saved.seq });
};

addEventListener("beforeunload", (event) => { if (!$("#save").disabled) event.preventDefault(); });

async function load() {
  const known = await fetch(`/cameras/${camera}/workstations`, { cache: "no-store" }).then((answer) => answer.json()).catch(() => null);
  if (!known?.workstations) return say(t("failed"));
  planned = known.planned;
  marked = known.workstations.map(({ workstation, polygon }) => ({ name: workstation, corners: polygon }));
  usePicture(known.picture, false);
  show();
}

async function refreshLive() {
  const live = $("#live-picture");
  if (live) {
    const next = new Image();
    next.src = `/cameras/${camera}.jpg?${Date.now()}`;
    await next.decode().then(() => { live.src = next.src; }).catch(() => {});
  }
  setTimeout(refreshLive, LIVE_MS);
}

load();
refreshLive();
