// What the pages cannot do without a script: copying, one submission per click, saying what a list now shows.
"use strict";

const say = (words) => {
  const live = document.getElementById("announcements");
  if (live) live.textContent = words;
};

const copy = async (button) => {
  const source = document.getElementById(button.dataset.copy);
  const label = button.querySelector("span");
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    label.textContent = "Copied";
    say("Copied to the clipboard");
  } catch {
    getSelection().selectAllChildren(source);
    label.textContent = "Selected: press Ctrl+C";
    say("Selected. Press Ctrl+C to copy.");
  }
  setTimeout(() => { label.textContent = before; }, 2500);
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  setTimeout(() => { delete form.dataset.sent; }, 4000);
});

document.querySelector("[aria-invalid=true]")?.focus();

window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// A filter or a refresh keeps its place; only the words that changed are spoken.
document.addEventListener("htmx:afterSwap", (event) => {
  const words = event.target.querySelector?.("[data-announce]")?.dataset.announce;
  if (words) say(words);
});

// What the server says of a field that was left also counts as the field's own state.
document.addEventListener("htmx:afterSwap", (event) => {
  const field = document.getElementById(event.target.dataset?.saysOf ?? "");
  if (!field) return;
  if (event.target.querySelector(".field-errors")) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
});
