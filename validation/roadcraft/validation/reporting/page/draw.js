// The bird's-eye view and the plots of the replay's state R, which replay.js keeps.
const R = { scene: null, row: null, main: 0, shown: [], step: 0, zoom: 1, pan: [0, 0] };
const drive = () => R.scene && R.scene.drives[R.main];
const scaleOf = (w, h) => (Math.min(w, h * 1.6) / 90) * R.zoom;

function view() {
  const c = $("view"), g = c.getContext("2d"), w = c.clientWidth, h = c.clientHeight, d = drive();
  g.clearRect(0, 0, w, h);
  if (!d) return;
  const scale = scaleOf(w, h), cx = d.x[R.step] + R.pan[0], cy = d.y[R.step] + R.pan[1];
  const X = (x) => w / 2 + (x - cx) * scale, Y = (y) => h / 2 - (y - cy) * scale;
  const trace = (p) => { g.beginPath(); for (let i = 0; i < p.length; i += 2) (i ? g.lineTo : g.moveTo).call(g, X(p[i]), Y(p[i + 1])); };
  const box = (x, y, a, back, front, width, paint, hollow) => {
    g.save(); g.translate(X(x), Y(y)); g.rotate(-a);
    g.fillStyle = paint; g.strokeStyle = paint; g.lineWidth = 1.6;
    g.beginPath(); g.rect(back * scale, (-width / 2) * scale, (front - back) * scale, width * scale);
    if (hollow) g.stroke(); else g.fill();
    if (front - back > 1.5) {
      const nose = Math.min(1, width / 2);
      g.beginPath(); g.moveTo(front * scale, 0); g.lineTo((front - nose) * scale, (-width / 3) * scale); g.lineTo((front - nose) * scale, (width / 3) * scale); g.closePath();
      g.fillStyle = hollow ? paint : "rgba(255,255,255,.75)"; g.fill();
    }
    g.restore();
  };
  const ego = (e, k, paint, hollow) => {
    g.strokeStyle = paint; g.lineWidth = 1.2; g.setLineDash([2, 4]);
    g.beginPath(); e.x.forEach((x, i) => (i ? g.lineTo : g.moveTo).call(g, X(x), Y(e.y[i]))); g.stroke(); g.setLineDash([]);
    let plan = null;
    for (const [s, p] of e.plans) if (s <= k) plan = p; else break;
    if (plan) { g.lineWidth = 2.2; trace(plan); g.stroke(); }
    const unit = (v, s, how) => { const [mid, len, wid] = v.size; box(v.x[s], v.y[s], v.h[s], mid - len / 2, mid + len / 2, wid, paint, how); };
    if (e.units.length && !hollow) { // the band that all units sweep
      g.globalAlpha = 0.06;
      for (let s = 0; s < e.x.length; s += 2) for (const v of [e, ...e.units]) unit(v, s, false);
      g.globalAlpha = 1;
    }
    for (const v of e.units.slice().reverse()) {
      if (!hollow) { g.globalAlpha = 0.5; unit(v, k, false); g.globalAlpha = 1; }
      unit(v, k, true);
    }
    unit(e, k, hollow);
  };
  ground(g, trace);
  traffic(g, trace, box);
  for (const i of D.planners.keys()) {
    const e = R.scene.drives[i];
    if (R.shown[i] && e && i !== R.main) ego(e, Math.min(R.step, e.t.length - 1), color(i), true);
  }
  ego(d, R.step, color(R.main), false);
  g.strokeStyle = style("--dim"); g.fillStyle = style("--dim"); g.lineWidth = 1; g.font = "11px system-ui";
  g.beginPath(); g.moveTo(14, h - 14); g.lineTo(14 + 10 * scale, h - 14); g.stroke(); g.fillText("10 m", 14, h - 19);
}
function ground(g, trace) {
  const m = R.scene.map;
  const fill = (polys, paint) => { g.fillStyle = paint; for (const p of polys) { trace(p); g.closePath(); g.fill(); } };
  fill(m.walk, style("--walk")); fill(m.carpark, style("--carpark")); fill(m.road, style("--road")); fill(m.lane, style("--lane"));
  g.lineWidth = 1; g.strokeStyle = style("--edge");
  for (const p of m.edge) { trace(p); g.stroke(); }
  fill(m.crosswalk, style("--cross"));
  g.setLineDash([4, 6]); g.strokeStyle = style("--center");
  for (const p of m.line) { trace(p); g.stroke(); }
  g.setLineDash([]);
}
function traffic(g, trace, box) {
  const t = R.scene.traffic[R.scene.traffic_of[R.main]];
  let lights = [];
  for (const [s, now] of t.lights) if (s <= R.step) lights = now; else break;
  g.lineWidth = 3; g.globalAlpha = 0.75;
  for (const [id, state] of lights) { const p = R.scene.lineOf.get(id); if (p) { g.strokeStyle = LIGHTS[state]; trace(p.subarray(0, Math.min(p.length, 24))); g.stroke(); } }
  g.globalAlpha = 1;
  const hit = new Set(eventsOf(R.main).filter((e) => Math.abs(e.step - R.step) <= 5).map((e) => e.object).filter(Boolean));
  for (const o of t.objects) {
    const i = R.step - o.a;
    if (i < 0 || i >= o.n) continue;
    const [x, y, a] = o.still || [o.q[3 * i], o.q[3 * i + 1], o.q[3 * i + 2]];
    if (Number.isNaN(x)) continue;
    const [l, wd] = [Math.max(o.s[0], 0.5), Math.max(o.s[1], 0.5)];
    box(x, y, a, -l / 2, l / 2, wd, KIND_COLORS[o.k], false);
    if (hit.has(o.id)) box(x, y, a, -l / 2 - 0.4, l / 2 + 0.4, wd + 0.8, "#d63a35", true);
  }
}
// What happened in a run's drive: events of the metrics that cost it, then its waits.
function eventsOf(i) {
  const r = R.row.results[i], d = R.scene && R.scene.drives[i];
  if (!r) return [];
  const events = r.lost.flatMap((l) => l.events.map(([step, what, object]) => {
    const speed = d && d.impacts[`${step}|${object}`];
    return { metric: l.name, step, object, text: what + (speed === undefined || speed === null ? "" : ` at ${speed.toFixed(1)} m/s`) };
  }));
  return events.concat(d ? d.waits.map((w) => ({ metric: "", ...w })) : []);
}
const PAD = 34;
const lastOf = (some) => Math.max(...some.map((i) => R.scene.drives[i].t.length - 1), 1);
const drivenShown = () => [...D.planners.keys()].filter((i) => R.shown[i] && R.scene && R.scene.drives[i]);

function plot(id, label, pick, low, high) {
  const c = $(id), g = c.getContext("2d"), w = c.clientWidth, h = c.clientHeight, some = drivenShown().filter((i) => pick(R.scene.drives[i]));
  g.clearRect(0, 0, w, h);
  if (!some.length) return;
  const values = some.flatMap((i) => pick(R.scene.drives[i]).map((v) => v / 100));
  const a = Math.min(...values, low ?? Infinity), b = Math.max(...values, high ?? -Infinity, a + 1), last = lastOf(some);
  const X = (s) => PAD + (s / last) * (w - PAD - 6), Y = (v) => h - 14 - ((v - a) / (b - a)) * (h - 32);
  const line = (x0, y0, x1, y1) => { g.beginPath(); g.moveTo(x0, y0); g.lineTo(x1, y1); g.stroke(); };
  g.font = "11px system-ui"; g.fillStyle = style("--dim"); g.fillText(label, PAD, 11);
  g.strokeStyle = style("--line"); g.lineWidth = 1;
  for (const v of [a, (a + b) / 2, b]) { line(PAD, Y(v), w - 6, Y(v)); g.fillText(v.toFixed(1), 2, Y(v) + 4); }
  g.setLineDash([3, 4]); g.strokeStyle = "#d63a35";
  for (const v of [low, high]) if (v) line(PAD, Y(v), w - 6, Y(v));
  g.setLineDash([]);
  for (const i of some) {
    g.strokeStyle = color(i); g.lineWidth = i === R.main ? 2 : 1.2;
    g.beginPath(); pick(R.scene.drives[i]).forEach((v, s) => (s ? g.lineTo : g.moveTo).call(g, X(s), Y(v / 100))); g.stroke();
  }
  g.fillStyle = "#d63a35";
  for (const { step } of eventsOf(R.main)) { g.beginPath(); g.moveTo(X(step), h - 14); g.lineTo(X(step) - 4, h - 5); g.lineTo(X(step) + 4, h - 5); g.fill(); }
  g.strokeStyle = style("--fg"); g.lineWidth = 1; line(X(R.step), 14, X(R.step), h - 14);
  c.onpointerdown = (e) => go(Math.round(((e.offsetX - PAD) / (w - PAD - 6)) * last));
}
// When the guard of the followed run interfered: one row per channel.
function guardStrip() {
  const c = $("p-guard"), d = drive(), names = d ? Object.keys(d.guard) : [];
  c.hidden = !names.length;
  if (c.hidden) return;
  const w = c.clientWidth, k = window.devicePixelRatio || 1, h = 8 + 18 * names.length, g = c.getContext("2d"), last = lastOf(drivenShown());
  c.style.height = `${h}px`; c.width = Math.round(w * k); c.height = Math.round(h * k);
  g.setTransform(k, 0, 0, k, 0, 0);
  const X = (s) => PAD + (s / last) * (w - PAD - 6);
  names.forEach((name, n) => {
    const y = 4 + 18 * n;
    g.fillStyle = style("--road"); g.fillRect(PAD, y, w - PAD - 6, 14);
    g.fillStyle = color(R.main);
    for (const [a, b] of d.guard[name]) g.fillRect(X(a), y, Math.max(X(b + 1) - X(a), 1.5), 14);
    g.fillStyle = style("--fg"); g.font = "11px system-ui"; g.fillText(words(name), PAD + 4, y + 11);
  });
  g.strokeStyle = style("--fg"); g.beginPath(); g.moveTo(X(R.step), 2); g.lineTo(X(R.step), h - 2); g.stroke();
}
