// What a player must know of a fragmented MP4 before it is played: its codecs, how long it and one picture last, and of
// what there is no sound.

function* boxes(view, from, until) {
  let at = from;
  while (at + 8 <= until) {
    const size = view.getUint32(at);
    const kind = String.fromCharCode(view.getUint8(at + 4), view.getUint8(at + 5), view.getUint8(at + 6), view.getUint8(at + 7));
    if (size < 8 || at + size > until) return;
    yield { kind, from: at + 8, until: at + size };
    at += size;
  }
}

function find(view, box, ...path) {
  for (const kind of path) {
    let found = null;
    for (const inner of boxes(view, box.from, box.until)) if (inner.kind === kind) { found = inner; break; }
    if (!found) return null;
    box = found;
  }
  return box;
}

const hex = (number, digits = 2) => number.toString(16).padStart(digits, "0");

function avc(view, box) {
  const at = find(view, { from: box.from + 78, until: box.until }, "avcC")?.from;
  return at === undefined ? null : `${box.kind}.${hex(view.getUint8(at + 1))}${hex(view.getUint8(at + 2))}${hex(view.getUint8(at + 3))}`;
}

// ISO/IEC 14496-15, annex E.3.
function hevc(view, box) {
  const at = find(view, { from: box.from + 78, until: box.until }, "hvcC")?.from;
  if (at === undefined) return null;
  const profile = view.getUint8(at + 1);
  let compatibility = 0;
  for (let bit = 0; bit < 32; bit++) compatibility = (compatibility * 2) + ((view.getUint32(at + 2) >>> bit) & 1);
  const constraints = [];
  for (let byte = 0; byte < 6; byte++) constraints.push(view.getUint8(at + 6 + byte));
  while (constraints.length && constraints.at(-1) === 0) constraints.pop();
  const parts = [box.kind, `${["", "A", "B", "C"][profile >> 6]}${profile & 31}`, compatibility.toString(16), `${profile & 32 ? "H" : "L"}${view.getUint8(at + 12)}`];
  return [...parts, ...constraints.map((byte) => byte.toString(16).toUpperCase())].join(".");
}

function codecOf(view, trak) {
  const stsd = find(view, trak, "mdia", "minf", "stbl", "stsd");
  for (const entry of stsd ? boxes(view, stsd.from + 8, stsd.until) : []) {
    if (entry.kind.startsWith("avc")) return avc(view, entry);
    if (entry.kind === "hvc1" || entry.kind === "hev1") return hevc(view, entry);
    if (entry.kind === "mp4a") return "mp4a.40.2";
    if (entry.kind === "fLaC") return "flac";
  }
  return null;
}

// A fragment's first moment by one track and the first after it, seconds since the file's beginning; null without a sample.
// Also how long the first sample lasts.
function times(view, traf, { timescale, duration }) {
  const [tfhd, tfdt] = [find(view, traf, "tfhd"), find(view, traf, "tfdt")];
  const head = view.getUint32(tfhd.from) & 0xffffff;
  const usual = head & 8 ? view.getUint32(tfhd.from + 8 + (head & 1 ? 8 : 0) + (head & 2 ? 4 : 0)) : duration;
  let at = !tfdt ? 0 : view.getUint8(tfdt.from) ? Number(view.getBigUint64(tfdt.from + 4)) : view.getUint32(tfdt.from + 4);
  let [from, until, first] = [Infinity, -Infinity, null];
  for (const trun of boxes(view, traf.from, traf.until)) {
    if (trun.kind !== "trun") continue;
    const flags = view.getUint32(trun.from) & 0xffffff;
    const count = view.getUint32(trun.from + 4);
    const [length, shown] = [flags & 0x100 ? 4 : 0, (flags & 0x100 ? 4 : 0) + (flags & 0x200 ? 4 : 0) + (flags & 0x400 ? 4 : 0)];
    const size = shown + (flags & 0x800 ? 4 : 0);
    let sample = trun.from + 8 + (flags & 1 ? 4 : 0) + (flags & 4 ? 4 : 0);
    for (let number = 0; number < count; number++, sample += size) {
      const ticks = length ? view.getUint32(sample) : usual;
      const start = at + (flags & 0x800 ? view.getInt32(sample + shown) : 0);
      [from, until, first] = [Math.min(from, start), Math.max(until, start + ticks), first ?? ticks / timescale];
      at += ticks;
    }
  }
  return until > from ? { from: from / timescale, until: until / timescale, first } : null;
}

const isSound = (codec) => codec === "flac" || Boolean(codec?.startsWith("mp4a"));
const typeOf = (tracks) => `video/mp4; codecs="${tracks.map(({ codec }) => codec).filter(Boolean).join(", ")}"`;

// What the header says of the tracks, and the times of each fragment by each of them.
function read(view) {
  const [tracks, fragments] = [[], []];
  for (const box of boxes(view, 0, view.byteLength)) {
    if (box.kind === "moov") {
      for (const trak of boxes(view, box.from, box.until)) {
        if (trak.kind !== "trak") continue;
        const [tkhd, mdhd] = [find(view, trak, "tkhd"), find(view, trak, "mdia", "mdhd")];
        const id = view.getUint32(tkhd.from + (view.getUint8(tkhd.from) ? 20 : 12));
        const timescale = view.getUint32(mdhd.from + (view.getUint8(mdhd.from) ? 20 : 12));
        tracks.push({ id, codec: codecOf(view, trak), timescale, duration: 0 });
      }
      const mvex = find(view, box, "mvex") ?? { from: 0, until: 0 };
      for (const trex of boxes(view, mvex.from, mvex.until)) {
        const track = trex.kind === "trex" && tracks.find(({ id }) => id === view.getUint32(trex.from + 4));
        if (track) track.duration = view.getUint32(trex.from + 12);
      }
    } else if (box.kind === "moof") {
      const found = new Map();
      for (const traf of boxes(view, box.from, box.until)) {
        const track = traf.kind === "traf" && tracks.find(({ id }) => id === view.getUint32(find(view, traf, "tfhd").from + 4));
        const span = track && times(view, traf, track);
        if (span) found.set(track, span);
      }
      fragments.push({ from: box.from - 8, until: box.until, times: found });
    } else if (box.kind === "mdat" && fragments.length) {
      fragments.at(-1).until = box.until;
    }
  }
  return { tracks, fragments };
}

const summary = ({ tracks, fragments }) => ({ type: typeOf(tracks), codec: tracks[0]?.codec ?? "?", picture: fragments[0]?.times.get(tracks[0])?.first || 0.04 });

// { type, codec, picture } of a segment: what MediaSource is asked for, the picture's codec, and seconds that a picture lasts.
export const describe = (buffer) => summary(read(new DataView(buffer)));

const LONG_SECONDS = 1; // a hole in the sound is jumped over; a longer one is shown without sound
const SHARE_SECONDS = 0.5; // … from the group of pictures on of which so much lies in it, or half of it

// The spans of at least LONG_SECONDS, from `from` to `until`, of which there is no sound.
function silences(spans, from, until) {
  const found = [];
  let end = from;
  for (const span of [...spans.sort((a, b) => a.from - b.from), { from: until, until }]) {
    if (Math.min(span.from, until) - end >= LONG_SECONDS) found.push({ from: end, until: Math.min(span.from, until) });
    end = Math.max(end, span.until);
  }
  return found;
}

// A segment's bytes with the sound hidden: its boxes become free space, so that nothing else moves.
function withoutSound(bytes, sound) {
  const view = new DataView(bytes.buffer);
  const hide = (box) => view.setUint32(box.from - 4, 0x66726565);
  for (const box of boxes(view, 0, view.byteLength)) {
    for (const inner of ["moov", "moof"].includes(box.kind) ? boxes(view, box.from, box.until) : []) {
      const named = inner.kind === "trak" ? find(view, inner, "tkhd") : inner.kind === "traf" ? find(view, inner, "tfhd") : null;
      const at = named && named.from + (inner.kind === "traf" ? 4 : view.getUint8(named.from) ? 20 : 12);
      if (named && view.getUint32(at) === sound.id) hide(inner);
      for (const trex of inner.kind === "mvex" ? boxes(view, inner.from, inner.until) : []) {
        if (trex.kind === "trex" && view.getUint32(trex.from + 4) === sound.id) hide(trex);
      }
    }
  }
  return bytes;
}

// A segment as a player takes it, one piece after another: { type, codec, picture, offset, zero, seconds, bytes }. A player
// shows no picture of which there is no sound, if there is to be sound: so what has none is a piece of pictures only.
// `offset`: seconds from the segment's first picture to the piece's; `zero`: where that stands by the file's own clock;
// `seconds`: how long its pictures last, null where the file does not tell.
export function pieces(buffer) {
  const { tracks, fragments } = read(new DataView(buffer));
  const { type, codec, picture } = summary({ tracks, fragments });
  const [pictures, sound] = [tracks[0], tracks.find((track) => isSound(track.codec))];
  const shown = fragments.filter(({ times }) => times.has(pictures));
  if (!shown.length) return [{ type, codec, picture, offset: 0, zero: 0, seconds: null, bytes: buffer }];
  const [first, end] = [shown[0].times.get(pictures).from, shown.at(-1).times.get(pictures).until];
  const silent = sound ? silences(fragments.flatMap(({ times }) => times.get(sound) ?? []), first, end) : [];
  const isSilent = ({ from, until }) => {
    const without = silent.reduce((sum, hole) => sum + Math.max(0, Math.min(until, hole.until) - Math.max(from, hole.from)), 0);
    return without > Math.min(SHARE_SECONDS, (until - from) / 2);
  };
  const found = [];
  for (const fragment of shown) {
    const span = fragment.times.get(pictures);
    const hasSound = Boolean(sound) && !isSilent(span);
    const last = found.at(-1);
    if (last?.hasSound === hasSound) last.fragments.push(fragment);
    else found.push({ hasSound, from: span.from, fragments: [fragment] });
  }
  const header = new Uint8Array(buffer, 0, fragments[0].from);
  return found.map(({ hasSound, from, fragments: own }, at) => {
    const until = found[at + 1]?.from ?? end;
    const isHidden = Boolean(sound) && !hasSound;
    let bytes = buffer;
    if (isHidden || found.length > 1) {
      const parts = [header, ...own.map((fragment) => new Uint8Array(buffer, fragment.from, fragment.until - fragment.from))];
      bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
      parts.reduce((to, part) => { bytes.set(part, to); return to + part.length; }, 0);
    }
    if (isHidden) bytes = withoutSound(bytes, sound);
    const kept = isHidden ? tracks.filter((track) => track !== sound) : tracks;
    return { type: typeOf(kept), codec, picture, offset: from - first, zero: from, seconds: until - from, bytes };
  });
}
