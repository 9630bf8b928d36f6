// Checks an evidence pack offline:  node verify.mjs PACK.zip --trust TRUST.json
// A second verifier beside the verify.py that travels in every pack: written apart, by other means, from the same
// description (src/waystation/evidence/verifier/README.md). Needs Node 22 and nothing else. 0 verified, 1 refused, 2 unusable.
// With --many, packs come on standard input, each behind its length in four bytes; one line of JSON answers each.
import { readFileSync } from "node:fs";
import { Refused, checkManifest, open } from "./archive.mjs";
import { parse } from "./json.mjs";
import { bindings, continuity, entries, head, readTrust, records } from "./log.mjs";
import { stamp } from "./stamp.mjs";
import { judge } from "./verdict.mjs";

export function check(data, trust) {
  const wrong = [], facts = {};
  const stop = () => { if (wrong.length) throw wrong[0]; };
  try {
    const members = open(data);
    wrong.push(...checkManifest(members)); stop();
    const at = head(members, trust);
    Object.assign(facts, { size: Number(at.size), unwitnessed: at.cosigned === 0, time_stamp: stamp(members, at, trust)?.at ?? null });
    continuity(members, trust, at);
    const proven = entries(members, at, wrong); stop();
    bindings(members, proven, wrong); stop();
    records(members, proven, wrong); stop();
    Object.assign(facts, judge(members));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (!wrong.includes(error)) wrong.push(error);
  }
  const refusals = wrong.map((r) => ({ member: r.member, reason: r.reason }));
  return { verified: !wrong.length, ...(wrong.length ? { verdict: null } : facts), refusals };
}

function main([...words]) {
  const at = words.indexOf("--trust"), path = at >= 0 ? words.splice(at, 2)[1] : undefined;
  if (!path || words.length !== 1) { console.error("verify: node verify.mjs PACK.zip --trust TRUST.json"); return 2; }
  let trust, packs;
  try {
    trust = readTrust(parse(readFileSync(path)), "waystation.trust/1");
    packs = words[0] === "--many" ? many(readFileSync(0)) : [readFileSync(words[0])];
  } catch (error) { console.error(`verify: ${error.message}`); return 2; }
  let code = 0;
  for (const data of packs) {
    const found = check(data, trust);
    console.log(JSON.stringify(found));
    code = found.verified ? code : 1;
  }
  return code;
}

function* many(data) {
  for (let at = 0; at < data.length;) {
    const size = data.readUInt32LE(at);
    yield data.subarray(at + 4, at + 4 + size);
    at += 4 + size;
  }
}

process.exitCode = main(process.argv.slice(2));
