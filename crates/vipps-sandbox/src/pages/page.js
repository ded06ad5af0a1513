// Keeps the page current: asks once a second and replaces the parts that changed. Forms to
// fill in are in no part, so that they keep what was typed.
"use strict";

const SECOND = 1000;
const seen = new Map(); // by id: the markup of each part as the server last sent it

for (const part of document.querySelectorAll("[data-part]")) seen.set(part.id, part.outerHTML);

function replace(old, fresh) {
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...old.querySelectorAll("details[open]")].map((details) => details.id);
  old.replaceWith(fresh);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  // What had the focus may be gone, as a button is once it did its work.
  const next = focused && (document.getElementById(focused) ?? fresh.closest("section").querySelector("h2"));
  if (next) next.focus({ preventScroll: true });
}

function show(markup) {
  const template = document.createElement("template");
  template.innerHTML = markup;
  for (const fresh of template.content.querySelectorAll("[data-part]")) {
    const old = document.getElementById(fresh.id);
    if (!old || seen.get(fresh.id) === fresh.outerHTML) continue;
    seen.set(fresh.id, fresh.outerHTML);
    replace(old, fresh);
  }
}

async function refresh() {
  try {
    const answer = document.visibilityState === "visible" ? await fetch("/live") : null;
    if (answer?.ok) show(await answer.text());
  } catch {
    // The sandbox is gone; it may come back.
  }
  setTimeout(refresh, SECOND);
}

refresh();
