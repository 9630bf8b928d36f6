// The time-stamp of the head (RFC 3161): read as DER, its signature checked with the certificates that the auditor pinned.
import { X509Certificate, createHash, verify } from "node:crypto";
import { Refused, sha256 } from "./archive.mjs";

const HASHES = { "2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512" };

const DEEPEST = 64;

/** The value at a place: tag, its whole bytes, its content, and its parts when it is constructed. */
function der(data, at = 0, end = data.length, depth = 0) {
  if (depth > DEEPEST) throw new Error("it is nested too deeply");
  let size = data[at + 1], body = at + 2;
  if (size & 0x80) {
    const count = size & 0x7f;
    if (count < 1 || count > 4) throw new Error("a length cannot be read");
    size = data.readUIntBE(body, count);
    body += count;
  }
  if (!(body + size <= end)) throw new Error("it ends inside a value");
  const one = { tag: data[at], bytes: data.subarray(at, body + size), content: data.subarray(body, body + size), next: body + size };
  if (one.tag & 0x20) for (one.parts = [], at = body; at < one.next; at = one.parts.at(-1).next) one.parts.push(der(data, at, one.next, depth + 1));
  return one;
}

/** The one value that these bytes are. */
function only(data) {
  const one = der(data);
  if (one.next !== data.length) throw new Error("something follows the value");
  return one;
}

/** Whether the key of a certificate signed it while it was valid; a key that cannot have made this signature did not. */
function isBy(certificate, digest, whole, signature, at) {
  try {
    const { publicKey, validFrom, validTo } = new X509Certificate(certificate);
    if (publicKey.asymmetricKeyType !== "rsa" && !["prime256v1", "secp384r1"].includes(publicKey.asymmetricKeyDetails?.namedCurve)) return false;
    return verify(digest, whole, publicKey, signature) && Date.parse(validFrom) <= Date.parse(at) && Date.parse(at) <= Date.parse(validTo);
  } catch { return false; }
}

function oid({ tag, content }) {
  if (tag !== 6) throw new Error("no object identifier");
  const found = [Math.floor(content[0] / 40), content[0] % 40];
  let n = 0;
  for (const byte of content.subarray(1)) { n = n * 128 + (byte & 0x7f); if (!(byte & 0x80)) { found.push(n); n = 0; } }
  return found.join(".");
}

/** When the head was stamped, and whether a pinned certificate vouches; null when there is no stamp and none is demanded. */
export function stamp(members, head, trust) {
  const held = members.get("timestamp.tsr");
  if (!held) {
    if (trust.stampers.length) throw new Refused("timestamp.tsr", "is missing, and your trust file demands it");
    return null;
  }
  try { return read(held, head, trust); }
  catch (error) { throw error instanceof Refused ? error : new Refused("timestamp.tsr", error.message); }
}

function read(held, head, trust) {
  const reply = only(held);
  if (reply.parts[0].parts[0].content[0] > 1) throw new Error("it is no granted time-stamp");
  const signed = reply.parts[1].parts[1].parts[0].parts, [, , wrapped] = signed, info = signed.at(-1).parts[0].parts;
  if (oid(wrapped.parts[0]) !== "1.2.840.113549.1.9.16.1.4") throw new Error("it holds no time-stamp");
  const token = wrapped.parts[1].parts[0].content, tst = only(token).parts;
  if (oid(tst[2].parts[0].parts[0]) !== "2.16.840.1.101.3.4.2.1" || !tst[2].parts[1].content.equals(sha256(head.text))) throw new Error("it is of another head");
  const digest = HASHES[oid(info[2].parts[0])], attributes = info.find((p) => p.tag === 0xa0);
  const own = attributes.parts.find((a) => oid(a.parts[0]) === "1.2.840.113549.1.9.4")?.parts[1].parts[0].content;
  if (!digest || !own?.equals(createHash(digest).update(token).digest())) throw new Error("its signature is about other content");
  const whole = Buffer.from(attributes.bytes), signature = info.slice(info.indexOf(attributes) + 1).find((p) => p.tag === 4).content;
  whole[0] = 0x31;
  const text = tst[4].content.toString("latin1"), [, ...t] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d+)?Z$/.exec(text) ?? [];
  if (t.length !== 6) throw new Error("its time cannot be read");
  const at = `${t[0]}-${t[1]}-${t[2]}T${t[3]}:${t[4]}:${t[5]}Z`;
  const vouched = trust.stampers.some((c) => isBy(c, digest, whole, signature, at));
  if (trust.stampers.length && !vouched) throw new Error("none of the certificates that you pinned signed it, or it was not valid then");
  return { at, vouched };
}
