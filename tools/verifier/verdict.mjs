// The verdict from the readings, by sweeping over moments: what each moment covers, and the union of what proves nothing.
import { Refused, sha256 } from "./archive.mjs";
import { Num } from "./json.mjs";
import { json } from "./log.mjs";

const HEADER = "observed_at,value_c,quality,source_class,boot,seq";
const INSTANT = /^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{6}))?Z$/;
const VALUE = /^-?[0-9]{1,9}(\.[0-9]{1,20})?(e-[0-9]{1,3})?$/;
const MINUTE = 60_000_000;

export function instant(text) {
  const p = typeof text === "string" ? INSTANT.exec(text) : null;
  const [y, mo, d, h, mi, s] = p ? p.slice(1, 7).map(Number) : [];
  const date = p ? new Date(Date.UTC(2000, mo - 1, d, h, mi, s)) : null;
  if (date) date.setUTCFullYear(y, mo - 1, d);
  if (!date || y < 1 || date.getUTCMonth() !== mo - 1 || date.getUTCDate() !== d || h > 23) throw new Error(`${text} is no instant in UTC`);
  return date.getTime() * 1000 + Number(p[7] ?? 0);
}

function real(value) {
  const isText = typeof value === "string" && /^-?[0-9]{1,9}(\.[0-9]{1,20})?$/.test(value);
  const found = isText ? Number(value) : value instanceof Num ? value.value : NaN;
  if (!(found > -1e9 && found < 1e9)) throw new Error(`${value?.text ?? value} is no usable number`);
  return found;
}

function profileOf(claim, item) {
  const limits = item?.get("profile") ?? claim.get("profile"), classes = item?.get("source_classes") ?? claim.get("source_classes");
  const hold = item?.get("max_hold_s") ?? claim.get("profile").get("max_hold_s");
  if (!Array.isArray(classes) || !classes.every((c) => typeof c === "string" && c)) throw new Error("source classes are texts");
  const made = {
    start: instant(claim.get("from")), end: instant(claim.get("to")), classes,
    low: real(limits.get("low_c")), high: real(limits.get("high_c")), guard: limits.has("guard_band_c") ? real(limits.get("guard_band_c")) : 0, hold: real(hold),
  };
  if (!(made.start < made.end && made.low <= made.high && made.guard >= 0 && made.hold > 0 && made.hold <= 7200)) throw new Error("the profile makes no sense");
  return { ...made, hold: Math.trunc(made.hold * 1e6) };
}

/** [instant, value, class] of every usable row, in a file whose order is that of time. */
function rows(name, content, onlyGood) {
  const lines = new TextDecoder("utf-8", { ignoreBOM: true }).decode(content).split("\n"), found = [], numbers = new Set();
  if (lines.shift() !== HEADER || lines.pop() !== "") throw new Refused(name, `does not start with ${HEADER}, or ends inside a line`);
  let last = -Infinity;
  lines.forEach((line, i) => {
    const cells = line.split(","), [at, value, quality, source, boot, seq] = cells;
    let when;
    try { when = instant(at); } catch (error) { throw new Refused(name, `line ${i + 2}: ${error.message}`); }
    if (cells.length !== 6 || (value && !VALUE.test(value)) || !/^[0-9]*$/.test(seq)) throw new Refused(name, `line ${i + 2} is no reading`);
    if (when < last || (seq && numbers.has(`${boot},${seq}`))) throw new Refused(name, `line ${i + 2} is out of order, or repeats a number`);
    numbers.add(`${boot},${seq}`);
    last = when;
    if (value) found.push([when, Number(value), onlyGood && quality !== "good" ? "" : source]);
  });
  return found;
}

/** Union of spans, sorted. */
function union(spans) {
  const made = [];
  for (const [a, b] of [...spans].sort((x, y) => x[0] - y[0])) {
    const top = made.at(-1);
    if (top && a <= top[1]) top[1] = Math.max(top[1], b); else made.push([a, b]);
  }
  return made;
}
const length = (spans) => union(spans).reduce((sum, [a, b]) => sum + b - a, 0);
const clip = (spans, p) => spans.map(([a, b]) => [Math.max(a, p.start), Math.min(b, p.end)]).filter(([a, b]) => b > a);
function without(whole, spans) {
  let at = whole[0];
  const found = [];
  for (const [a, b] of union(spans)) { if (a > at) found.push([at, a]); at = Math.max(at, b); }
  return at < whole[1] ? [...found, [at, whole[1]]] : found;
}
const meet = (one, other) => one.flatMap(([a, b]) => other.map(([c, d]) => [Math.max(a, c), Math.min(b, d)])).filter(([a, b]) => b > a);

/** A sensor's period: moments with what each covers, out of range, not proven, silent, and excursions. */
function sensor(name, content, p, onlyGood) {
  const excess = (v) => Math.max(p.low - v, v - p.high);
  const proves = ([, v, s]) => p.classes.includes(s) && p.low + p.guard <= v && v <= p.high - p.guard;
  const moments = [];
  for (const row of rows(name, content, onlyGood)) {
    const top = moments.at(-1);
    if (!top || top[0] !== row[0]) { moments.push(row); continue; }
    const a = excess(top[1]), b = excess(row[1]);
    if (b > a || (b === a && proves(top) && !proves(row))) moments[moments.length - 1] = row;
  }
  const covers = moments.map((m, i) => [m[0], i + 1 < moments.length ? Math.min(moments[i + 1][0], m[0] + p.hold) : m[0]]);
  const whole = [p.start, p.end], isOut = moments.map((m) => excess(m[1]) > 0);
  const sure = clip(covers.filter((_, i) => proves(moments[i])), p);
  return {
    p, readings: moments.filter((m) => m[0] <= p.end).length,
    out: clip(covers.filter((_, i) => isOut[i] && moments[i][0] <= p.end), p),
    open: without(whole, sure), silent: without(whole, clip(covers, p)),
    excursions: excursions(moments, covers, isOut, p),
  };
}

function excursions(moments, covers, isOut, p) {
  const found = [];
  let run = null;
  moments.forEach(([at, value], i) => {
    if (at > p.end) return;
    const direction = value > p.high ? "high" : "low";
    if (run && (!isOut[i] || run.direction !== direction)) run = null;
    if (!isOut[i]) return;
    if (!run) found.push((run = { start: Math.max(at, p.start), direction, peak: value, out: 0, inside: false }));
    run.peak = direction === "high" ? Math.max(run.peak, value) : Math.min(run.peak, value);
    run.inside ||= at >= p.start;
    run.out += clip([covers[i]], p).reduce((sum, [a, b]) => sum + b - a, 0);
  });
  return found.filter((e) => e.inside || e.out);
}

/** The verdict with its minutes; refused where the claim says anything else. */
export function judge(members) {
  const claim = json(members, "claim.json", "object");
  try { return judged(members, claim); }
  catch (error) { throw error instanceof Refused ? error : new Refused("claim.json", `the claim does not stand: ${error.message}`); }
}

function judged(members, claim) {
  if (claim.get("schema") !== "waystation.pack/1") throw new Error("its schema is another");
  const items = claim.get("readings"), paths = new Set(items.map((i) => i.get("path")));
  if (paths.size !== items.length) throw new Error("it lists a file twice");
  for (const name of [...new Set([...paths, ...[...members.keys()].filter((n) => n.startsWith("readings/"))])].sort())
    if (!paths.has(name) || !members.has(name)) throw new Refused(name, "claim and pack hold other readings");
  const sensors = new Map();
  for (const item of [...items].sort((a, b) => (a.get("path") < b.get("path") ? -1 : 1))) {
    const name = item.get("path"), second = item.has("second_source");
    if (item.get("sha256") !== sha256(members.get(name)).toString("hex") || name !== `readings/${item.get("sensor")}.csv`) throw new Refused(name, "is not the file that the claim rests on");
    if (second && !(typeof item.get("second_source") === "string" && item.get("second_source"))) throw new Error("a second source names its instrument");
    sensors.set(item.get("sensor"), { ...sensor(name, members.get(name), profileOf(claim, item), second), second, space: item.get("space") });
  }
  const p = profileOf(claim), all = [...sensors.values()];
  const doubts = claim.get("not_proven").map((d) => {
    if (!d.has("reason")) throw new Error("a doubt has its reason");
    return [instant(d.get("from") ?? claim.get("from")), instant(d.get("to") ?? claim.get("to"))];
  });
  const out = length(all.flatMap((s) => s.out)), open = length([...unproven(all, p), ...clip(doubts, p)]);
  const verdict = all.some((s) => s.excursions.length) ? "out_of_range" : open ? "not_proven" : "in_range_proven";
  const minutes = { in_range_min: (p.end - p.start - open) / MINUTE, out_of_range_min: out / MINUTE, not_proven_min: (open - out) / MINUTE };
  compare(claim, verdict, minutes, sensors);
  plain(claim);
  const excursions = all.reduce((sum, s) => sum + s.excursions.length, 0);
  const expected = all.filter((s) => !s.second), silent = expected.reduce((sum, s) => sum + length(s.silent), 0);
  const inputs_pct = 100 - (100 * silent) / ((p.end - p.start) * Math.max(expected.length, 1));
  return { verdict, ...minutes, inputs_pct, sensors: all.length, readings: all.reduce((sum, s) => sum + s.readings, 0), excursions };
}

function unproven(all, p) {
  const seconds = all.filter((s) => s.second);
  const found = seconds.flatMap((s) => s.out);
  for (const s of all.filter((one) => !one.second)) {
    const cover = seconds.filter((o) => o.space === s.space).flatMap((o) => meet(s.silent, without([s.p.start, s.p.end], o.open)));
    found.push(...(cover.length ? meet(s.open, without([s.p.start, s.p.end], cover)) : s.open));
  }
  return seconds.length === all.length ? [...found, [p.start, p.end]] : found;
}

function compare(claim, verdict, minutes, sensors) {
  if (claim.get("verdict") !== verdict) throw new Error(`it says ${claim.get("verdict")}, the readings say ${verdict}`);
  for (const [name, value] of Object.entries(minutes))
    if (Math.abs(real(claim.get(name)) - value) > 0.001) throw new Error(`${name} is ${value} by the readings`);
  const order = (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] - b[1] || (a[2] < b[2] ? -1 : a[2] > b[2] ? 1 : a[3] - b[3]));
  const found = [...sensors].flatMap(([n, s]) => s.excursions.map((e) => [n, e.start, e.direction, e.peak, e.out / MINUTE])).sort(order);
  const told = claim.get("excursions").map((e) => [e.get("sensor"), instant(e.get("start")), e.get("direction"), real(e.get("peak_c")), real(e.get("minutes"))]).sort(order);
  const agrees = (a, b) => a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && Math.abs(a[3] - b[3]) < 1e-6 && Math.abs(a[4] - b[4]) <= 0.001;
  if (found.length !== told.length || !found.every((e, i) => agrees(e, told[i]))) throw new Error("its excursions are not those of the readings");
}

function plain(claim) {
  const lists = ["spaces", "not_checked", "source_classes", "excursions", "readings", "not_proven"].map((n) => claim.get(n));
  const texts = [claim.get("network"), claim.get("site"), ...lists.slice(0, 3).flat()];
  if (!lists.every(Array.isArray) || !claim.get("spaces").length || !texts.every((t) => typeof t === "string" && t)) throw new Error("its names are texts");
  const conditional = claim.get("not_checked").length > 0;
  if ((claim.has("conditional") ? claim.get("conditional") : conditional) !== conditional) throw new Error("it is conditional exactly when something was not checked");
  for (const name of ["unwitnessed_since", "not_time_stamped_since"]) if (claim.has(name)) instant(claim.get(name));
}
