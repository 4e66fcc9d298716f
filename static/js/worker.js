// What the app keeps on a device: a page that says there is no network, and what that page is drawn with. Never a page
// of a tenant, an answer of the API, or anything else that somebody signed in for.
"use strict";

const SHELL = "msplex-shell-1";
const OFFLINE = "/app/offline/";

const shell = async () => {
  const cache = await caches.open(SHELL);
  const page = await fetch(OFFLINE, { credentials: "omit", cache: "no-cache" });
  if (!page.ok) throw new Error("no shell");
  const text = await page.clone().text();
  const parts = [...text.matchAll(/(?:href|src)="(\/static\/[^"]+)"/g)].map((found) => found[1]);
  await cache.put(OFFLINE, page);
  await Promise.all([...new Set(parts)].map(async (part) => {
    const answer = await fetch(part, { credentials: "omit" });
    if (answer.ok) await cache.put(part, answer);
  }));
};

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(shell());
});

self.addEventListener("activate", (event) => {
  const old = async () => {
    for (const name of await caches.keys()) if (name !== SHELL) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(old());
});

const fromShell = async (request) => {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await (await caches.open(SHELL)).match(request.mode === "navigate" ? OFFLINE : request.url);
    if (kept) return kept;
    throw error;
  }
};

// Pages that cannot be reached, and the parts of the shell. All else is the browser's own business.
self.addEventListener("fetch", (event) => {
  const request = event.request;
  const here = new URL(request.url);
  if (request.method !== "GET" || here.origin !== self.location.origin) return;
  if (request.mode === "navigate" || here.pathname.startsWith("/static/")) event.respondWith(fromShell(request));
});
