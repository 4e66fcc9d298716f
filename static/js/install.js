// Makes the portal an app that says so when there is no network (static/js/worker.js). Without it all else works.
"use strict";

if ("serviceWorker" in navigator) {
  const source = document.currentScript.dataset.worker;
  window.addEventListener("load", () => {
    navigator.serviceWorker.register(source, { scope: "/" }).catch(() => {});
  });
}
