// JSON that can be read in one way only: no name twice, no bare constants, numbers kept as they are written.
export class Num { constructor(text) { this.text = text; this.value = Number(text); } }
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const BLANK = /[ \t\n\r]*/y;

export function parse(bytes) {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  let at = 0;
  const take = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found) at = pattern.lastIndex;
    return found?.[0];
  };
  const skip = () => take(BLANK);
  const word = (w) => { if (!text.startsWith(w, at)) return false; at += w.length; return true; };
  const fail = (what) => { throw new Error(`${what} at ${at}`); };
  const value = (depth) => {
    if (depth > 500) fail("too deep");
    skip();
    if (word("{")) return object(depth);
    if (word("[")) return list(depth);
    for (const [w, v] of [["true", true], ["false", false], ["null", null]]) if (word(w)) return v;
    const string = take(STRING);
    if (string !== undefined) return JSON.parse(string);
    const number = take(NUMBER);
    return number === undefined ? fail("no JSON value") : new Num(number);
  };
  const object = (depth) => {
    const made = new Map();
    skip();
    if (word("}")) return made;
    do {
      skip();
      const name = JSON.parse(take(STRING) ?? fail("no name"));
      if (made.has(name)) fail(`${name} stands twice`);
      skip();
      if (!word(":")) fail("no colon");
      made.set(name, value(depth + 1));
      skip();
    } while (word(","));
    return word("}") ? made : fail("no end of the object");
  };
  const list = (depth) => {
    const made = [];
    skip();
    if (word("]")) return made;
    do { made.push(value(depth + 1)); skip(); } while (word(","));
    return word("]") ? made : fail("no end of the list");
  };
  const whole = value(0);
  skip();
  return at === text.length ? whole : fail("something follows");
}

export function same(a, b) {
  if (a instanceof Num && b instanceof Num) return a.value === b.value;
  if (a instanceof Map && b instanceof Map) return a.size === b.size && [...a].every(([k, v]) => b.has(k) && same(v, b.get(k)));
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((v, i) => same(v, b[i]));
  return a === b;
}
