// The dependency graph: drag to pan, wheel or buttons to zoom, arrows while it has the focus. Without script it scrolls.
(() => {
  "use strict";
  const box = document.querySelector("[data-graph-box]");
  const picture = box?.querySelector("[data-graph]");
  document.querySelectorAll("[data-submit]").forEach((field) => field.addEventListener("change", () => field.form.requestSubmit()));
  if (!picture) return;
  const whole = picture.getAttribute("viewBox").split(" ").map(Number);
  let view = [...whole];
  const draw = () => picture.setAttribute("viewBox", view.map((number) => number.toFixed(1)).join(" "));
  const zoom = (by, at = [0.5, 0.5]) => {
    if (!by) view = [...whole];
    else {
      const size = [view[2] / by, view[3] / by];
      if (size[0] < 200 || size[0] > whole[2] * 4) return;
      view = [view[0] + (view[2] - size[0]) * at[0], view[1] + (view[3] - size[1]) * at[1], ...size];
    }
    draw();
  };
  const move = (x, y) => { view[0] += x; view[1] += y; draw(); };
  box.classList.add("is-live");
  // A tall graph begins as large as it can be read, at the focus; the whole of it is one button away.
  const focus = picture.querySelector(".is-focus rect");
  const legible = picture.getBoundingClientRect().width;
  if (whole[3] > 900 || whole[2] > legible * 1.6) {
    const size = [Math.min(whole[2], legible), Math.min(whole[3], picture.getBoundingClientRect().height || 600)];
    const at = focus ? [Number(focus.getAttribute("x")) + 84, Number(focus.getAttribute("y")) + 21] : [size[0] / 2, size[1] / 2];
    const x = Math.max(0, Math.min(at[0] - size[0] * 0.7, whole[2] - size[0]));
    view = [x, Math.max(0, Math.min(at[1] - size[1] / 2, whole[3] - size[1])), ...size];
    draw();
  }
  const tools = document.querySelector("[data-graph-tools]");
  tools.hidden = false;
  tools.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zoom]");
    if (button) zoom(Number(button.dataset.zoom));
  });
  box.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // plain wheels scroll the page
    event.preventDefault();
    const area = picture.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.15 : 0.87, [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height]);
  }, { passive: false });
  let from = null;
  let dragged = false;
  picture.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY]; dragged = false; });
  window.addEventListener("pointermove", (event) => {
    if (!from) return;
    const scale = view[2] / picture.getBoundingClientRect().width;
    const by = [from[0] - event.clientX, from[1] - event.clientY];
    if (Math.abs(by[0]) + Math.abs(by[1]) < 4 && !dragged) return;
    dragged = true;
    move(by[0] * scale, by[1] * scale);
    from = [event.clientX, event.clientY];
  });
  window.addEventListener("pointerup", () => { from = null; });
  picture.addEventListener("click", (event) => { if (dragged) event.preventDefault(); }, true);
  picture.addEventListener("dragstart", (event) => event.preventDefault());
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  box.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (step) { event.preventDefault(); move(step[0] * view[2] / 12, step[1] * view[3] / 12); }
    if (event.key === "+" || event.key === "=") zoom(1.25);
    if (event.key === "-") zoom(0.8);
    if (event.key === "0") zoom(0);
  });
})();
