// What a player must know of a fragmented MP4 before it is played: its codecs, and how long one picture lasts.

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

// Length of the first picture of a fragment, seconds.
function pictureSeconds(view, moof, timescale) {
  const traf = find(view, moof, "traf");
  const [tfhd, trun] = [find(view, traf ?? moof, "tfhd"), find(view, traf ?? moof, "trun")];
  if (!tfhd || !trun) return null;
  const flags = view.getUint32(trun.from) & 0xffffff;
  if (flags & 0x100) return view.getUint32(trun.from + 8 + (flags & 1 ? 4 : 0) + (flags & 4 ? 4 : 0)) / timescale;
  const head = view.getUint32(tfhd.from) & 0xffffff;
  return head & 8 ? view.getUint32(tfhd.from + 8 + (head & 1 ? 8 : 0) + (head & 2 ? 4 : 0)) / timescale : null;
}

// { type, picture } of a segment: what MediaSource is asked for, and seconds that a picture lasts.
export function describe(buffer) {
  const view = new DataView(buffer);
  let [codecs, timescale, picture] = [[], 1, null];
  for (const box of boxes(view, 0, view.byteLength)) {
    if (box.kind === "moov") {
      for (const trak of boxes(view, box.from, box.until)) {
        if (trak.kind !== "trak") continue;
        codecs.push(codecOf(view, trak));
        const mdhd = codecs.length === 1 && find(view, trak, "mdia", "mdhd");
        if (mdhd) timescale = view.getUint32(mdhd.from + (view.getUint8(mdhd.from) ? 20 : 12));
      }
    } else if (box.kind === "moof") {
      picture = pictureSeconds(view, box, timescale);
      break;
    }
  }
  return { type: `video/mp4; codecs="${codecs.filter(Boolean).join(", ")}"`, codec: codecs[0] ?? "?", picture: picture || 0.04 };
}
