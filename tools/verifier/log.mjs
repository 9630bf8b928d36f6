// What the log proves, by the platform's own cryptography: C2SP signed-note, checkpoint, cosignature and tlog-proof.
// Proofs are checked by working out subtree by subtree which nodes a tree of that size has (RFC 6962, section 2.1).
import { createPublicKey, verify } from "node:crypto";
import { BOUND, LATER_RECORDS, RECORDS, Refused, sha256 } from "./archive.mjs";
import { Num, parse, same } from "./json.mjs";

const ED25519 = Buffer.from("302a300506032b6570032100", "hex");
const WHOLE = /^(0|[1-9][0-9]{0,18})$/;

export function whole(text) {
  if (!WHOLE.test(text)) throw new Error(`${text} is no plain number`);
  return BigInt(text);
}

export function base64(text, size) {
  const data = typeof text === "string" ? Buffer.from(text, "base64") : Buffer.alloc(0);
  if (data.toString("base64") !== text || (size !== undefined && data.length !== size)) throw new Error(`${text} is no canonical base64`);
  return data;
}

export function vkey(text, kind) {
  const found = typeof text === "string" ? /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/su.exec(text) : null;
  const data = found ? base64(found[3], 33) : null;
  if (!data || data[0] !== kind || sha256(`${found[1]}\n`, data).subarray(0, 4).toString("hex") !== found[2])
    throw new Error(`${text} is no key of kind ${kind}`);
  return { name: found[1], id: found[2], kind, raw: data.subarray(1).toString("hex"), text };
}

function holds(key, text, value) {
  const told = key.kind === 1 ? text : `cosignature/v1\ntime ${value.length >= 8 ? value.readBigUInt64BE(0) : 0n}\n${text}`;
  const signature = key.kind === 1 ? value : value.subarray(8);
  const own = createPublicKey({ key: Buffer.concat([ED25519, Buffer.from(key.raw, "hex")]), format: "der", type: "spki" });
  return signature.length === 64 && verify(null, Buffer.from(told), own, signature);
}

/** Keys, quorum and known head of a trust file, or of the pack's own policy. */
export function readTrust(value, schema) {
  if (value.get("schema") !== schema) throw new Error(`its schema is not ${schema}`);
  const log = vkey(value.get("log").get("vkey"), 1), origin = value.get("log").get("origin");
  const witnesses = value.get("witnesses").map((text) => vkey(text, 4));
  const people = new Set(witnesses.map((w) => w.raw)), quorum = value.get("quorum");
  if (!(quorum instanceof Num) || !/^[0-9]+$/.test(quorum.text) || quorum.value > people.size || people.has(log.raw) || !origin)
    throw new Error("these witnesses cannot make that quorum");
  const head = value.get("known_head");
  const known = head ? { size: whole(head.get("size").text ?? head.get("size")), root: base64(head.get("root"), 32) } : null;
  return { origin, log, witnesses, quorum: quorum.value, known, stampers: (value.get("time_stampers") ?? []).map((t) => base64(t)) };
}

export function json(members, name, kind) {
  let value;
  try { value = parse(members.get(name) ?? Buffer.alloc(0)); } catch (error) { throw new Refused(name, `is not strict JSON: ${error.message}`); }
  if (kind === "list" ? !Array.isArray(value) : !(value instanceof Map)) throw new Refused(name, `does not hold a JSON ${kind}`);
  return value;
}

const utf8 = (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);

/** The pack's keys must be the auditor's; then the head that log and enough witnesses signed. */
export function head(members, trust) {
  const policy = json(members, "policy.json", "object");
  let stated;
  try { stated = readTrust(policy, "waystation.policy/1"); } catch (error) { throw new Refused("policy.json", error.message); }
  if (stated.origin !== trust.origin || stated.log.text !== trust.log.text) throw new Refused("policy.json", "it is of another log than you trust");
  for (const w of trust.witnesses)
    if (!stated.witnesses.some((s) => s.text === w.text)) throw new Refused("policy.json", `it leaves out ${w.name}, whom you trust`);
  try { return signedHead(utf8(members.get("checkpoint")), trust, [stated.log, ...stated.witnesses]); }
  catch (error) { throw error instanceof Refused ? error : new Refused("checkpoint", error.message); }
}

function signedHead(note, trust, keys) {
  const split = note.indexOf("\n\n"), text = note.slice(0, split + 1), lines = note.slice(split + 2).split("\n");
  const body = text.split("\n").slice(0, -1);
  if (split < 0 || lines.pop() !== "" || body.length < 3 || body.some((l) => l === "")) throw new Error("it is no signed note");
  const signed = lines.map((line) => {
    const parts = /^\u2014 (\S+) (\S+)$/.exec(line), data = parts ? base64(parts[2]) : Buffer.alloc(0);
    const key = keys.find((k) => parts && k.name === parts[1] && k.id === data.subarray(0, 4).toString("hex"));
    if (!key || !holds(key, text, data.subarray(4))) throw new Error(`a line is no good signature by a stated key: ${line.slice(0, 60)}`);
    return key;
  });
  const names = signed.map((k) => k.text);
  if (body[0] !== trust.origin || new Set(names).size !== names.length || !names.includes(trust.log.text)) throw new Error(`it is not signed, once, by ${trust.origin}`);
  const by = new Set(signed.filter((k) => trust.witnesses.some((w) => w.text === k.text)).map((k) => k.raw));
  if (by.size < trust.quorum) throw new Error(`${by.size} of ${trust.quorum} witnesses cosigned it`);
  return { size: whole(body[1]), root: base64(body[2], 32), cosigned: by.size, text };
}

const node = (left, right) => sha256(Buffer.from([1]), left, right);
const split = (n) => { let k = 1n; while (k * 2n < n) k *= 2n; return k; };

/** The root of a tree of `size` when the leaf at `index` is this; takes the path from its end. */
function rootOf(index, size, leaf, path) {
  if (size === 1n) return leaf;
  const k = split(size), sibling = path.pop();
  if (!sibling) throw new Error("the path is too short");
  return index < k ? node(rootOf(index, k, leaf, path), sibling) : node(sibling, rootOf(index - k, size - k, leaf, path));
}

/** Old and new root by SUBPROOF of RFC 6962: `complete` while the old tree is a whole subtree of the new one. */
function rootsOf(old, size, complete, oldRoot, path) {
  if (old === size) {
    const root = complete ? oldRoot : path.pop();
    if (!root) throw new Error("the path is too short");
    return [root, root];
  }
  const k = split(size), sibling = path.pop();
  if (!sibling) throw new Error("the path is too short");
  if (old <= k) {
    const [a, b] = rootsOf(old, k, complete, oldRoot, path);
    return [a, node(b, sibling)];
  }
  const [a, b] = rootsOf(old - k, size - k, false, oldRoot, path);
  return [node(sibling, a), node(sibling, b)];
}

/** Every entry of the pack by its index, each proven to stand in the head. */
export function entries(members, at, wrong) {
  const found = new Map(), indices = new Map();
  for (const name of members.keys()) {
    const parts = /^(entries|proofs)\/([0-9]+)\./.exec(name);
    if (!parts) continue;
    if ((parts[1] === "entries") !== name.endsWith(".json")) throw new Refused(name, "is no member of a pack");
    indices.set(parts[2], { ...indices.get(parts[2]), [parts[1]]: name });
  }
  for (const [index, { entries: entry, proofs: proof }] of indices) {
    if (!entry || !proof) { wrong.push(new Refused(entry ?? proof, "an entry and its proof come together")); continue; }
    try { found.set(index, oneEntry(members, BigInt(index), entry, proof, at)); }
    catch (error) { wrong.push(error instanceof Refused ? error : new Refused(proof, error.message)); }
  }
  return found;
}

function oneEntry(members, index, entry, proof, at) {
  const text = utf8(members.get(proof)), cut = text.indexOf("\n\n");
  const [first, second, ...path] = text.slice(0, cut < 0 ? text.length : cut).split("\n");
  if (first !== "c2sp.org/tlog-proof@v1" || second !== `index ${index}` || index >= at.size) throw new Error("it is no proof of that entry");
  if (cut < 0 || text.slice(cut + 2) !== utf8(members.get("checkpoint"))) throw new Error("it rests on another checkpoint");
  const hashes = path.map((line) => base64(line, 32));
  const root = rootOf(index, at.size, sha256(Buffer.from([0]), members.get(entry)), hashes);
  if (hashes.length) throw new Error("the path is too long");
  if (!root.equals(at.root)) throw new Refused(entry, `is not what the log holds there, or ${proof} was changed`);
  return json(members, entry, "object");
}

/** That the head continues the one the auditor knows; a consistency.json that is there must hold in all of it. */
export function continuity(members, trust, at) {
  const proven = new Map([[at.size, at.root], [0n, sha256("")]]);
  if (members.has("consistency.json")) {
    try { continued(members, at, proven); }
    catch (error) { throw error instanceof Refused ? error : new Refused("consistency.json", error.message); }
  }
  if (!trust.known) return;
  const { size, root } = trust.known;
  if (size > at.size) throw new Refused("checkpoint", `ROLLED BACK: you know ${size} entries, these are ${at.size}`);
  if (!proven.has(size)) throw new Refused("consistency.json", `nothing shows that the head of ${size} is continued`);
  if (!proven.get(size).equals(root)) throw new Refused("checkpoint", `ANOTHER HISTORY at ${size} entries`);
}

function continued(members, at, proven) {
  const value = json(members, "consistency.json", "object");
  const items = value.get("proofs").map((p) => ({ hashes: p.get("hashes"), root: p.get("root"), size: p.get("size") }));
  const plain = items.map((p) => `{"hashes":${JSON.stringify(p.hashes)},"root":${JSON.stringify(p.root)},"size":${p.size.text}}`);
  if (`{"proofs":[${plain.join(",")}],"schema":"waystation.consistency/1"}` !== members.get("consistency.json").toString("latin1"))
    throw new Error("it is not the canonical form of its proofs");
  for (const p of items) {
    const size = whole(p.size.text), root = base64(p.root, 32), path = p.hashes.map((h) => base64(h, 32));
    if (size < 1n || size >= at.size) throw new Error(`there is no proof from ${size}`);
    const [old, now] = rootsOf(size, at.size, true, root, path);
    if (path.length || !old.equals(root) || !now.equals(at.root)) throw new Error(`the head of ${size} is not continued`);
    proven.set(size, root);
  }
}

/** Claim, keys, verifier, records and readings are what proven entries name. */
export function bindings(members, proven, wrong) {
  const digest = (name) => sha256(members.get(name)).toString("hex");
  const facts = [...proven.values()].map((e) => [e.get("kind"), e.get("facts")]).filter(([, f]) => f instanceof Map);
  const made = facts.find(([kind, f]) => kind === "evidence.pack_made" && f.get("claim_sha256") === digest("claim.json"));
  if (!made) { wrong.push(new Refused("claim.json", "no proven entry is about this claim")); return; }
  const named = made[1].get("members") instanceof Map ? made[1].get("members") : new Map();
  const exported = facts.filter(([k]) => k === "evidence.readings_exported" || k === "telemetry.segment_sealed");
  for (const name of members.keys()) {
    const fits = named.get(name) === digest(name);
    const shown = name.startsWith("readings/");
    const apart = shown && exported.some(([, f]) => f.get("path") === name && f.get("sha256") === digest(name));
    if ((BOUND.includes(name) && !fits) || (shown && !fits && !apart)) wrong.push(new Refused(name, "no proven entry names this content"));
  }
  for (const name of named.keys()) if (!members.has(name)) wrong.push(new Refused(name, "the log names it, and it is missing"));
}

/** A record that names an entry finds it proven and says nothing else than it. */
export function records(members, proven, wrong) {
  for (const name of [...RECORDS, ...LATER_RECORDS.filter((later) => members.has(later))])
    for (const [place, record] of json(members, name, "list").entries()) {
      const entry = record instanceof Map ? record.get("entry") ?? null : null;
      if (entry === null) continue;
      const held = entry instanceof Num && WHOLE.test(entry.text) ? proven.get(entry.text) : undefined;
      if (!held) wrong.push(new Refused(name, `record ${place} rests on an entry that is not proven here`));
      else if ([...record].some(([k, v]) => k !== "entry" && held.has(k) && !same(v, held.get(k))))
        wrong.push(new Refused(name, `record ${place} says something else than its entry`));
    }
}
