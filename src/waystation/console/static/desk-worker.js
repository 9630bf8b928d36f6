// Serves the hub desk from the phone while there is no signal: pages newest first, then the copy that was kept.
const KEPT = "desk-1";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches.keys()
      .then((names) => Promise.all(names.filter((name) => name !== KEPT).map((name) => caches.delete(name))))
      .then(() => self.clients.claim())
  );
});

const keep = async (request, reply) => {
  if (reply.ok && !reply.redirected) (await caches.open(KEPT)).put(request, reply.clone());
  return reply;
};

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (!url.pathname.startsWith("/desk/") && !url.pathname.startsWith("/static/")) return;
  event.respondWith(
    fetch(request)
      .then((reply) => keep(request, reply))
      .catch(async () => (await caches.match(request, { ignoreSearch: true, ignoreVary: true })) || Response.error())
  );
});
