// Chancery's behaviour in the browser: keys, dialogs, palette, selection, toasts, theme, htmx settings.
// Everything it adds also works as a plain link or form without it.
(() => {
  "use strict";
  const root = document.documentElement;
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const token = () => one('meta[name="csrf-token"]')?.content ?? "";
  const say = (text) => { const box = one("#say"); if (box) box.textContent = text; };
  const setIcon = (within, name) => {
    const use = one("use", within);
    use?.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${name}`));
  };

  // Toasts: results of what somebody just did, gone after eight seconds unless pointed at or focused.
  const leave = (toast) => setTimeout(() => {
    if (toast.matches(":hover, :focus-within")) leave(toast); else toast.remove();
  }, 8000);
  const toast = (text, icon = "check") => {
    const shape = one("#toast-shape");
    if (!shape) return;
    const made = shape.content.firstElementChild.cloneNode(true);
    one("[data-toast-text]", made).textContent = text;
    setIcon(made, icon);
    one("#toasts").append(made);
    leave(made);
  };
  document.addEventListener("toast", (event) => toast(event.detail.text ?? event.detail.value, event.detail.icon));

  // Theme: the server keeps it in a cookie and writes it into the page; here it only changes without a reload.
  const themes = { "": ["light", "theme", "as system"], light: ["dark", "sun", "light"], dark: ["", "moon", "dark"] };
  const remember = (name, value, form) => fetch(form.action, {
    method: "POST",
    headers: { "X-Requested-With": "fetch" },
    body: new URLSearchParams({ [name]: value, csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value }),
  });
  const switchTheme = async (event) => {
    event.preventDefault();
    const button = one("button", event.target);
    const name = button.value;
    const answer = await remember("theme", name, event.target).catch(() => null);
    if (!answer?.ok) { toast("The theme was not changed. There is no connection.", "warn"); return; }
    if (name) root.dataset.theme = name; else delete root.dataset.theme;
    const [next, icon, word] = themes[name];
    button.value = next;
    button.setAttribute("aria-label", `Theme: ${word}`);
    setIcon(button, icon);
    say(`Theme: ${word}`);
  };
  const switchKeys = async (button) => {
    const on = document.body.dataset.keys !== "on";
    const answer = await remember("keys", on ? "on" : "off", one("[data-theme-form]")).catch(() => null);
    if (!answer?.ok) return;
    document.body.dataset.keys = on ? "on" : "off";
    button.setAttribute("aria-pressed", String(on));
    one("[data-keys-word]", button).textContent = on ? "on" : "off";
    say(`Single-key shortcuts ${on ? "on" : "off"}`);
  };

  // Rows that j and k walk: table rows that can be picked or opened, and anything marked data-row.
  const rows = () => all("tbody tr:has([data-row], th a), a[data-row], li[data-row]").filter((row) => row.offsetParent);
  const here = () => one(".is-at");
  const walk = (by) => {
    const list = rows();
    if (!list.length) return;
    const from = list.indexOf(here());
    here()?.classList.remove("is-at");
    const row = list[Math.max(0, Math.min(list.length - 1, from + by))];
    row.classList.add("is-at");
    (row.matches("a") ? row : one("a", row) ?? one("button, input", row))?.focus();
    row.scrollIntoView({ block: "nearest" });
  };

  // Selection and its bar; the bar shows itself by CSS, this keeps the count.
  const picked = () => {
    const bar = one("[data-bulk]");
    if (!bar) return;
    const boxes = all("[data-row][type=checkbox]");
    const count = boxes.filter((box) => box.checked).length;
    const every = one("[data-pick-all]");
    if (every) { every.checked = count > 0 && count === boxes.length; every.indeterminate = count > 0 && !every.checked; }
    one("[data-picked]", bar).textContent = `${count} selected`;
  };

  // Palette: agents come from the server, pages are filtered here.
  const options = () => all("#palette [role=option]").filter((option) => !option.closest("[hidden]"));
  const choose = (option) => {
    options().forEach((other) => other.setAttribute("aria-selected", String(other === option)));
    option?.scrollIntoView({ block: "nearest" });
    one("#palette input").setAttribute("aria-activedescendant", option?.id ?? "");
  };
  const filterPalette = () => {
    const words = one("#palette input").value.trim().toLowerCase();
    all("[data-palette-pages] li").forEach((line) => { line.hidden = !line.textContent.toLowerCase().includes(words); });
    one("[data-palette-pages]").hidden = !all("[data-palette-pages] li:not([hidden])").length;
    one("[data-palette-empty]").hidden = options().length > 0;
    choose(options()[0]);
  };
  const paletteKey = (event) => {
    const list = options();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const at = list.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (step && list.length) { event.preventDefault(); choose(list[(at + step + list.length) % list.length]); }
    if (event.key === "Enter") { event.preventDefault(); list[at]?.click(); }
  };
  const openPalette = () => {
    const palette = one("#palette");
    if (!palette || palette.open) return;
    palette.showModal();
    one("input", palette).select();
    filterPalette();
  };

  const keys = {
    "/": () => one("#q")?.focus(),
    "?": () => one("#keys")?.showModal(),
    j: () => walk(1),
    k: () => walk(-1),
    x: () => one("input[type=checkbox]", here() ?? document.createElement("i"))?.click(),
    e: () => one("[data-key=e]")?.click(),
    p: () => one("[data-pause]")?.click(),
    a: () => one("[data-key=a]")?.focus(),
    r: () => one("[data-key=r]")?.focus(),
    m: () => one("[data-key=m]")?.focus(),
  };
  let chordBegan = -Infinity;
  const typing = (target) => target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); openPalette(); return; }
    if (event.target.closest?.("#palette")) { paletteKey(event); return; }
    const off = event.ctrlKey || event.metaKey || event.altKey || document.body.dataset.keys === "off";
    if (off || typing(event.target) || one("dialog:modal")) return;
    // g, then s: the stop of the agent this page is about; it opens the dialog, which asks why.
    const isChord = event.key === "s" && event.timeStamp - chordBegan < 1500;
    chordBegan = event.key === "g" ? event.timeStamp : -Infinity;
    if (isChord) { event.preventDefault(); one("[data-chord=gs]")?.click(); return; }
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  document.addEventListener("click", (event) => {
    const hit = (selector) => event.target.closest(selector);
    const opener = hit("[data-open]");
    const opened = opener && one(`#${CSS.escape(opener.dataset.open)}`);
    if (opened) { event.preventDefault(); opened.showModal(); }
    if (hit("[data-close]")) hit("dialog")?.close();
    if (hit("[data-dismiss]")) hit("[data-toast]")?.remove();
    if (hit("[data-keys-toggle]")) switchKeys(hit("[data-keys-toggle]"));
    if (event.target.matches("dialog:modal")) event.target.close(); // the veil belongs to the dialog
  });
  document.addEventListener("submit", (event) => {
    if (event.target.matches("[data-theme-form]")) switchTheme(event);
    else event.submitter?.setAttribute("aria-busy", "true");
  });
  document.addEventListener("input", (event) => { if (event.target.closest("#palette")) filterPalette(); });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-pick-all]"))
      all("[data-row][type=checkbox]").forEach((box) => { box.checked = event.target.checked; });
    if (event.target.closest(".pick")) picked();
  });

  // htmx: the CSRF token travels as a header (its cookie is HttpOnly); refusals are shown, never swallowed.
  document.addEventListener("htmx:configRequest", (event) => { event.detail.headers["X-CSRFToken"] = token(); });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    if (!xhr.getResponseHeader("HX-Retarget")) return;
    event.detail.shouldSwap = true;
    const slot = one("dialog:modal [data-problem]");
    if (slot) event.detail.target = slot;
  });
  document.addEventListener("htmx:responseError", (event) => {
    const { xhr } = event.detail;
    if (xhr.getResponseHeader("HX-Retarget") || xhr.getResponseHeader("HX-Redirect")) return;
    toast(`This part did not load (${xhr.status}). Reference ${xhr.getResponseHeader("X-Request-ID") ?? "none"}`, "warn");
  });
  // The list is swapped, the filters beside it stay (they have the focus): their counts are taken from the answer.
  const recount = (html) => {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    all("[data-count]").forEach((box) => {
      const now = one(`[data-count="${CSS.escape(box.dataset.count)}"]`, fresh);
      box.textContent = now ? now.textContent : "0";
    });
  };
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, xhr, successful } = event.detail;
    if (successful && elt.id === "filters-form") recount(xhr.responseText);
  });
  document.addEventListener("htmx:sendError", () => toast("No connection. Nothing was changed.", "warn"));
  document.addEventListener("htmx:afterSettle", (event) => {
    one("[data-focus]", event.target)?.focus();
    if (event.target.closest?.("#palette")) filterPalette();
    const note = one("[data-announce]", event.target);
    if (note) say(note.textContent.trim());
    picked();
  });

  document.addEventListener("DOMContentLoaded", () => {
    all("[data-toast]").forEach(leave);
    one("[data-focus=load]")?.focus();
    picked();
  });
  window.addEventListener("pageshow", () => all("[aria-busy=true]:is(button)").forEach((button) => button.removeAttribute("aria-busy")));
})();
