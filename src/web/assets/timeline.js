// Draws a day: each camera a track over the lessons' spans, with what was recorded, what was not and why, what was
// found, and the roll calls. Each track is a slider: arrows move along it, Enter plays.
import { element, t } from "/staff/text.js";

const MERGE_MS = 500;

// Recorded stretches: segments that follow one another are one.
function stretches(segments) {
  const found = [];
  for (const { start, end } of segments) {
    const last = found.at(-1);
    if (last && start - last.end < MERGE_MS) last.end = Math.max(last.end, end);
    else found.push({ start, end });
  }
  return found;
}

// Whether a lesson needs a camera: those that it names, or else all.
const isNeeded = (camera, { cameras }) => !cameras.length || cameras.includes(camera);

export class Timeline {
  // `on` has play(camera, wall) and look(camera, wall).
  constructor(root, causes, on) {
    Object.assign(this, { root, causes, on, day: null, zoom: null, cursor: null, tracks: new Map() });
  }

  clock(ms, seconds = true) {
    return new Date(ms + this.day.utc_offset_ms).toISOString().slice(11, seconds ? 19 : 16);
  }

  // The span that is shown: a lesson's, or that of all that is there, in whole ten minutes.
  range() {
    const { lessons, cameras } = this.day;
    if (this.zoom) return [this.zoom.from, this.zoom.end];
    const all = [...lessons.map(({ from, end }) => ({ start: from, end })), ...cameras.flatMap((camera) => [...camera.segments, ...camera.gaps])];
    if (!all.length) return null;
    const ten = 600_000;
    return [Math.floor(Math.min(...all.map(({ start }) => start)) / ten) * ten, Math.ceil(Math.max(...all.map(({ end }) => end)) / ten) * ten];
  }

  draw(day) {
    this.day = day;
    const range = this.range();
    this.span = range;
    const focused = document.activeElement?.dataset?.track;
    this.tracks.clear();
    if (!range) { this.root.replaceChildren(element("p", { className: "none", textContent: t("no_lessons") })); return; }
    this.root.replaceChildren(this.lessons(), this.axis(), ...day.cameras.map((camera) => this.lane(camera)));
    if (focused) this.tracks.get(focused)?.track.focus();
    this.moveCursor(this.cursor);
  }

  place(node, start, end) {
    const [from, until] = this.span;
    const share = (ms) => (100 * (Math.min(until, Math.max(from, ms)) - from)) / (until - from);
    node.style.left = `${share(start)}%`;
    if (end !== undefined) node.style.width = `${Math.max(0, share(end) - share(start))}%`;
    node.hidden = start >= until || (end ?? start) < from || (end !== undefined && end <= from);
    return node;
  }

  lessons() {
    const row = element("div", { className: "lessons" });
    for (const lesson of this.day.lessons) {
      const button = element("button", { type: "button", className: "lesson" }, element("span", { textContent: `${lesson.name} · ${lesson.topic}` }), element("small", { textContent: `${this.clock(lesson.start, false)}–${this.clock(lesson.end, false)}` }));
      button.setAttribute("aria-pressed", this.zoom?.start === lesson.start && this.zoom?.class === lesson.class);
      button.title = lesson.name;
      button.onclick = () => { this.zoom = this.zoom?.start === lesson.start ? null : lesson; this.draw(this.day); this.root.querySelector(".lessons button[aria-pressed=true]")?.focus(); };
      row.append(this.place(button, lesson.start, lesson.end));
    }
    return element("div", { className: "row" }, element("span", { className: "label" }), row);
  }

  axis() {
    const [from, until] = this.span;
    const steps = [60_000, 300_000, 600_000, 1_800_000, 3_600_000, 7_200_000];
    const step = steps.find((size) => (until - from) / size <= 12) ?? 14_400_000;
    const axis = element("div", { className: "axis" });
    axis.setAttribute("aria-hidden", "true");
    for (let at = Math.ceil(from / step) * step; at < until; at += step) axis.append(this.place(element("span", { textContent: this.clock(at, false) }), at));
    return element("div", { className: "row" }, element("span", { className: "label" }), axis);
  }

  lane(camera) {
    const name = camera.camera;
    const track = element("div", { className: "track", tabIndex: 0 });
    track.dataset.track = name;
    track.setAttribute("role", "slider");
    track.setAttribute("aria-label", t("track", { camera: name }));
    const add = (className, start, end, kind) => {
      const node = this.place(element("span", { className }), start, end);
      if (kind) node.dataset.kind = kind;
      track.append(node);
      return node;
    };
    for (const lesson of this.day.lessons.filter((lesson) => isNeeded(name, lesson))) add("required", lesson.from, lesson.end);
    for (const { start, end } of stretches(camera.segments)) add("recorded", start, end);
    if (camera.writing_since) add("writing", camera.writing_since, Math.max(this.day.now, camera.writing_since));
    for (const gap of camera.gaps) add("gap", gap.start, gap.end, gap.cause).title = `${this.causes[gap.cause]} ${this.clock(gap.start)}–${this.clock(gap.end)}`;
    for (const lesson of this.day.lessons) { add("border", lesson.start); add("border", lesson.end); }
    for (const call of this.day.rollcalls) add("rollcall", call.start, call.end ?? call.start).title = `${t("rollcall")} ${this.clock(call.start)}`;
    for (const finding of this.findingsOf(name)) add("finding", finding.start, finding.end ?? this.day.now, finding.what).title = `${t(finding.what)} ${this.clock(finding.start)}`;
    const [cursor, pointer] = [element("span", { className: "cursor", hidden: true }), element("span", { className: "pointer", hidden: true })];
    track.append(cursor, pointer);
    this.tracks.set(name, { track, cursor, camera, at: camera.segments[0]?.start ?? this.span[0] });
    this.listen(name, track, pointer);
    this.tellValue(name);
    return element("div", { className: "row" }, element("span", { className: "label", textContent: name }), track);
  }

  findingsOf(camera) {
    return this.day.findings.filter((finding) => finding.camera === camera || (!finding.camera && this.day.cameras[0]?.camera === camera));
  }

  listen(name, track, pointer) {
    const timeAt = (event) => {
      const box = track.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      return this.span[0] + share * (this.span[1] - this.span[0]);
    };
    track.onpointermove = (event) => { const at = timeAt(event); this.place(pointer, at); pointer.hidden = false; this.on.look(name, at, this.stateAt(name, at)); };
    track.onpointerleave = () => { pointer.hidden = true; this.on.look(null); };
    track.onclick = (event) => this.play(name, timeAt(event));
    track.onkeydown = (event) => {
      const entry = this.tracks.get(name);
      const [from, until] = this.span;
      const small = event.shiftKey ? 60_000 : 10_000;
      const marks = this.marks(name);
      const next = { ArrowRight: entry.at + small, ArrowUp: entry.at + small, ArrowLeft: entry.at - small, ArrowDown: entry.at - small, Home: from, End: until,
        PageDown: marks.find((mark) => mark > entry.at + 500), PageUp: marks.findLast((mark) => mark < entry.at - 500) }[event.key];
      if (event.key === "Enter" || event.key === " ") this.play(name, entry.at);
      else if (["PageUp", "PageDown"].includes(event.key) && next === undefined) { event.preventDefault(); return; }
      else if (next === undefined) return;
      else { entry.at = Math.min(until, Math.max(from, next)); this.tellValue(name); this.place(entry.cursor, entry.at); entry.cursor.hidden = false; this.on.look(name, entry.at, this.stateAt(name, entry.at)); }
      event.preventDefault();
    };
  }

  // Where something begins: gaps, findings, roll calls.
  marks(name) {
    const { camera } = this.tracks.get(name);
    const all = [...camera.gaps, ...this.findingsOf(name), ...this.day.rollcalls].map(({ start }) => start);
    return [...new Set(all)].sort((a, b) => a - b);
  }

  play(name, at) {
    this.tracks.get(name).at = at;
    this.on.play(name, at);
  }

  tellValue(name) {
    const { track, at } = this.tracks.get(name);
    const seconds = (ms) => Math.round((ms - this.span[0]) / 1000);
    track.setAttribute("aria-valuemin", 0);
    track.setAttribute("aria-valuemax", seconds(this.span[1]));
    track.setAttribute("aria-valuenow", Math.max(0, seconds(at)));
    track.setAttribute("aria-valuetext", t("at", { time: this.clock(at), state: this.stateAt(name, at) }));
  }

  // In words, what is known of a moment.
  stateAt(name, at) {
    const { camera } = this.tracks.get(name);
    const within = ({ start, end }) => start <= at && at < (end ?? this.day.now);
    const found = this.findingsOf(name).filter(within).map(({ what }) => t(what));
    if (this.day.rollcalls.some(within)) found.push(t("rollcall"));
    const gap = camera.gaps.find(within);
    const isWanted = this.day.lessons.some((lesson) => isNeeded(name, lesson) && lesson.from <= at && at < lesson.end);
    let state = t("nothing");
    if (camera.segments.some(within)) state = t("recorded");
    else if (gap) state = gap.open ? t("open_gap", { cause: this.causes[gap.cause] }) : this.causes[gap.cause];
    else if (camera.writing_since && camera.writing_since <= at && at < this.day.now) state = t("writing");
    else if (isWanted) state = at < this.day.now ? t("unexplained") : t("not_begun");
    return [state, ...found].join(" · ");
  }

  // The cursor of what is played: { camera, wall }, or null.
  moveCursor(cursor) {
    this.cursor = cursor;
    for (const [name, entry] of this.tracks) {
      const isHere = cursor?.camera === name && cursor.wall !== null;
      if (isHere) { entry.at = cursor.wall; this.place(entry.cursor, cursor.wall); this.tellValue(name); }
      if (!isHere) entry.cursor.hidden = true;
    }
  }
}
