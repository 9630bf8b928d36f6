// The hub desk's outbox: each scan is kept on the phone first, then sent; it leaves only when the server has it.
(() => {
  const desk = document.getElementById("desk");
  if (!desk) return;
  const { hub, zone } = desk.dataset;
  const $ = (selector) => desk.querySelector(selector);
  const all = (selector) => [...desk.querySelectorAll(selector)];
  const time = (at) => new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone }).format(new Date(at));
  const words = () => JSON.parse(document.getElementById("words").textContent);
  const element = (tag, text, css) => Object.assign(document.createElement(tag), { textContent: text, className: css || "" });
  let silentSince = null, signedOut = false, sending = false;

  const store = (mode, act) => new Promise((resolve, reject) => {
    const opening = indexedDB.open("waystation-desk", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("scans", { keyPath: "client_id" });
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const change = opening.result.transaction("scans", mode);
      const asked = act(change.objectStore("scans"));
      change.oncomplete = () => { opening.result.close(); resolve(asked && asked.result); };
      change.onabort = change.onerror = () => { opening.result.close(); reject(change.error); };
    };
  });
  const unsent = async () => (await store("readonly", (s) => s.getAll())).sort((a, b) => (a.scanned_at < b.scanned_at ? 1 : -1));

  const line = (scan) => {
    const row = document.createElement("li");
    row.append(element("span", time(scan.scanned_at), "q"), element("span", `${words()[scan.verb]} ${scan.code}`));
    return row;
  };
  const show = async () => {
    const waiting = await unsent();
    all(".unsent-count").forEach((e) => { e.textContent = waiting.length; });
    all(".unsent-list").forEach((list) => list.replaceChildren(...waiting.map(line)));
    all(".unsent-block").forEach((e) => { e.hidden = !waiting.length; });
    all(".unsent-none").forEach((e) => { e.hidden = waiting.length > 0; });
    const title = signedOut ? "Signed out" : silentSince ? `No signal since ${time(silentSince)}` : "Sending";
    const what = signedOut ? "Sign in again to send. It is kept on this phone." : "Keep working. It is kept on this phone.";
    all(".off").forEach((strip) => {
      strip.hidden = !waiting.length && !silentSince && !signedOut;
      strip.querySelector("b").textContent = title;
      strip.querySelector(".what").textContent = what;
      strip.querySelector(".cnt").textContent = `${waiting.length} unsent`;
    });
  };
  const last = (scan, refused) => {
    const place = $(".last-scan");
    place.hidden = false;
    place.querySelector(".at").textContent = time(scan.scanned_at);
    place.querySelector("use").setAttribute("href", refused ? "#s-no" : "#s-ok");
    place.querySelector(".row b").textContent = refused ? `Not done: ${scan.code}` : `${words()[scan.verb]}: ${scan.code}`;
    place.querySelector(".why").textContent = refused || "";
  };
  // what the server's clock is ahead of this phone's, as last seen; a phone with a wrong clock still tells the right order
  const now = () => new Date(Date.now() + Number(localStorage.getItem("desk-skew") || 0)).toISOString();
  const fresh = async () => {
    const reply = await fetch(location.pathname, { cache: "no-store" });
    if (!reply.ok || reply.redirected || reply.headers.get("X-Kept")) return;
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    const skew = Date.parse(page.getElementById("desk").dataset.now) - Date.now();
    localStorage.setItem("desk-skew", Math.abs(skew) > 30000 ? Math.round(skew) - 2000 : 0);
    all("[data-live]").forEach((part) => {
      const next = page.querySelector(`[data-live="${part.dataset.live}"]`);
      if (next) part.replaceChildren(...next.childNodes);
    });
  };
  const send = async () => {
    if (sending) return;
    sending = true;
    try {
      const waiting = (await unsent()).reverse().slice(0, 200);
      if (waiting.length) {
        const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
        const reply = await fetch("/api/v1/spares/scans", {
          method: "POST",
          headers: { "Content-Type": "application/json", "X-CSRFToken": token },
          body: JSON.stringify(waiting),
        });
        silentSince = null;
        signedOut = reply.status === 401 || reply.status === 403;
        if (reply.ok) {
          const taken = await reply.json();
          await store("readwrite", (s) => taken.forEach((scan) => s.delete(scan.client_id)));
          const newest = taken[taken.length - 1];
          last(newest, newest.outcome === "conflict" ? newest.conflict : "");
          await show();
          await fresh();
        }
      } else if (silentSince) {
        await fetch("/healthz", { cache: "no-store" });
        silentSince = null;
      }
    } catch (error) {
      silentSince = silentSince || now();
    } finally {
      sending = false;
      await show();
    }
  };

  const form = $("form.scanner");
  if (form) form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const code = form.elements.code.value.trim();
    if (!code) { form.elements.code.focus(); return; }
    const id = [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
    const scan = { client_id: id, verb: form.elements.verb.value, code, scanned_at: now(), hub_id: hub };
    await store("readwrite", (s) => s.put(scan));
    form.elements.code.value = "";
    form.elements.code.focus();
    last(scan, "");
    await show();
    send();
  });
  const go = (name) => all(".desk").forEach((part) => part.toggleAttribute("data-on", part.id === name));
  const turn = () => {
    const name = location.hash.slice(1) || "pick";
    if (all(".desk").some((part) => part.id === name)) go(name);
  };
  window.addEventListener("hashchange", turn);
  window.addEventListener("online", send);
  window.addEventListener("offline", () => { silentSince = silentSince || now(); show(); });
  setInterval(send, 20000);
  if (!navigator.onLine) silentSince = now();
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/desk/worker.js", { scope: "/desk/" }).catch(() => {});
  turn();
  show().then(fresh).then(send, send);
})();
