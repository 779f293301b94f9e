// The pages work as plain forms without this file. It makes them live: the station
// says over one stream that something changed, never what; the parts of the page
// that show it are then asked for again, by htmx.
"use strict";
(() => {
  const body = document.body;
  const told = {}; // how often each name was fired
  const fire = (name) => {
    told["live:" + name] = (told["live:" + name] || 0) + 1;
    body.dispatchEvent(new CustomEvent("live:" + name));
  };
  // htmx notes the page's address for a history that is switched off; the browser would
  // keep it on its disk.
  try { sessionStorage.clear(); } catch { /* it has none */ }
  const log = () => document.getElementById("log");
  let unseen = 0;

  // Live updates. A stream that broke is opened again, after hours as well. Until
  // then the page says that it may be old, claims nothing about the traffic, and
  // sends nothing that would be lost.
  let stream, lost = false, leaving = false, tell;
  const listen = () => {
    stream = new EventSource("/live");
    stream.addEventListener("traffic", () => fire("traffic"));
    stream.addEventListener("people", () => fire("people"));
    stream.addEventListener("talk", (e) => fire("talk-" + e.data));
    stream.addEventListener("room", (e) => fire("room-" + e.data));
    stream.addEventListener("arrived", (e) => arrived(e.data));
    stream.addEventListener("locked", () => { leaving = true; location.replace("/unlock"); });
    stream.addEventListener("error", () => {
      stream.close(); // whether somebody is there again is asked below
      if (leaving) return;
      if (!lost) tell = setTimeout(away, 2500); // a moment is not worth a word
      lost = true;
      setTimeout(look, 1000);
    });
    // After a gap, also the one between the making of the page and its stream, look at
    // everything again.
    stream.addEventListener("hello", (e) => {
      clearTimeout(tell);
      if (!lost && e.data === body.dataset.told) return;
      lost = false;
      document.getElementById("away").hidden = true;
      fire("traffic"); fire("people");
      if (body.dataset.about) fire(body.dataset.about);
      for (const form of document.querySelectorAll("form[data-unkept]")) form.dispatchEvent(new Event("input"));
    });
  };
  const away = () => {
    document.getElementById("away").hidden = false;
    const claim = document.querySelector("#facts a");
    claim.className = "unusual";
    claim.textContent = body.dataset.unknown;
  };
  const reach = async (signal) => {
    try { return await fetch("/part/facts", { headers: { "HX-Request": "true", "X-Refresh": "yes" }, signal }); } catch { return null; /* nobody there */ }
  };
  const look = async () => {
    const r = await reach();
    if (leaving) return;
    if (!r || r.status >= 500) { setTimeout(look, 2000); return; }
    if (r.status === 200) { listen(); return; }
    // The station is there and does not know this page any more.
    if (!document.querySelector("form[data-unkept], form[data-typed]:not([data-draft])")) { leaving = true; location.replace("/unlock"); return; }
    clearTimeout(tell);
    away();
    document.getElementById("away").classList.add("again");
  };
  // Once htmx, which was loaded before, listens to what is fired.
  if (document.getElementById("people")) document.addEventListener("DOMContentLoaded", listen);
  body.addEventListener("input", (e) => { if (e.target.form) e.target.form.dataset.typed = "yes"; });
  body.addEventListener("htmx:beforeRequest", (e) => { if (lost) e.preventDefault(); });
  // What is sent while the stream is broken goes out if the station is there, and stays
  // on the page if not: a button that locks must not fail for a moment's sake. Nor must
  // it go out long after the button was pressed, or with what was typed since.
  const asking = new WeakSet(), there = new WeakSet();
  document.addEventListener("submit", async (e) => {
    const form = e.target, by = e.submitter;
    if (!lost || there.delete(form)) return;
    e.preventDefault();
    e.stopPropagation();
    if (asking.has(form)) return;
    asking.add(form);
    form.ariaBusy = "true";
    let changed = false;
    const typed = () => { changed = true; };
    form.addEventListener("input", typed);
    const r = await reach(AbortSignal.timeout(5000));
    form.removeEventListener("input", typed);
    form.ariaBusy = null;
    asking.delete(form);
    if (!r || r.status !== 200) { away(); return; }
    if (changed) return;
    there.add(form);
    form.requestSubmit(by);
  }, true);
  // A page that the browser keeps whole, for the way back, is empty until it has asked
  // again whether it may be shown.
  window.addEventListener("pagehide", (e) => { leaving = true; if (stream) stream.close(); if (e.persisted) body.hidden = true; });
  window.addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
  if (document.getElementById("picture")) setInterval(() => { if (!document.hidden) fire("tick"); }, 1000);
  setInterval(() => { if (!document.hidden) fire("traffic"); }, 15000);

  // A part that is told of something while it is on its way was perhaps made before
  // that; what htmx queues for it goes with the element that it replaces, and the new
  // element listens only once it has settled. It is asked for once more.
  const asked = new WeakMap();
  body.addEventListener("htmx:beforeRequest", (e) => {
    const names = (e.detail.elt.getAttribute("hx-trigger") || "").match(/live:[\w-]+/g) || [];
    asked.set(e.detail.xhr, names.map((name) => [name, told[name]]));
  });
  const again = (e) => {
    for (const [name, n] of asked.get(e.detail.xhr) || []) {
      if (told[name] !== n) setTimeout(fire, 100, name.slice("live:".length));
    }
  };
  body.addEventListener("htmx:afterRequest", again); // also of one that changed nothing
  body.addEventListener("htmx:afterSettle", again);

  // A part that is replaced under somebody's fingers gives the focus back: to the same
  // control, else to the one in its place. Nobody starts again at the top of the page.
  const stops = (part) => [...part.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]")];
  const named = (n) => n.tagName + (n.id || n.getAttribute("href") || n.name || "") + n.textContent.replace(/\s+/g, " ").trim();
  let held = null;
  body.addEventListener("htmx:beforeSwap", (e) => {
    const part = e.detail.target, at = document.activeElement;
    if (!part || !part.id || at === body || !part.contains(at)) return;
    const place = stops(part).indexOf(at);
    held = { part: part.id, name: named(at), place };
  });
  body.addEventListener("htmx:afterSettle", () => {
    const was = held, part = was && document.getElementById(was.part);
    held = null;
    if (!part || document.activeElement && document.activeElement !== body) return;
    const all = stops(part);
    const to = all.find((n) => named(n) === was.name) || all[Math.min(was.place, all.length - 1)] || document.getElementById("main");
    to.focus({ preventScroll: true });
  });
  // Escape closes what was opened, from within it.
  document.addEventListener("keydown", (e) => {
    const open = e.key === "Escape" && e.target.closest && e.target.closest("details[open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });

  // Arrival: an announcement for screen readers, a notification if it was asked
  // for. Neither says from whom or what. One window speaks for all: one that somebody
  // looks at says at once that nothing needs to be said.
  const notify = () => {
    try { new Notification(body.dataset.title, { body: body.dataset.notice, tag: "backchannel", silent: true }); } catch { /* some browsers of phones never do */ }
  };
  const alone = (act) => {
    if (!navigator.locks) { act(); return; }
    navigator.locks.request("arrived", { ifAvailable: true }, (lock) => {
      if (!lock) return undefined;
      act();
      return new Promise((over) => { setTimeout(over, 5000); });
    });
  };
  const arrived = () => {
    document.getElementById("announce").textContent = "";
    setTimeout(() => { document.getElementById("announce").textContent = body.dataset.notice; }, 50);
    if (body.dataset.notify !== "yes" || !("Notification" in window) || Notification.permission !== "granted") return;
    if (!document.hidden) { alone(() => {}); return; }
    setTimeout(() => { if (document.hidden) alone(notify); }, 1500); // others are told within half a second, and a busy machine takes its time
  };
  // What this browser makes of the setting, which is the station's.
  const wanted = document.querySelector("[data-permission]");
  if (wanted) {
    const said = document.getElementById("permission"), ask = document.getElementById("ask");
    const permission = () => {
      const now = "Notification" in window ? Notification.permission : "none";
      said.textContent = wanted.checked ? said.dataset[now] : "";
      ask.hidden = !wanted.checked || now !== "default";
    };
    const request = async () => {
      if (wanted.checked && "Notification" in window && Notification.permission === "default") await Notification.requestPermission();
      permission();
    };
    wanted.addEventListener("change", request);
    ask.addEventListener("click", request);
    permission();
  }

  // The count in the title follows the lists.
  const title = () => {
    let n = 0;
    for (const list of document.querySelectorAll("#people, #rooms")) n += Number(list.dataset.unread);
    document.title = (n > 0 ? "(" + n + ") " : "") + body.dataset.title;
  };

  // A log that was at its end stays there when it grows.
  let atEnd = true;
  const measure = () => { const l = log(); if (l) atEnd = l.scrollHeight - l.scrollTop - l.clientHeight < 80; };
  const follow = () => { const l = log(); if (l && atEnd) l.scrollTop = l.scrollHeight; };
  body.addEventListener("htmx:beforeSwap", (e) => { if (e.target.id === "log") measure(); });
  body.addEventListener("htmx:afterSettle", (e) => {
    if (e.target.id === "log") { follow(); fire("people"); }
    title();
  });
  body.addEventListener("load", (e) => { if (e.target.tagName === "IMG") follow(); }, true); // a preview takes room only now
  if (log()) log().addEventListener("scroll", measure, { passive: true });
  if (log() && !new URLSearchParams(location.search).has("before")) log().scrollTop = log().scrollHeight;

  // Drafts are kept in the station's vault as one types.
  for (const form of document.querySelectorAll("form[data-draft]")) {
    const kept = form.querySelector(".kept");
    let timer, going = false;
    form.addEventListener("submit", () => { going = true; clearTimeout(timer); });
    form.addEventListener("input", (e) => {
      if (e.target.type === "file" || e.target.type === "checkbox") return;
      kept.textContent = "";
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const data = new URLSearchParams({ token: form.elements.token.value, kind: form.dataset.kind, text: form.elements.text.value });
        if (form.elements.subject) data.set("subject", form.elements.subject.value);
        let r = null;
        form.dataset.unkept = "yes"; // until the station says otherwise
        if (!lost) try { r = await fetch(form.dataset.draft, { method: "POST", body: data, headers: { "HX-Request": "true" } }); } catch { /* nobody there */ }
        if (!r || r.status !== 200) return;
        delete form.dataset.unkept;
        if (!going) kept.textContent = await r.text();
      }, 700);
    });
  }
  // Whoever has just sent a signal may write the next.
  const [came] = performance.getEntriesByType("navigation");
  if (came && came.type === "navigate" && came.redirectCount > 0 && location.hash === "#newest") {
    const next = document.querySelector("form.signal textarea");
    if (next) window.addEventListener("load", () => setTimeout(() => next.focus({ preventScroll: true }), 0)); // the way to #newest takes the focus
  }
  // Enter sends a signal; with Shift it is a new line.
  const signal = document.querySelector("form.signal textarea");
  if (signal) signal.addEventListener("keydown", (e) => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); signal.form.requestSubmit(); }
  });

  // On a narrow screen the part of a room that is shown is in view among the others.
  const tab = document.querySelector(".tabs [aria-current=page]");
  if (tab) tab.scrollIntoView({ block: "nearest", inline: "center" });

  // How long a letter takes, before it is sent.
  for (const form of document.querySelectorAll("form[data-estimate]")) {
    const at = document.getElementById("estimate");
    let timer;
    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        let n = new Blob([form.elements.text.value]).size;
        for (const f of form.elements.attachment.files) n += f.size;
        if (!n) return;
        const r = await fetch(form.dataset.estimate + "?bytes=" + n, { headers: { "HX-Request": "true" } });
        if (r.ok) at.textContent = await r.text();
      }, 300);
    });
  }
})();
