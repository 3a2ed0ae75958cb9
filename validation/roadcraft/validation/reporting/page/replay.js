// One scenario: who drove it how, the replay's controls, and why the score is what it is.
let timer = null;
async function open(s, { byHand = true, run = null, step = 0 } = {}) {
  stop();
  R.row = s;
  for (const b of $("list").querySelectorAll(".item")) b.setAttribute("aria-selected", b.dataset.key === key(s));
  $("no-replay").hidden = true;
  $("replay").hidden = false;
  $("r-title").textContent = s.type.replaceAll("_", " ");
  $("r-sub").textContent = `${D.mode_titles[s.mode]} · ${s.token} · ${s.log} · ${s.map}`;
  const scene = S[key(s)] ? unpack(await inflate(S[key(s)])) : null;
  if (R.row !== s) return; // another was opened meanwhile
  R.scene = scene;
  const driven = [...D.planners.keys()].filter((i) => R.scene && R.scene.drives[i]);
  const lowest = driven.slice().sort((a, b) => s.results[a].score - s.results[b].score)[0];
  const ordered = $("order").value === "mean" ? null : +$("order").value;
  R.main = run ?? ordered ?? lowest ?? 0;
  R.shown = D.planners.map((_, i) => i === R.main);
  R.step = step; R.zoom = 1; R.pan = [0, 0];
  refresh();
  link();
  if (byHand && window.innerWidth <= 860) $("replay").scrollIntoView({ block: "start" });
}
function follow(i) { R.main = i; R.shown[i] = true; refresh(); }
function refresh() { chips(); layout(); why(); }

function chips() {
  $("r-planners").replaceChildren(...D.planners.map((p, i) => {
    const r = R.row.results[i];
    const b = el("button", { className: i === R.main ? "main" : "", title: "show and follow, or hide" },
      el("i", { style: `background:${color(i)}` }), `${p} ${r ? (r.status === "ok" ? score(r.score, 2) : "failed") : "–"}`);
    b.setAttribute("aria-pressed", R.shown[i]);
    b.disabled = !r;
    b.onclick = () => { if (R.shown[i] && i !== R.main) { R.shown[i] = false; refresh(); } else follow(i); link(); };
    return b;
  }));
}
function layout() {
  const d = drive();
  $("scrub").max = d ? d.t.length - 1 : 0;
  R.step = Math.min(R.step, +$("scrub").max);
  $("stage").classList.toggle("empty", !d);
  $("missing").textContent = d ? "" : missing();
  const most = Math.max(0, ...drivenShown().map((i) => R.scene.drives[i].truck.length));
  $("p-truck").replaceChildren(...Array.from({ length: most }, (_, n) => el("canvas", { id: `p-truck-${n}`, className: "plot" })));
  for (const c of [$("view"), ...$("stage").querySelectorAll("canvas.plot")]) {
    const k = window.devicePixelRatio || 1, w = c.clientWidth, h = c.clientHeight;
    c.width = Math.round(w * k); c.height = Math.round(h * k);
    c.getContext("2d").setTransform(k, 0, 0, k, 0, 0);
  }
  $("legend").replaceChildren(...(d ? kindsHere() : []));
  paint();
}
// Why there is nothing to see of the followed run.
function missing() {
  const r = R.row.results[R.main], name = D.planners[R.main];
  if (!r) return `No replay: ${name} was not asked to drive this scenario.`;
  if (r.status !== "ok") return `No replay: ${name} could not drive it to the end.`;
  return `No replay: ${D.no_replay || "the drive was not kept"}.`;
}
function kindsHere() {
  const kinds = [...new Set(R.scene.traffic.flatMap((t) => t.objects.map((o) => o.k)))].sort();
  return kinds.map((k) => el("span", {}, el("i", { style: `background:${KIND_COLORS[k]}` }), KINDS[k])).concat(el("span", { textContent: `thin line: plan; dotted: driven path; ${drive().units.length ? "shaded: swept by all units; " : ""}red outline: object of an event` }));
}
function paint() {
  const d = drive();
  $("scrub").value = R.step;
  $("clock").textContent = d ? `${(d.t[R.step] / 1000).toFixed(1)} s` : "";
  $("r-now").textContent = d ? `${D.planners[R.main]}: ${(d.speed[R.step] / 100).toFixed(1)} m/s, ${(d.accel[R.step] / 100).toFixed(1)} m/s²` : "";
  view();
  plot("p-speed", "speed, m/s", (e) => e.speed, 0, null);
  plot("p-accel", "acceleration, m/s²", (e) => e.accel, -4.05, 2.4);
  [...$("p-truck").children].forEach((c, n) => {
    const one = drivenShown().map((i) => R.scene.drives[i].truck[n]).find(Boolean);
    c.setAttribute("aria-label", one.label);
    plot(c.id, one.label, (e) => e.truck[n] && e.truck[n].values, 0, one.most);
  });
  guardStrip();
  document.body.dataset.step = R.step;
}
function why() {
  const out = [];
  D.planners.forEach((p, i) => {
    const r = R.row.results[i];
    if (!r || !(R.shown[i] || i === R.main)) return;
    out.push(el("h3", { textContent: `${p}: ${r.status === "ok" ? score(r.score) : "failed, 0"}` }));
    if (r.failure) out.push(el("p", { textContent: `${r.failure.stage}${r.failure.step > 0 ? ` at ${seconds(R.row, r.failure.step)}` : ""}: ${r.failure.error}` }));
    if (!r.lost.length && r.status === "ok") out.push(el("p", { className: "dim", textContent: "Nothing lost." }));
    out.push(el("ul", {}, ...r.lost.map((l) => moments(i, `${words(l.name)} ${score(l.score)}`, eventsOf(i).filter((e) => e.metric === l.name))),
      ...eventsOf(i).filter((e) => !e.metric).map((e) => moments(i, "", [e]))));
    const d = R.scene && R.scene.drives[i];
    if (d) out.push(values(d.stats));
  });
  $("why").replaceChildren(...out);
}
function moments(i, text, events) {
  const li = el("li", {}, text);
  events.forEach((e, n) => {
    const b = el("button", { textContent: e.metric ? `${e.text} (${seconds(R.row, e.step)})` : e.text });
    b.onclick = () => { follow(i); go(e.step); link(); };
    li.append(text ? (n ? ", " : ": ") : "", b);
  });
  return li;
}
function values(stats) {
  const rows = Object.entries(stats).flatMap(([m, v]) => Object.entries(v).map(([k, x]) => el("tr", {}, el("td", {}, ...breakable(m)), el("td", {}, ...breakable(k)), el("td", { textContent: x === null ? "–" : String(x) }))));
  return el("details", {}, el("summary", { textContent: "values of the metrics" }), el("div", { className: "scroll" }, el("table", {}, ...rows)));
}
const go = (s) => { R.step = Math.max(0, Math.min(+$("scrub").max, s)); paint(); };
function stop() { if (timer) { clearInterval(timer); link(); } timer = null; $("play").textContent = "▶"; $("play").setAttribute("aria-label", "Play"); }
$("play").onclick = () => {
  if (timer) return stop();
  if (R.step >= +$("scrub").max) R.step = 0;
  $("play").textContent = "⏸"; $("play").setAttribute("aria-label", "Pause");
  timer = setInterval(() => { if (R.step >= +$("scrub").max) stop(); else go(R.step + 1); }, 100);
};
$("scrub").oninput = (e) => go(+e.target.value);
$("scrub").onchange = () => link();
$("zoom-in").onclick = () => { R.zoom = Math.min(R.zoom * 1.4, 8); paint(); };
$("zoom-out").onclick = () => { R.zoom = Math.max(R.zoom / 1.4, 0.25); paint(); };
let from = null;
$("view").onpointerdown = (e) => { from = [e.clientX, e.clientY, ...R.pan]; };
$("view").onpointermove = (e) => {
  if (!from) return;
  const scale = scaleOf($("view").clientWidth, $("view").clientHeight);
  R.pan = [from[2] - (e.clientX - from[0]) / scale, from[3] + (e.clientY - from[1]) / scale];
  view();
};
window.addEventListener("pointerup", () => { from = null; });
window.addEventListener("resize", () => R.row && layout());
window.addEventListener("keydown", (e) => {
  if (!R.row || ["INPUT", "SELECT"].includes(e.target.tagName)) return;
  if (e.key === "ArrowRight") go(R.step + 1);
  else if (e.key === "ArrowLeft") go(R.step - 1);
  else if (e.key === " " && e.target.tagName !== "BUTTON") { e.preventDefault(); $("play").click(); }
});
