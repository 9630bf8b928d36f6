// The archive by its closest canonical form: both of its tables of contents are read leniently, the archive that
// each would give is built, and the first byte that differs from the nearest says whose byte it is.
import { createHash } from "node:crypto";
import { crc32 as crcOf } from "node:zlib";

const LOCAL = 0x04034b50, CENTRAL = 0x02014b50, END = 0x06054b50;
export const RECORDS = ["alarms.json", "calibration.json", "consignments.json", "custody.json", "story.json"];
// packs made before these were kept have none
export const LATER_RECORDS = ["access.json", "maintenance.json"];
const ALWAYS = ["claim.json", "policy.json", "verify.py", ...RECORDS];
export const BOUND = [...ALWAYS, ...LATER_RECORDS];
export const NEEDED = ["MANIFEST", "checkpoint", ...ALWAYS];
const OPTIONAL = ["consistency.json", "timestamp.tsr", ...LATER_RECORDS];
const SHAPE = /^(readings\/[A-Za-z0-9_][A-Za-z0-9._-]*\.csv|(entries|proofs)\/(0|[1-9][0-9]{0,18})\.(json|tlog-proof))$/;

export class Refused extends Error {
  constructor(member, reason) { super(`${member}: ${reason}`); this.member = member; this.reason = reason; }
}
export const sha256 = (...parts) => parts.reduce((h, p) => h.update(p), createHash("sha256")).digest();

/** Members in the order of the archive as its local headers chain them; stops where the chain breaks. */
function byHeaders(data) {
  const found = [];
  let at = 0;
  while (at + 30 <= data.length && data.readUInt32LE(at) === LOCAL) {
    const size = data.readUInt32LE(at + 18), length = data.readUInt16LE(at + 26);
    const body = at + 30 + length;
    if (body + size > data.length) break;
    found.push({ at, name: data.latin1Slice(at + 30, body), content: data.subarray(body, body + size) });
    at = body + size;
  }
  return found;
}

/** Members as the directory at the end lists them; stops at what cannot be followed. */
function byDirectory(data) {
  const found = [], end = data.lastIndexOf("PK\x05\x06", undefined, "latin1");
  if (end < 0 || end + 22 > data.length) return found;
  let at = data.readUInt32LE(end + 16);
  while (at + 46 <= data.length && data.readUInt32LE(at) === CENTRAL) {
    const size = data.readUInt32LE(at + 20), length = data.readUInt16LE(at + 28), place = data.readUInt32LE(at + 42);
    const body = place + 30 + length;
    if (body + size > data.length || at + 46 + length > data.length) break;
    found.push({ at: place, name: data.latin1Slice(at + 46, at + 46 + length), content: data.subarray(body, body + size) });
    at += 46 + length;
  }
  return found;
}

/** The one archive of these members, and whose each stretch of it is. */
function canonical(members) {
  const parts = [], directory = [], spans = [];
  let at = 0;
  for (const { name, content } of members) {
    const raw = Buffer.from(name, "latin1"), shared = Buffer.alloc(26);
    shared.writeUInt16LE(0, 0); shared.writeUInt16LE(0, 2); shared.writeUInt16LE(0, 4); shared.writeUInt16LE(0x21, 6);
    shared.writeUInt32LE(crcOf(content), 8); shared.writeUInt32LE(content.length, 12);
    shared.writeUInt32LE(content.length, 16); shared.writeUInt16LE(raw.length, 20);
    const local = Buffer.concat([Buffer.from("PK\x03\x04\x14\x00", "latin1"), shared.subarray(0, 24), raw]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE((0o100644 << 16) >>> 0, 6); rest.writeUInt32LE(at, 10);
    directory.push([name, Buffer.concat([Buffer.from("PK\x01\x02\x14\x03\x14\x00", "latin1"), shared.subarray(0, 24), rest, raw])]);
    spans.push([at, at + local.length + content.length, name]);
    parts.push(local, content);
    at += local.length + content.length;
  }
  const start = at, end = Buffer.alloc(22);
  for (const [name, record] of directory) { spans.push([at, at + record.length, name]); parts.push(record); at += record.length; }
  end.writeUInt32LE(END, 0); end.writeUInt16LE(members.length, 8); end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(at - start, 12); end.writeUInt32LE(start, 16);
  parts.push(end);
  return { bytes: Buffer.concat(parts), owner: (place) => spans.find(([a, b]) => a <= place && place < b)?.[2] ?? "archive" };
}

function distance(one, other) {
  let count = Math.abs(one.length - other.length), first = -1;
  for (let i = 0; i < Math.min(one.length, other.length); i++)
    if (one[i] !== other[i]) { if (first < 0) first = i; count++; }
  if (count && first < 0) first = Math.min(one.length, other.length);
  return { count, first };
}

/** Where the two tables give one member two names, MANIFEST says which of them belongs to its bytes. */
function rightNames(members, others) {
  const listed = (members.find((m) => m.name === "MANIFEST") ?? others.find((m) => m.name === "MANIFEST"))?.content.toString("latin1") ?? "";
  const second = new Map(others.map((m) => [m.at, m.name]));
  return new Map(members.map(({ at, name, content }) => {
    const other = second.get(at);
    const fits = (n) => n === "MANIFEST" || listed.includes(`${sha256(content).toString("hex")}  ${n}\n`);
    return [name, other !== undefined && other !== name && !fits(name) && fits(other) ? other : name];
  }));
}

/** The members of a pack; refused, naming the member, when one byte of the archive is another than it must be. */
export function open(data) {
  const tables = [byHeaders(data), byDirectory(data)];
  const tried = tables.map((members, i) => ({ members, others: tables[1 - i], made: canonical(members) }));
  for (const one of tried) one.far = distance(one.made.bytes, data);
  const best = tried[1].far.count < tried[0].far.count ? tried[1] : tried[0];
  if (best.far.count) {
    const owner = best.made.owner(best.far.first);
    throw new Refused(rightNames(best.members, best.others).get(owner) ?? owner, "its bytes, its header or its line in the directory were changed");
  }
  const members = new Map();
  let last = "";
  for (const { name, content } of best.members) {
    if (!(name > last)) throw new Refused(name, "stands twice, or out of order");
    if (!SHAPE.test(name) && !NEEDED.includes(name) && !OPTIONAL.includes(name)) throw new Refused(name, "is no member of a pack");
    members.set((last = name), content);
  }
  return members;
}

/** MANIFEST lists every other member with its digest, and what must be there is there. */
export function checkManifest(members) {
  const wrong = NEEDED.filter((name) => !members.has(name)).map((name) => new Refused(name, "is missing"));
  const right = new Map([...members].filter(([n]) => n !== "MANIFEST").map(([n, c]) => [n, sha256(c).toString("hex")]));
  const text = [...right].map(([n, d]) => `${d}  ${n}\n`).join("");
  const held = members.get("MANIFEST")?.toString("latin1") ?? "";
  if (held === text) return wrong;
  const stated = new Map(held.split("\n").filter((l) => l.slice(64, 66) === "  ").map((l) => [l.slice(66), l.slice(0, 64)]));
  for (const name of [...new Set([...stated.keys(), ...right.keys()])].sort())
    if (stated.get(name) !== right.get(name)) wrong.push(new Refused(name, "is not as MANIFEST lists it"));
  return [...wrong, new Refused("MANIFEST", "is not the list of the members")];
}
