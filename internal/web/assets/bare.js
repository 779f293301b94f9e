// What the pages without a session need: a page that the browser kept is asked for
// again, and the meter beside a new passphrase.
"use strict";
window.addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
// Escape closes what was opened, from within it.
document.addEventListener("keydown", (e) => {
  const open = e.key === "Escape" && e.target.closest && e.target.closest("details[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});
document.addEventListener("DOMContentLoaded", () => {
  for (const field of document.querySelectorAll("[data-strength]")) {
    const at = document.getElementById("strength"), meter = at.querySelector("meter"), text = at.querySelector("span");
    const hint = text.textContent;
    let timer;
    field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        if (!field.value) { meter.hidden = true; text.textContent = hint; return; }
        const body = new URLSearchParams({ token: field.form.elements.token.value, passphrase: field.value });
        const r = await fetch(field.dataset.strength, { method: "POST", body });
        if (!r.ok) return;
        const s = await r.json();
        meter.hidden = false; meter.value = s.score; text.textContent = s.text;
      }, 250);
    });
  }
});
