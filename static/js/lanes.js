// Lanes of the live feed: for each of the agents that act now, the last minute second by second. Markup:
//   [data-lanes]      holds template#lane (one lane: a, [data-part=lane] svg, [data-part=sum]) and ol [data-part=lanes]
//   template#lane-bar one <rect> in an svg, cloned for each second
// Fed by feed.js through the event "calls" on document. A bar is as high as there were calls (logarithmic); its
// class is the gravest outcome of that second; what is not allowed is also told in words at the end of the lane.
(() => {
  const box = document.querySelector("[data-lanes]");
  if (!box) return;
  const list = box.querySelector('[data-part="lanes"]');
  const shape = box.querySelector("#lane");
  const bar = box.querySelector("#lane-bar");
  const SECONDS = 60;
  const MOST_LANES = 8;
  const GRAVITY = ["pending", "allowed", "flagged", "anomaly", "blocked", "violation"];
  const lanes = new Map();

  const laneOf = (call) => {
    const key = call.agent ? call.agent.id : call.agent_name;
    if (!lanes.has(key)) {
      const row = shape.content.firstElementChild.cloneNode(true);
      const link = row.querySelector("a");
      link.textContent = call.agent ? call.agent.name : `${call.agent_name || "Unknown"}, not yet known`;
      if (call.agent) link.href = `/agents/${call.agent.id}/activity/`;
      lanes.set(key, { row, name: link.textContent, seconds: new Map(), told: new Map(), last: 0 });
    }
    return lanes.get(key);
  };

  const note = (call) => {
    const lane = laneOf(call);
    const before = lane.told.get(call.id);
    const at = before ? before.at : Math.floor(Date.now() / 1000);
    const second = lane.seconds.get(at) ?? { calls: 0, outcomes: {} };
    if (before) second.outcomes[before.outcome] -= 1;
    else second.calls += 1;
    second.outcomes[call.outcome] = (second.outcomes[call.outcome] ?? 0) + 1;
    lane.seconds.set(at, second);
    lane.told.set(call.id, { at, outcome: call.outcome });
    lane.last = Math.max(lane.last, at);
  };

  const forget = (lane, now) => {
    lane.seconds.forEach((_, at) => { if (at <= now - SECONDS) lane.seconds.delete(at); });
    lane.told.forEach((told, id) => { if (told.at <= now - SECONDS) lane.told.delete(id); });
  };

  const gravest = (outcomes) => GRAVITY.findLast((name) => outcomes[name] > 0) ?? "pending";

  const draw = (lane, now) => {
    const drawing = lane.row.querySelector('[data-part="lane"]');
    const sums = {};
    const bars = [];
    lane.seconds.forEach((second, at) => {
      const one = bar.content.querySelector("rect").cloneNode(true);
      const height = Math.min(18, 4 + 4 * Math.log2(second.calls));
      one.setAttribute("x", `${(100 * (SECONDS - (now - at) - 1)) / SECONDS}%`);
      one.setAttribute("y", String(20 - height));
      one.setAttribute("height", String(height));
      one.setAttribute("class", `lane-${gravest(second.outcomes)}`);
      bars.push(one);
      Object.entries(second.outcomes).forEach(([name, count]) => { sums[name] = (sums[name] ?? 0) + count; });
    });
    drawing.replaceChildren(...bars);
    const calls = [...lane.seconds.values()].reduce((sum, second) => sum + second.calls, 0);
    const graver = GRAVITY.slice(2).reverse().filter((name) => sums[name]).map((name) => `${sums[name]} ${name}`);
    const words = [`${calls} call${calls === 1 ? "" : "s"}`, ...graver].join(", ");
    lane.row.querySelector('[data-part="sum"]').textContent = words;
    drawing.setAttribute("aria-label", `${lane.name}, last minute: ${words}`);
  };

  const tick = () => {
    if (document.hidden) return;
    const now = Math.floor(Date.now() / 1000);
    lanes.forEach((lane, key) => {
      forget(lane, now);
      if (!lane.seconds.size) { lane.row.remove(); lanes.delete(key); }
    });
    const shown = [...lanes.values()].sort((a, b) => b.last - a.last).slice(0, MOST_LANES);
    shown.sort((a, b) => a.name.localeCompare(b.name));
    shown.forEach((lane) => draw(lane, now));
    const rows = shown.map((lane) => lane.row);
    if (rows.length !== list.children.length || rows.some((row, at) => list.children[at] !== row)) list.replaceChildren(...rows);
    box.hidden = !rows.length;
  };

  document.addEventListener("calls", (event) => event.detail.forEach(note));
  setInterval(tick, 1000);
})();
