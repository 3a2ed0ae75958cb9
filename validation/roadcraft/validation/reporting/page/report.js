"use strict";
(() => {
  const D = JSON.parse(document.getElementById("report-data").textContent);
  const S = JSON.parse(document.getElementById("report-scenes").textContent);
  const $ = (id) => document.getElementById(id);
  const COLOURS = ["#2f7d4f", "#8a5a00", "#7b4fb5", "#2563a8", "#c2410c", "#be185d", "#0e7490", "#4d7c0f"];
  const KINDS = ["vehicle", "pedestrian", "bicycle", "cone", "barrier", "sign", "object"];
  const KIND_COLOURS = ["#7c8794", "#d08a1d", "#b66ad0", "#e0662f", "#a5714c", "#c4a300", "#8b8b8b"];
  const LIGHTS = ["#22a35a", "#e3a008", "#d63a35", "#8b929a"];
  const MODE_NAMES = { nonreactive: "non-reactive", reactive: "reactive", open_loop: "open loop" };
  const el = (tag, props = {}, ...kids) => {
    const e = Object.assign(document.createElement(tag), props);
    for (const k of kids) e.append(k);
    return e;
  };
  const pct = (v) => (v === null || v === undefined ? "–" : (100 * v).toFixed(1));
  const tint = (v) => (v === null ? "" : `background: rgba(var(--${v < 0.75 ? "bad" : "good"}), ${(v < 0.75 ? 0.1 + 0.35 * (1 - v / 0.75) : 0.06 + 0.24 * (v - 0.75) / 0.25).toFixed(3)})`);
  const breakable = (name) => name.length < 16 ? [name] : name.split(/(?<=_)/).flatMap((w) => [w, el("wbr")]);
  const words = (name) => name.replace(/^no_ego_/, "no ").replace(/^ego_/, "").replaceAll("_", " ");

  // ---- tables ----
  $("about").textContent = `${D.planners.length} planner${D.planners.length > 1 ? "s" : ""}, ${new Set(D.scenarios.map((s) => s.token)).size} scenarios of ${D.data.join(", ")}; seed ${D.seeds.join(", ")}`;
  $("foot").textContent = `roadcraft ${D.version}. Data licence: ${D.licences.join("; ") || "not stated"}. Scores as nuPlan defines them; this page needs no network.`;

  const head = el("tr", {}, el("th", { textContent: "planner" }));
  for (const m of D.modes) head.append(el("th", { textContent: MODE_NAMES[m] }));
  head.append(el("th", { textContent: "scenarios" }), el("th", { textContent: "failed" }));
  $("scores").append(el("thead", {}, head));
  for (const row of D.scores) {
    const tr = el("tr", {}, el("td", { textContent: row.label }));
    let count = 0, failed = 0;
    for (const m of D.modes) {
      const c = row.modes[m];
      const td = el("td");
      if (c) {
        count = Math.max(count, c.count); failed += c.failed;
        td.append(pct(c.score));
        const bar = el("span", { className: "ci", title: c.interval ? `95 % interval ${pct(c.interval[0])} to ${pct(c.interval[1])}` : `no interval: ${c.logs} log${c.logs === 1 ? "" : "s"}, 10 are needed` });
        if (c.interval) bar.append(el("i", { style: `left:${100 * c.interval[0]}%;width:${100 * (c.interval[1] - c.interval[0])}%` }));
        bar.append(el("b", { style: `left:${100 * c.score}%` }));
        td.append(bar);
        if (c.interval) td.append(el("span", { className: "note", textContent: `${pct(c.interval[0])} – ${pct(c.interval[1])}` + (c.failed ? `; nuPlan's mean ${pct(c.nuplan_score)}` : "") }));
        for (const [k, v] of Object.entries(c.shares)) td.append(el("span", { className: "note", textContent: `${k.replace("guard_", "guard ")} in ${pct(v)} % of steps` }));
      } else td.append("–");
      tr.append(td);
    }
    tr.append(el("td", { textContent: count }), el("td", { textContent: failed }));
    $("scores").append(tr);
  }

  function heat(id, table, firstHead, roles) {
    const t = $(id);
    t.replaceChildren();
    const tr = el("tr", {}, el("th", { textContent: firstHead }));
    for (const c of table.columns) {
      const th = el("th");
      th.append(...(roles ? [words(c)] : breakable(c)));
      if (roles) th.append(el("small", { textContent: roles[c] }));
      tr.append(th);
    }
    t.append(el("thead", {}, tr));
    for (const row of table.rows) {
      const r = el("tr", {}, el("td", {}, ...breakable(row.label), row.count ? ` (${row.count})` : ""));
      row.cells.forEach((v) => r.append(el("td", { textContent: pct(v), style: tint(v) })));
      t.append(r);
    }
  }
  const draw = { metrics: (m) => heat("metrics", D.metrics[m], "planner", D.roles), types: (m) => heat("types", D.types[m], "type", null) };
  for (const box of document.querySelectorAll(".modes")) {
    const target = box.dataset.target;
    for (const m of D.modes) {
      const b = el("button", { textContent: MODE_NAMES[m] });
      b.onclick = () => { for (const o of box.children) o.setAttribute("aria-pressed", o === b); draw[target](m); };
      box.append(b, " ");
    }
    box.firstElementChild?.click();
  }

  // ---- the list ----
  const option = (v, t) => el("option", { value: v, textContent: t });
  $("order").append(option("mean", "all planners"), ...D.planners.map((p, i) => option(String(i), p)));
  $("mode").append(option("", "all"), ...D.modes.map((m) => option(m, MODE_NAMES[m])));
  $("type").append(option("", "all"), ...[...new Set(D.scenarios.map((s) => s.type))].sort().map((t) => option(t, t)));
  const key = (s) => `${s.token}|${s.mode}`;
  const mean = (s) => { const r = s.results.filter(Boolean); return r.reduce((a, x) => a + x.score, 0) / r.length; };
  let chosen = null;
  function list() {
    const by = $("order").value, mode = $("mode").value, type = $("type").value;
    const value = (s) => (by === "mean" ? mean(s) : s.results[by] ? s.results[by].score : 2);
    const rows = D.scenarios.filter((s) => (!mode || s.mode === mode) && (!type || s.type === type) && (!$("replayable").checked || S[key(s)]));
    rows.sort((a, b) => value(a) - value(b));
    $("list").replaceChildren(...rows.map((s) => {
      const cells = el("div", { className: "cells" });
      s.results.forEach((r, i) => cells.append(el("span", { textContent: r ? (r.status === "ok" ? Math.round(100 * r.score) : "failed") : "–", title: D.planners[i], style: r ? tint(r.score) : "" })));
      const b = el("button", { className: "item" + (S[key(s)] ? "" : " none") },
        el("div", { className: "top" }, el("strong", { textContent: s.type.replaceAll("_", " ") }), el("span", { className: "dim", textContent: MODE_NAMES[s.mode] })),
        el("div", { className: "dim", textContent: `${s.token} · ${s.log}`, style: "font-size:12px;overflow:hidden;text-overflow:ellipsis" }), cells);
      b.setAttribute("role", "option");
      b.dataset.key = key(s);
      b.setAttribute("aria-selected", chosen === key(s));
      b.onclick = () => open(s);
      return b;
    }));
    if (!rows.length) $("list").append(el("p", { className: "dim", textContent: "No scenario passes these filters.", style: "padding:12px" }));
    return rows;
  }
  for (const id of ["order", "mode", "type", "replayable"]) $(id).onchange = list;

  // ---- unpacking ----
  async function inflate(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }
  const FAR = 32767;
  function points(flat, unit) {
    const out = new Float32Array(flat.length);
    let x = 0, y = 0;
    for (let i = 0; i < flat.length; i += 2) { x += flat[i]; y += flat[i + 1]; out[i] = x * unit; out[i + 1] = y * unit; }
    return out;
  }
  function unpack(scene) {
    const u = scene.unit;
    for (const k of ["road", "carpark", "walk", "crosswalk", "stop", "lane", "line", "edge"]) scene.map[k] = scene.map[k].map((p) => points(p, u));
    scene.lineOf = new Map(scene.map.line_id.map((id, i) => [id, scene.map.line[i]]));
    for (const t of scene.traffic) for (const o of t.objects) {
      if (o.p.length === 3 && o.n > 1) { o.still = [o.p[0] * u, o.p[1] * u, o.p[2] * 1e-4]; continue; }
      const q = new Float32Array(o.p.length);
      let a = 0, b = 0, c = 0;
      for (let i = 0; i < o.p.length; i += 3) {
        a += o.p[i]; b += o.p[i + 1]; c += o.p[i + 2];
        const gone = a === FAR;
        q[i] = gone ? NaN : a * u; q[i + 1] = b * u; q[i + 2] = c * 1e-4;
      }
      o.q = q;
    }
    for (const d of scene.drives) if (d) {
      d.x = d.t.map((_, i) => d.pose[3 * i] * u); d.y = d.t.map((_, i) => d.pose[3 * i + 1] * u); d.h = d.t.map((_, i) => d.pose[3 * i + 2] * 1e-4);
      d.plans = d.plans.map(([s, p]) => [s, points(p, u)]);
    }
    return scene;
  }

  // ---- the replay ----
  let scene = null, row = null, main = 0, shown = [], step = 0, zoom = 1, pan = [0, 0], timer = null;
  async function open(s, byHand = true) {
    chosen = key(s);
    for (const b of $("list").querySelectorAll(".item")) b.setAttribute("aria-selected", b.dataset.key === chosen);
    row = s;
    stop();
    $("no-replay").hidden = true;
    $("replay").hidden = false;
    $("r-title").textContent = s.type.replaceAll("_", " ");
    $("r-sub").textContent = `${MODE_NAMES[s.mode]} · ${s.token} · ${s.log}`;
    scene = S[chosen] ? unpack(await inflate(S[chosen])) : null;
    const present = D.planners.map((_, i) => i).filter((i) => scene && scene.drives[i]);
    const lowest = present.slice().sort((a, b) => s.results[a].score - s.results[b].score)[0];
    main = present.includes(main) && shown.length ? main : lowest ?? 0;
    shown = D.planners.map((_, i) => i === main);
    step = 0; zoom = 1; pan = [0, 0];
    chips();
    layout();
    why();
    if (byHand && window.innerWidth <= 860) $("replay").scrollIntoView({ block: "start" });
  }
  function chips() {
    $("r-planners").replaceChildren(...D.planners.map((p, i) => {
      const r = row.results[i];
      const b = el("button", { className: i === main ? "main" : "", title: "click: show or hide; double click: follow" },
        el("i", { style: `background:${COLOURS[i % COLOURS.length]}` }), `${p} ${r ? (r.status === "ok" ? Math.round(100 * r.score) : "failed") : "–"}`);
      b.setAttribute("aria-pressed", shown[i]);
      b.disabled = !(scene && scene.drives[i]) && !(r && r.status !== "ok");
      b.onclick = () => {
        if (shown[i] && i !== main) shown[i] = false;
        else { shown[i] = true; main = i; }
        chips(); layout(); why();
      };
      return b;
    }));
  }
  const drive = () => scene && scene.drives[main];
  function layout() {
    const d = drive();
    $("scrub").max = d ? d.t.length - 1 : 0;
    step = Math.min(step, +$("scrub").max);
    for (const id of ["view", "p-speed", "p-accel"]) {
      const c = $(id), k = window.devicePixelRatio || 1, w = c.clientWidth, h = c.clientHeight;
      c.width = Math.round(w * k); c.height = Math.round(h * k);
      c.getContext("2d").setTransform(k, 0, 0, k, 0, 0);
    }
    $("legend").replaceChildren(...(scene ? kindsHere() : []));
    paint();
  }
  function kindsHere() {
    const kinds = [...new Set(scene.traffic.flatMap((t) => t.objects.map((o) => o.k)))].sort();
    return kinds.map((k) => el("span", {}, el("i", { style: `background:${KIND_COLOURS[k]}` }), KINDS[k])).concat(el("span", { textContent: "thin line: plan; dotted: driven path" }));
  }
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  function paint() {
    $("scrub").value = step;
    const d = drive();
    $("clock").textContent = d ? `${(d.t[step] / 1000).toFixed(1)} s` : "";
    $("r-now").textContent = d ? `${D.planners[main]}: ${(d.speed[step] / 100).toFixed(1)} m/s, ${(d.accel[step] / 100).toFixed(1)} m/s²` : "no rollout of this planner";
    view();
    plot("p-speed", "speed, m/s", (d) => d.speed, 0, null);
    plot("p-accel", "acceleration, m/s²", (d) => d.accel, -4.05, 2.4);
    document.body.dataset.step = step;
  }
  function view() {
    const c = $("view"), g = c.getContext("2d"), w = c.clientWidth, h = c.clientHeight, d = drive();
    g.clearRect(0, 0, w, h);
    if (!d) return;
    const scale = (Math.min(w, h * 1.6) / 90) * zoom, cx = d.x[step] + pan[0], cy = d.y[step] + pan[1];
    const X = (x) => w / 2 + (x - cx) * scale, Y = (y) => h / 2 - (y - cy) * scale;
    const trace = (p) => { g.beginPath(); for (let i = 0; i < p.length; i += 2) (i ? g.lineTo : g.moveTo).call(g, X(p[i]), Y(p[i + 1])); };
    const fill = (polys, colour) => { g.fillStyle = colour; for (const p of polys) { trace(p); g.closePath(); g.fill(); } };
    const m = scene.map;
    fill(m.walk, style("--walk")); fill(m.carpark, style("--carpark")); fill(m.road, style("--road")); fill(m.lane, style("--lane"));
    g.lineWidth = 1; g.strokeStyle = style("--edge");
    for (const p of m.edge) { trace(p); g.stroke(); }
    fill(m.crosswalk, style("--cross"));
    g.setLineDash([4, 6]); g.strokeStyle = style("--centre");
    for (const p of m.line) { trace(p); g.stroke(); }
    g.setLineDash([]);
    const t = scene.traffic[scene.traffic_of[main]];
    let lights = [];
    for (const [s, now] of t.lights) if (s <= step) lights = now; else break;
    g.lineWidth = 3; g.globalAlpha = 0.75;
    for (const [id, state] of lights) { const p = scene.lineOf.get(id); if (p) { g.strokeStyle = LIGHTS[state]; trace(p.subarray(0, Math.min(p.length, 24))); g.stroke(); } }
    g.globalAlpha = 1;
    const box = (x, y, a, back, front, width, colour, hollow) => {
      g.save(); g.translate(X(x), Y(y)); g.rotate(-a);
      g.fillStyle = colour; g.strokeStyle = colour; g.lineWidth = 1.6;
      g.beginPath(); g.rect(back * scale, (-width / 2) * scale, (front - back) * scale, width * scale);
      if (hollow) g.stroke(); else g.fill();
      if (front - back > 1.5) { g.beginPath(); g.moveTo(front * scale, 0); g.lineTo((front - Math.min(1, width / 2)) * scale, (-width / 3) * scale); g.lineTo((front - Math.min(1, width / 2)) * scale, (width / 3) * scale); g.closePath(); g.fillStyle = hollow ? colour : "rgba(255,255,255,.75)"; g.fill(); }
      g.restore();
    };
    const hit = new Set(eventsHere().map((e) => e[2]).filter(Boolean));
    for (const o of t.objects) {
      const i = step - o.a;
      if (i < 0 || i >= o.n) continue;
      const [x, y, a] = o.still || [o.q[3 * i], o.q[3 * i + 1], o.q[3 * i + 2]];
      if (Number.isNaN(x)) continue;
      const [l, wd] = [Math.max(o.s[0], 0.5), Math.max(o.s[1], 0.5)];
      box(x, y, a, -l / 2, l / 2, wd, KIND_COLOURS[o.k], false);
      if (hit.has(o.id)) box(x, y, a, -l / 2 - 0.4, l / 2 + 0.4, wd + 0.8, "#d63a35", true);
    }
    for (const i of D.planners.keys()) {
      const e = scene.drives[i];
      if (!shown[i] || !e || i === main) continue;
      const k = Math.min(step, e.t.length - 1);
      ego(e, k, COLOURS[i % COLOURS.length], true);
    }
    ego(d, step, COLOURS[main % COLOURS.length], false);
    function ego(e, k, colour, hollow) {
      g.strokeStyle = colour; g.lineWidth = 1.2; g.setLineDash([2, 4]);
      g.beginPath(); e.x.forEach((x, i) => (i ? g.lineTo : g.moveTo).call(g, X(x), Y(e.y[i]))); g.stroke(); g.setLineDash([]);
      let plan = null;
      for (const [s, p] of e.plans) if (s <= k) plan = p; else break;
      if (plan) { g.lineWidth = 2.2; trace(plan); g.stroke(); }
      const [mid, len, wid] = e.size;
      box(e.x[k], e.y[k], e.h[k], mid - len / 2, mid + len / 2, wid, colour, hollow);
    }
    g.strokeStyle = style("--dim"); g.fillStyle = style("--dim"); g.lineWidth = 1; g.font = "11px system-ui";
    g.beginPath(); g.moveTo(14, h - 14); g.lineTo(14 + 10 * scale, h - 14); g.stroke(); g.fillText("10 m", 14, h - 19);
  }
  function eventsOf(i) {
    const r = row.results[i];
    return r ? r.lost.flatMap((l) => l.events.map((e) => [e[0], `${words(l.name)}: ${e[1]}`, e[2]])) : [];
  }
  const eventsHere = () => eventsOf(main).filter((e) => Math.abs(e[0] - step) <= 5);
  function plot(id, label, pick, low, high) {
    const c = $(id), g = c.getContext("2d"), w = c.clientWidth, h = c.clientHeight;
    g.clearRect(0, 0, w, h);
    const some = D.planners.map((_, i) => i).filter((i) => shown[i] && scene && scene.drives[i]);
    if (!some.length) return;
    const values = some.flatMap((i) => pick(scene.drives[i]).map((v) => v / 100));
    let a = Math.min(...values, low ?? Infinity), b = Math.max(...values, high ?? -Infinity);
    if (b - a < 1) b = a + 1;
    const pad = 34, last = Math.max(...some.map((i) => scene.drives[i].t.length - 1), 1);
    const X = (s) => pad + (s / last) * (w - pad - 6), Y = (v) => h - 14 - ((v - a) / (b - a)) * (h - 32);
    g.font = "11px system-ui"; g.fillStyle = style("--dim"); g.fillText(label, pad, 11);
    g.strokeStyle = style("--line"); g.lineWidth = 1;
    for (const v of [a, (a + b) / 2, b]) { g.beginPath(); g.moveTo(pad, Y(v)); g.lineTo(w - 6, Y(v)); g.stroke(); g.fillText(v.toFixed(1), 2, Y(v) + 4); }
    for (const v of [low, high]) if (v !== null && v !== 0) { g.setLineDash([3, 4]); g.strokeStyle = "#d63a35"; g.beginPath(); g.moveTo(pad, Y(v)); g.lineTo(w - 6, Y(v)); g.stroke(); g.setLineDash([]); }
    for (const i of some) {
      g.strokeStyle = COLOURS[i % COLOURS.length]; g.lineWidth = i === main ? 2 : 1.2;
      g.beginPath(); pick(scene.drives[i]).forEach((v, s) => (s ? g.lineTo : g.moveTo).call(g, X(s), Y(v / 100))); g.stroke();
    }
    g.fillStyle = "#d63a35";
    for (const [s] of eventsOf(main)) { g.beginPath(); g.moveTo(X(s), h - 14); g.lineTo(X(s) - 4, h - 5); g.lineTo(X(s) + 4, h - 5); g.fill(); }
    g.strokeStyle = style("--fg"); g.lineWidth = 1; g.beginPath(); g.moveTo(X(step), 14); g.lineTo(X(step), h - 14); g.stroke();
    c.onpointerdown = (e) => { const s = Math.round(((e.offsetX - pad) / (w - pad - 6)) * last); go(s); };
  }
  function why() {
    const out = [];
    D.planners.forEach((p, i) => {
      const r = row.results[i];
      if (!r || !(shown[i] || i === main)) return;
      out.push(el("h3", { textContent: `${p}: ${r.status === "ok" ? pct(r.score) : "failed"}` }));
      if (r.failure) out.push(el("p", { textContent: r.failure }));
      if (!r.lost.length && r.status === "ok") out.push(el("p", { className: "dim", textContent: "Nothing lost." }));
      const ul = el("ul");
      for (const l of r.lost) {
        const li = el("li", {}, `${words(l.name)} ${pct(l.score)}`);
        l.events.forEach((e, n) => {
          const b = el("button", { textContent: `${e[1]} (step ${e[0]})` });
          b.onclick = () => { main = i; shown[i] = true; chips(); layout(); go(e[0]); };
          li.append(n ? ", " : ": ", b);
        });
        ul.append(li);
      }
      out.push(ul);
    });
    $("why").replaceChildren(...out);
  }
  const go = (s) => { step = Math.max(0, Math.min(+$("scrub").max, s)); paint(); };
  function stop() { if (timer) clearInterval(timer); timer = null; $("play").textContent = "▶"; $("play").setAttribute("aria-label", "Play"); }
  $("play").onclick = () => {
    if (timer) return stop();
    if (step >= +$("scrub").max) step = 0;
    $("play").textContent = "⏸"; $("play").setAttribute("aria-label", "Pause");
    timer = setInterval(() => { if (step >= +$("scrub").max) stop(); else go(step + 1); }, 100);
  };
  $("scrub").oninput = (e) => go(+e.target.value);
  $("zoom-in").onclick = () => { zoom = Math.min(zoom * 1.4, 8); paint(); };
  $("zoom-out").onclick = () => { zoom = Math.max(zoom / 1.4, 0.25); paint(); };
  let from = null;
  $("view").onpointerdown = (e) => { from = [e.clientX, e.clientY, ...pan]; };
  $("view").onpointermove = (e) => {
    if (!from) return;
    const scale = (Math.min($("view").clientWidth, $("view").clientHeight * 1.6) / 90) * zoom;
    pan = [from[2] - (e.clientX - from[0]) / scale, from[3] + (e.clientY - from[1]) / scale];
    view();
  };
  window.addEventListener("pointerup", () => { from = null; });
  window.addEventListener("resize", () => row && layout());
  window.addEventListener("keydown", (e) => {
    if (!row || ["INPUT", "SELECT"].includes(e.target.tagName)) return;
    if (e.key === "ArrowRight") go(step + 1);
    else if (e.key === "ArrowLeft") go(step - 1);
    else if (e.key === " ") { e.preventDefault(); $("play").click(); }
  });
  const first = list();
  if (first.length && S[key(first[0])]) open(first[0], false);
})();
