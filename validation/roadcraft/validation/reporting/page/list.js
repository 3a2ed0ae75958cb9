// The list of scenarios, its filters, and links to one of them: #token=TOKEN&mode=MODE&run=NAME&t=SECONDS.
const option = (v, t) => el("option", { value: v, textContent: t });
const unique = (field) => [...new Set(D.scenarios.map((s) => s[field]))].sort();
$("order").append(option("mean", "all runs"), ...D.planners.map((p, i) => option(String(i), p)));
$("mode").append(option("", "all"), ...D.modes.map((m) => option(m, D.mode_titles[m])));
$("type").append(option("", "all"), ...unique("type").map((t) => option(t, t)));
$("place").append(option("", "all"), ...unique("map").map((t) => option(t, t)));
const packed = Object.keys(S).length;
$("replayable").checked = packed > 0;
$("replayable").disabled = !packed;
$("replay-note").textContent = D.no_replay ? `Without a replay: ${D.no_replay}.` : "";

const mean = (s) => { const r = s.results.filter(Boolean); return r.reduce((a, x) => a + x.score, 0) / r.length; };
function list() {
  const by = $("order").value, mode = $("mode").value, type = $("type").value, place = $("place").value, text = $("search").value.trim().toLowerCase();
  const value = (s) => (by === "mean" ? mean(s) : s.results[by] ? s.results[by].score : 2);
  const told = (s) => [s.token, s.type, s.log, s.map, ...s.results.flatMap((r) => (r ? r.lost.flatMap((l) => [l.name, ...l.events.flatMap((e) => [e[1], e[2] || ""])]).concat(r.failure ? r.failure.error : "") : []))].join(" ").toLowerCase();
  const passing = D.scenarios.filter((s) => (!mode || s.mode === mode) && (!type || s.type === type) && (!place || s.map === place) && (!text || told(s).includes(text)));
  const rows = passing.filter((s) => !$("replayable").checked || S[key(s)]).sort((a, b) => value(a) - value(b));
  $("list").replaceChildren(...rows.map(item));
  $("found").textContent = `${rows.length} of ${count(D.scenarios.length, "result")}`;
  if (!rows.length) {
    const text = passing.length ? `${count(passing.length, "result")} pass${passing.length === 1 ? "es" : ""} these filters, none with a replay. Untick "with replay" to see ${passing.length === 1 ? "it" : "them"}.` : "No result passes these filters.";
    $("list").append(el("p", { className: "dim", textContent: text, style: "padding:12px" }));
  }
  return rows;
}
function item(s) {
  const cells = el("div", { className: "cells" });
  s.results.forEach((r, i) => cells.append(el("span", { textContent: r ? (r.status === "ok" ? score(r.score, 2) : "failed") : "–", title: D.planners[i], style: r ? tint(r.score) : "" })));
  const b = el("button", { className: "item" + (S[key(s)] ? "" : " none") },
    el("div", { className: "top" }, el("strong", { textContent: s.type.replaceAll("_", " ") }), el("span", { className: "dim", textContent: D.mode_titles[s.mode] })),
    el("div", { className: "dim", textContent: `${s.token} · ${s.map} · ${s.log}`, style: "font-size:12px;overflow-wrap:anywhere" }), cells);
  b.setAttribute("role", "option");
  b.dataset.key = key(s);
  b.setAttribute("aria-selected", R.row !== null && key(R.row) === key(s));
  b.onclick = () => open(s);
  return b;
}
for (const id of ["mode", "type", "place", "replayable"]) $(id).onchange = list;
$("search").oninput = list;
$("order").onchange = () => {
  const rows = list(), by = $("order").value;
  const here = by === "mean" ? R.row : R.row && R.row.results[by];
  if (!here) rows.length && open(rows[0], { byHand: false });
  else if (by !== "mean") { R.shown = D.planners.map(() => false); follow(+by); link(); }
  $("list").querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
};

let linked = "";
function link() {
  if (!R.row) return;
  const t = (R.step * R.row.interval_s).toFixed(1);
  linked = "#" + new URLSearchParams({ token: R.row.token, mode: R.row.mode, run: D.planners[R.main], t });
  history.replaceState(null, "", linked);
}
function fromLink() {
  if (location.hash === linked || !location.hash) return false;
  const asked = new URLSearchParams(location.hash.slice(1)), token = asked.get("token");
  if (!token) return false;
  const s = D.scenarios.find((x) => x.token.startsWith(token) && (!asked.get("mode") || x.mode === asked.get("mode")));
  if (!s) {
    $("no-replay").textContent = `No scenario ${token} in this report.`;
    return true;
  }
  if (!S[key(s)]) { $("replayable").checked = false; list(); }
  const run = D.planners.indexOf(asked.get("run"));
  open(s, { byHand: false, run: run < 0 ? null : run, step: Math.round((+asked.get("t") || 0) / s.interval_s) });
  $("h-scenarios").scrollIntoView();
  return true;
}
window.addEventListener("hashchange", fromLink);
const first = list();
if (!fromLink() && first.length && S[key(first[0])]) {
  open(first[0], { byHand: false });
}
