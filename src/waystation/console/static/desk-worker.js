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

// the copy on the phone, marked, so that nobody takes it for the server's word
const kept = async (request) => {
  const copy = await caches.match(request, { ignoreSearch: true, ignoreVary: true });
  if (!copy) return Response.error();
  const headers = new Headers(copy.headers);
  headers.set("X-Kept", "1");
  return new Response(copy.body, { status: copy.status, headers });
};

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (!url.pathname.startsWith("/desk/") && !url.pathname.startsWith("/static/")) return;
  event.respondWith(
    fetch(request)
      .then((reply) => keep(request, reply))
      .catch(() => kept(request))
  );
});
