// The live feed. Markup it works on (templates/activity/feed.html):
//   [data-feed]              the <ol class="feed">; data-url the socket's path, data-position where the page
//                            stands, data-most how many lines are kept
//   template#feed-line       one <li>; parts by data-part: at, outcome, sign, agent, call, chain, tool, args, why, ms
//   template#outcome-<name>  the pill of each outcome, cloned into data-part="outcome"
//   template#effect-<name>   whether it happened, cloned before the reason
//   template#feed-fold       one <li> for allowed calls that are only counted; part: words
//   [data-sound], [data-dense]  buttons: a tone for violations, lines closer together
//   [data-pause], [data-waiting], #live, [data-gap], [data-none]
// Lines are found by id (data-id): a call that changes replaces its line, nothing is doubled. Texts are set
// with textContent only. While paused, calls are counted and the newest held, violations before all others, which
// are still announced; what was only counted is told on resume.
(() => {
  const feed = document.querySelector("[data-feed]");
  if (!feed) return;
  const live = document.getElementById("live");
  const say = document.getElementById("say");
  const pauseButton = document.querySelector("[data-pause]");
  const waiting = document.querySelector("[data-waiting]");
  const most = Number(feed.dataset.most) || 200;
  const shape = document.getElementById("feed-line");
  let position = Number(feed.dataset.position) || 0;
  let paused = false;
  let held = new Map();
  let counted = 0; // calls that came while paused, held or not
  let retry = 0;
  let announced = 0;
  let unsaid = { calls: 0, violations: 0 };

  const setLive = (state, words) => {
    live.className = `live${state ? ` is-${state}` : ""}`;
    live.textContent = words;
  };

  const clock = (iso) => {
    const at = new Date(iso);
    const pad = (n, width = 2) => String(n).padStart(width, "0");
    return `${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}:${pad(at.getUTCSeconds())}.${pad(at.getUTCMilliseconds(), 3)}`;
  };

  // As apps/kit/ui/formats.py says durations: the two largest units.
  const units = [[31536000, "year"], [86400, "day"], [3600, "h"], [60, "min"], [1, "s"]];
  const inWords = (count, word) => `${count.toLocaleString("en")} ${word}${word.length > 2 && word !== "min" && count !== 1 ? "s" : ""}`;
  const spoken = (seconds) => {
    const at = units.findIndex(([unit], place) => {
      const part = units[place + 1]?.[0];
      return part && Math.round(seconds / part) * part >= unit;
    });
    if (at < 0) return `${seconds.toFixed(1)} s`;
    const [[unit, word], [part, partWord]] = [units[at], units[at + 1]];
    const whole = Math.round(seconds / part) * part;
    const rest = Math.floor((whole % unit) / part);
    return inWords(Math.floor(whole / unit), word) + (rest ? ` ${inWords(rest, partWord)}` : "");
  };
  const took = (ms) => (ms === null ? "" : ms < 1000 ? `${Math.round(ms)} ms` : spoken(ms / 1000));

  const line = (call) => {
    const row = shape.content.firstElementChild.cloneNode(true);
    const part = (name) => row.querySelector(`[data-part="${name}"]`);
    row.dataset.id = call.id;
    row.classList.add(`is-${call.outcome}`);
    part("at").textContent = clock(call.at);
    part("at").dateTime = call.at;
    part("at").title = new Date(call.at).toISOString();
    const pill = document.getElementById(`outcome-${call.outcome}`);
    part("outcome").replaceWith((pill || document.getElementById("outcome-pending")).content.firstElementChild.cloneNode(true));
    const agent = part("agent");
    agent.textContent = call.agent ? call.agent.name : `${call.agent_name || "Unknown"}, not yet known`;
    if (call.agent) {
      agent.href = `/agents/${call.agent.id}/`;
      part("sign").setAttribute("d", call.agent.sign);
    }
    part("call").href = `/calls/${call.id}/`;
    if (call.conversation_id) part("chain").href = `/chains/${encodeURIComponent(call.conversation_id)}/`;
    else part("chain").replaceWith(document.createElement("span"));
    part("tool").textContent = call.tool;
    part("args").textContent = call.arguments ? `(${call.arguments})` : "";
    part("why").textContent = call.reason;
    const found = call.effect && document.getElementById(`effect-${call.effect}`);
    if (found) part("why").prepend(found.content.firstElementChild.cloneNode(true), " ");
    part("ms").textContent = took(call.duration_ms);
    return row;
  };

  const place = (call) => {
    const found = (id) => feed.querySelector(`[data-id="${CSS.escape(id)}"]`);
    const known = found(call.id);
    const fresh = line(call);
    call.replaces.forEach((id) => found(id)?.remove());
    if (known) {
      known.replaceWith(fresh);
      return;
    }
    feed.prepend(fresh);
    while (feed.children.length > most) feed.lastElementChild.remove();
  };

  const show = (calls) => {
    document.querySelector("[data-none]")?.remove();
    calls.slice(-most).forEach(place);
    unsaid.calls += calls.length;
  };

  const fold = (folded) => {
    const row = document.getElementById("feed-fold").content.firstElementChild.cloneNode(true);
    const calls = folded.calls.toLocaleString("en");
    row.querySelector('[data-part="words"]').textContent =
      `${calls} more of ${folded.agents} agent${folded.agents === 1 ? "" : "s"}, counted so that the feed keeps up. Nothing else was left out.`;
    feed.prepend(row);
    unsaid.calls += folded.calls;
  };

  // Allowed calls give way first.
  const hold = (calls) => {
    calls.forEach((call) => {
      [call.id, ...call.replaces].forEach((id) => held.delete(id));
      held.set(call.id, call);
    });
    if (held.size <= most) return;
    const ids = [...held.keys()];
    const quiet = ids.filter((id) => held.get(id).outcome === "allowed");
    [...quiet, ...ids].slice(0, held.size - most).forEach((id) => held.delete(id));
  };

  const release = () => {
    const missing = counted - held.size;
    if (missing > 0) {
      const row = document.getElementById("feed-fold").content.firstElementChild.cloneNode(true);
      row.querySelector('[data-part="words"]').textContent =
        `${missing.toLocaleString("en")} more while the feed stood still. The list of calls has them all.`;
      feed.prepend(row);
    }
    show([...held.values()]);
    held = new Map();
    counted = 0;
  };

  const count = (calls) => {
    counted += calls;
    waiting.textContent = `${counted.toLocaleString("en")} waiting`;
  };

  const announce = () => {
    const now = Date.now();
    if (now - announced < 1000 || !unsaid.calls) return;
    announced = now;
    say.textContent = unsaid.violations
      ? `${unsaid.violations} violation${unsaid.violations === 1 ? "" : "s"}, ${unsaid.calls} calls`
      : `${unsaid.calls} calls`;
    unsaid = { calls: 0, violations: 0 };
  };

  // Off until somebody turns it on, and only for what is a violation: one short tone, at most one in two seconds.
  const soundButton = document.querySelector("[data-sound]");
  let sound = null;
  let sounded = 0;
  const toggleSound = () => {
    if (sound) { sound.close(); sound = null; } else sound = new AudioContext();
    soundButton.setAttribute("aria-pressed", String(sound !== null));
    say.textContent = sound ? "A tone tells of violations" : "No tone";
  };
  const ring = () => {
    const now = Date.now();
    if (!sound || now - sounded < 2000) return;
    sounded = now;
    const [tone, loudness] = [sound.createOscillator(), sound.createGain()];
    loudness.gain.setValueAtTime(0.08, sound.currentTime);
    loudness.gain.exponentialRampToValueAtTime(0.001, sound.currentTime + 0.35);
    tone.frequency.value = 660;
    tone.connect(loudness).connect(sound.destination);
    tone.start();
    tone.stop(sound.currentTime + 0.35);
  };

  const denseButton = document.querySelector("[data-dense]");
  const setDense = (dense) => {
    feed.classList.toggle("feed-dense", dense);
    denseButton?.setAttribute("aria-pressed", String(dense));
    localStorage.setItem("feed-dense", dense ? "1" : "");
  };

  const take = (calls) => {
    document.dispatchEvent(new CustomEvent("calls", { detail: calls }));
    if (calls.some((call) => call.outcome === "violation")) ring();
    unsaid.violations += calls.filter((call) => call.outcome === "violation").length;
    if (!paused) {
      show(calls);
      return;
    }
    const fresh = calls.filter((call) => !held.has(call.id)).length;
    hold(calls);
    count(fresh);
    unsaid.calls += calls.length;
  };

  const togglePause = () => {
    paused = !paused;
    pauseButton.setAttribute("aria-pressed", String(paused));
    pauseButton.querySelector("span").textContent = paused ? "Resume" : "Pause";
    waiting.textContent = "";
    if (!paused) release();
    setLive(paused ? "paused" : "", paused ? "Paused" : "Live");
    say.textContent = paused ? "Feed paused" : "Feed resumed";
  };

  const connect = () => {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const query = new URLSearchParams(location.search);
    query.set("after", String(position));
    const socket = new WebSocket(`${scheme}://${location.host}${feed.dataset.url}?${query}`);
    socket.addEventListener("open", () => {
      retry = 0;
      setLive(paused ? "paused" : "", paused ? "Paused" : "Live");
    });
    socket.addEventListener("message", (event) => {
      const message = JSON.parse(event.data);
      position = message.position;
      feed.dataset.position = String(position);
      if (message.folded && paused) count(message.folded.calls);
      else if (message.folded) fold(message.folded);
      if (message.type === "calls") take(message.calls);
      if (message.type === "gap") document.querySelector("[data-gap]").hidden = false;
      announce();
    });
    socket.addEventListener("close", (event) => {
      if (event.code === 4401) {
        setLive("lost", "Signed out");
        location.reload();
        return;
      }
      retry += 1;
      const wait = Math.min(15, 2 ** Math.min(retry, 4)) * (0.7 + 0.6 * Math.random());
      setLive("lost", `Not connected, trying again in ${Math.ceil(wait)} s`);
      setTimeout(connect, wait * 1000);
    });
  };

  pauseButton?.addEventListener("click", togglePause);
  soundButton?.addEventListener("click", toggleSound);
  denseButton?.addEventListener("click", () => setDense(!feed.classList.contains("feed-dense")));
  setDense(localStorage.getItem("feed-dense") === "1");
  setInterval(announce, 1000);
  connect();
})();
