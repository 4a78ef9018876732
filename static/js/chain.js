// A decision chain: a step opens beside the list without a reload, [ and ] walk the cause, and the run can be played back.
(() => {
  "use strict";
  const list = document.querySelector("[data-steps]");
  if (!list) return;
  const inspector = document.querySelector("#inspector");
  const row = (number) => list.querySelector(`[data-step="${CSS.escape(String(number))}"]`);
  const current = () => list.querySelector("[aria-current]");
  let waiting = 0;
  let player = 0;

  // j and k of every page walk from where .is-at stands.
  const stand = (chosen) => {
    document.querySelector(".is-at")?.classList.remove("is-at");
    chosen?.classList.add("is-at");
  };
  const mark = (chosen) => {
    current()?.removeAttribute("aria-current");
    chosen.setAttribute("aria-current", "step");
    stand(chosen);
  };
  const fetchStep = (chosen) => {
    const arrows = new URLSearchParams(location.search).get("arrows");
    const address = `${list.dataset.steps}${chosen.dataset.step}/${arrows === "all" ? "?arrows=all" : ""}`;
    htmx.ajax("GET", address, { target: inspector });
  };
  // Keys held down move on at once; the step is fetched where they come to rest.
  const open = (chosen, pause = 0) => {
    if (!chosen || chosen === current()) return;
    mark(chosen);
    clearTimeout(waiting);
    waiting = setTimeout(() => fetchStep(chosen), pause);
  };
  list.addEventListener("focusin", (event) => open(event.target.closest("[data-step]"), 120));
  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = event.target.closest("[data-step], [data-goto]");
    if (!link) return;
    const chosen = row(link.dataset.step ?? link.dataset.goto);
    if (!chosen) return;
    event.preventDefault();
    chosen.focus({ preventScroll: true });
    chosen.scrollIntoView({ block: "nearest" });
    open(chosen);
  });

  // Playing back: the next step after as long as it really took, between a third of a second and two.
  const button = document.querySelector("[data-play]");
  const stop = () => {
    clearTimeout(player);
    player = 0;
    button.setAttribute("aria-pressed", "false");
    button.querySelector("span").textContent = "Play back";
  };
  const next = () => {
    const following = current()?.closest("li").nextElementSibling?.querySelector("[data-step]");
    if (!following) { stop(); return; }
    following.scrollIntoView({ block: "center" });
    open(following);
    const took = Number(following.closest("li").dataset.ms) || 0;
    player = setTimeout(next, Math.min(2000, Math.max(350, took)));
  };
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      if (player) { stop(); return; }
      button.setAttribute("aria-pressed", "true");
      button.querySelector("span").textContent = "Stop";
      const last = list.lastElementChild.querySelector("[data-step]");
      if (current() === last) open(list.querySelector("[data-step]"));
      player = setTimeout(next, 350);
    });
  }

  document.addEventListener("keydown", (event) => {
    const off = event.ctrlKey || event.metaKey || event.altKey || document.body.dataset.keys === "off";
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (off || typing || !["[", "]"].includes(event.key)) return;
    inspector.querySelector(event.key === "[" ? "[data-back]" : "[data-on]")?.click();
  });

  stand(current());
  const named = location.hash.match(/^#step-(\d+)$/);
  if (named && !new URLSearchParams(location.search).has("step")) open(row(named[1]));
})();
