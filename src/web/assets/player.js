// Plays one camera's segments one after another as if they were one recording (Media Source Extensions).
// A segment is put where the pictures of the one before it end, so that no border is seen; each keeps its wall time beside
// it. What has no sound, though the segment should have, is played without; see pieces() in mp4.js.
import { post } from "/staff/identify.js";
import { pieces } from "./mp4.js";

const AHEAD_SECONDS = 20; // buffered ahead at 1×; more when it plays faster
const BEHIND_SECONDS = 30;
const TICK_MS = 100;
const TELL_MS = 20_000; // the appliance is told that somebody still looks
const BREAK_MS = 500; // a shorter hole between segments is none that anybody sees
const HOLE_SECONDS = 1; // a shorter hole in what is buffered is jumped over at once, a longer one when playback is stuck there
const MAX_SOUND_RATE = 2;
const AGAIN_MS = 1000; // what could not be fetched is asked for again
const MAX_TRIES = 4; // answers that a segment cannot be read; while there is no answer at all, it is asked for again and again

export class Player {
  // `on` has time(wall), jump(from, until), skipped(wall, why: gone, altered, unreadable or undecodable), waiting(),
  // unsupported(codec), ended(), identify() → promise of truth.
  constructor(video, on) {
    Object.assign(this, { video, on, segments: [], run: null, rate: 1, picture: 0.04, told: 0, current: null });
    video.addEventListener("ended", () => this.atEnd());
    video.addEventListener("play", () => this.tell(true));
    setInterval(() => this.tick(), TICK_MS);
    addEventListener("pagehide", () => this.run && navigator.sendBeacon("/recordings/viewing", new Blob([JSON.stringify({ playing: false })], { type: "application/json" })));
  }

  // The camera's segments, in order of time. Those that have come since are played as well.
  setSegments(segments) {
    this.segments = segments;
    if (this.run) this.pump(this.run);
  }

  get isOpen() { return this.run !== null; }
  get wall() { return this.wallAt(this.video.currentTime); }

  setRate(rate) {
    this.rate = rate;
    this.video.playbackRate = rate;
    this.video.muted = rate > MAX_SOUND_RATE;
    if (this.run) this.pump(this.run);
  }

  // Plays from a wall time, or from the next that is recorded. `fetched` is a segment that is here: { seq, bytes }.
  async play(wall, fetched = null) {
    const at = this.segments.findIndex((segment) => segment.end > wall);
    if (at < 0) return this.on.ended();
    const segment = this.segments[at];
    if (segment.start - wall > BREAK_MS) this.on.jump(wall, segment.start);
    const moment = Math.max(wall, segment.start);
    const loaded = this.run?.entries.find(({ seq, start, end }) => seq === segment.seq && start <= moment && moment < end);
    const time = loaded && loaded.from + (moment - loaded.start) / 1000;
    if (loaded && this.isBuffered(time)) {
      this.video.currentTime = time;
      this.current = null;
      this.start();
      return;
    }
    this.close();
    const source = new MediaSource();
    const run = { source, buffer: null, type: null, entries: [], next: at, fetched, pieces: null, passed: [], busy: false, begin: (moment - segment.start) / 1000, abort: new AbortController() };
    this.run = run;
    this.video.src = run.address = URL.createObjectURL(source);
    await new Promise((resolve) => source.addEventListener("sourceopen", resolve, { once: true }));
    if (this.run === run) await this.pump(run);
  }

  start() {
    this.video.playbackRate = this.rate;
    this.video.muted = this.rate > MAX_SOUND_RATE;
    this.video.play().catch(() => {}); // refused until somebody touches the page: the button is there
  }

  toggle() { this.video.paused ? this.start() : this.video.pause(); }

  // One picture on or back.
  step(pictures) {
    this.video.pause();
    const { buffered } = this.video;
    const last = buffered.length ? buffered.end(buffered.length - 1) - this.picture / 2 : 0;
    this.video.currentTime = Math.min(last, Math.max(0, this.video.currentTime + pictures * this.picture));
  }

  close() {
    if (!this.run) return;
    this.run.abort.abort();
    URL.revokeObjectURL(this.run.address);
    this.run = null;
    this.current = null;
  }

  // Ends the viewing.
  stop() {
    if (!this.run) return;
    this.close();
    this.video.removeAttribute("src");
    this.video.load();
    post("/recordings/viewing", { playing: false }).catch(() => {});
  }

  isBuffered(time) {
    const { buffered } = this.video;
    for (let range = 0; range < buffered.length; range++) if (buffered.start(range) <= time && time < buffered.end(range)) return true;
    return false;
  }

  entryAt(time) {
    const entries = this.run?.entries ?? [];
    return entries.findLast((entry) => entry.from <= time + 1e-3) ?? entries[0];
  }

  wallAt(time) {
    const entry = this.entryAt(time);
    return entry ? Math.min(entry.end, entry.start + Math.max(0, time - entry.from) * 1000) : null;
  }

  // Fetches and appends what is played next.
  async pump(run) {
    if (run.busy || !run.source || run.source.readyState === "closed") return;
    run.busy = true;
    try {
      while (this.run === run && run.next < this.segments.length && this.wants(run)) {
        const segment = this.segments[run.next];
        if (!run.pieces) {
          const bytes = run.fetched?.seq === segment.seq ? run.fetched.bytes : await this.fetch(segment, run);
          if (this.run !== run) return;
          if (typeof bytes === "string") { this.passOver(run, bytes); continue; }
          if (bytes === null) return;
          run.fetched = { seq: segment.seq, bytes };
          const all = pieces(bytes);
          run.pieces = all.slice(Math.max(0, all.findLastIndex(({ offset }) => offset <= run.begin + 1e-3)));
        }
        if (!(await this.append(run, segment, run.pieces[0]))) return;
        run.pieces.shift();
        if (!run.pieces.length) this.pass(run);
      }
      if (this.run === run && run.next >= this.segments.length && run.source.readyState === "open" && run.entries.length) run.source.endOfStream();
    } catch (reason) {
      if (reason?.name !== "AbortError") this.failed(run, reason);
    } finally {
      run.busy = false;
    }
  }

  // Goes on to the next segment.
  pass(run) {
    Object.assign(run, { next: run.next + 1, pieces: null, begin: 0 });
  }

  // Goes on without a segment, and tells why: now, and when playback comes there.
  passOver(run, why) {
    const { start, end } = this.segments[run.next];
    run.passed.push({ start, end, why });
    this.on.skipped(start, why);
    this.pass(run);
  }

  // What cannot be decoded is passed over; it is not tried again and again.
  failed(run, reason) {
    console.error(reason);
    if (this.run !== run) return;
    if (reason?.name === "QuotaExceededError") { run.wait = performance.now() + 2000; return; } // there is room when it has played on
    const next = this.segments[run.next + 1];
    this.passOver(run, "undecodable");
    if (!run.entries.length || this.video.error) {
      this.close();
      return next ? this.play(next.start) : this.on.ended();
    }
  }

  wants(run) {
    if (run.barrier || performance.now() < (run.wait ?? 0)) return false;
    const end = run.entries.at(-1)?.until ?? 0;
    return end - this.video.currentTime < AHEAD_SECONDS * Math.max(1, this.rate / 2);
  }

  // A segment's bytes; or why it is passed over; or null, when nothing more is to be played.
  async fetch(segment, run) {
    for (let tries = 0; this.run === run; ) {
      const { status, bytes } = await this.answer(segment, run);
      if (bytes) return bytes;
      if (status === 404) return "gone";
      if (status === 409) return "altered";
      if (status === 401) {
        if (!(await this.on.identify())) { this.close(); this.on.ended(); return null; }
        continue;
      }
      if (status !== null && ++tries === MAX_TRIES) return "unreadable";
      this.on.waiting();
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    return null;
  }

  // The status is null when there is no answer, as while the appliance starts.
  async answer(segment, run) {
    let status = null;
    try {
      const answer = await fetch(`/recordings/media/${segment.seq}.mp4`, { signal: run.abort.signal });
      status = answer.status;
      return { status, bytes: answer.ok ? await answer.arrayBuffer() : null };
    } catch (reason) {
      if (reason?.name === "AbortError") throw reason;
      return { status, bytes: null };
    }
  }

  async append(run, segment, { type, codec, picture, offset, zero, seconds, bytes }) {
    const start = segment.start + offset * 1000;
    const length = seconds ?? (segment.end - start) / 1000;
    if (!run.buffer) {
      if (!MediaSource.isTypeSupported(type)) { this.close(); this.on.unsupported(codec); return false; }
      run.buffer = run.source.addSourceBuffer(type);
      run.type = type;
      this.picture = picture;
    } else if (type !== run.type) {
      run.barrier = { wall: start, fetched: run.fetched }; // another format: it begins anew when playback has come this far
      if (run.source.readyState === "open") run.source.endOfStream();
      return false;
    }
    const done = () => new Promise((resolve, reject) => {
      run.buffer.onupdateend = resolve;
      run.buffer.onerror = () => reject(new Error(`segment ${segment.seq} cannot be decoded`));
    });
    const old = this.video.currentTime - BEHIND_SECONDS;
    if (old > 0 && run.buffer.buffered.length && run.buffer.buffered.start(0) < old) {
      const removed = done();
      run.buffer.remove(0, old);
      await removed;
    }
    const from = run.entries.at(-1)?.until ?? 0;
    run.buffer.timestampOffset = from - zero;
    const appended = done();
    run.buffer.appendBuffer(bytes);
    await appended;
    if (this.run !== run) return false; // somebody has gone to another place meanwhile
    const isLast = run.pieces.length === 1;
    run.entries.push({ seq: segment.seq, start, end: isLast ? segment.end : start + length * 1000, from, until: from + length });
    if (run.entries.length === 1) {
      this.video.currentTime = Math.min(Math.max(0, run.begin - offset), Math.max(0, length - 0.1));
      this.start();
    }
    return true;
  }

  tick() {
    const run = this.run;
    if (!run?.entries.length) return;
    const { video } = this;
    const entry = this.entryAt(video.currentTime);
    if (this.current && entry !== this.current && entry.start - this.current.end > BREAK_MS) {
      const passed = run.passed.find(({ start, end }) => start < entry.start && end > this.current.end);
      if (passed) this.on.skipped(passed.start, passed.why);
      else this.on.jump(this.current.end, entry.start);
    }
    this.current = entry;
    // A decoder that has come to a hole is helped over it.
    const { buffered } = video;
    const isStuck = video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && !video.seeking;
    for (let range = 0; !video.paused && range < buffered.length; range++) {
      const [end, next] = [range ? buffered.end(range - 1) : 0, buffered.start(range)];
      const isIn = video.currentTime > end - 0.05 && video.currentTime < next;
      if (isIn && (isStuck || (range && next - end < HOLE_SECONDS))) video.currentTime = next + 0.001;
    }
    this.on.time(this.wallAt(video.currentTime));
    this.pump(run);
    if (!video.paused && performance.now() - this.told > TELL_MS) this.tell(true);
  }

  tell(playing) {
    const seq = this.run && this.entryAt(this.video.currentTime)?.seq;
    if (!seq) return;
    this.told = performance.now();
    post("/recordings/viewing", { playing, seq }).catch(() => {});
  }

  atEnd() {
    const next = this.run?.barrier;
    if (next) {
      this.close();
      return this.play(next.wall, next.fetched);
    }
    post("/recordings/viewing", { playing: false }).catch(() => {});
    this.on.ended();
  }
}
