// Head, scores, paired differences, how the runs were driven, means by metric, type and place.
$("about").textContent = `${count(D.planners.length, "run")}, ${count(new Set(D.scenarios.map((s) => s.token)).size, "scenario")} of ${count(new Set(D.scenarios.map((s) => s.log)).size, "log")}`;
$("foot").textContent = `roadcraft ${D.version}. Data licence: ${D.licences.join("; ") || "not stated"}. This page needs no network.`;
$("warnings").replaceChildren(...D.warnings.map((text) => el("p", { className: "warning", textContent: text })));

const table = (id, head, rows) => {
  const t = $(id);
  t.replaceChildren(el("thead", {}, el("tr", {}, ...head.map((h) => (h instanceof Node ? h : el("th", {}, ...[h].flat())))), ), el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map((c) => (c instanceof Node && c.tagName === "TD" ? c : el("td", {}, ...[c].flat())))))));
  hint(t);
};
// A table that is wider than its place says so.
function hint(t) {
  const box = t.closest(".scroll");
  if (box) box.classList.toggle("wide", box.scrollWidth > box.clientWidth + 1);
}
window.addEventListener("resize", () => document.querySelectorAll(".scroll table").forEach(hint));
const note = (text) => el("span", { className: "note", textContent: text });

function scoreCell(c) {
  if (!c) return "–";
  const td = el("td", {}, score(c.score));
  if (c.interval) {
    const [a, b] = c.interval;
    td.append(el("span", { className: "ci" }, el("i", { style: `left:${100 * a}%;width:${100 * (b - a)}%` }), el("b", { style: `left:${100 * c.score}%` })), note(`${score(a)} to ${score(b)}`));
  } else td.append(note(c.no_interval));
  td.append(note(count(c.count, "scenario") + (c.failed ? `, ${c.failed} could not be driven` : "")));
  if (c.nuplan_score !== null && Math.abs(c.nuplan_score - c.score) > 1e-9) td.append(note(`nuPlan's own ${score(c.nuplan_score)}`));
  for (const [k, v] of Object.entries(c.shares)) td.append(note(`${words(k)} in ${share(v)}`));
  return td;
}
table("scores", ["run", ...D.modes.map((m) => D.mode_titles[m])], D.scores.map((r) => [breakable(r.label), ...D.modes.map((m) => scoreCell(r.modes[m]))]));

function pairs(mode) {
  const a = +$("against").value;
  const rows = D.planners.map((p, b) => [p, D.pairs[mode][a][b]]).filter(([, f]) => f).map(([p, f]) => [
    breakable(p),
    el("td", { className: f.verdict }, f.verdict, note(f.reason)),
    el("td", { className: f.verdict, textContent: signed(f.difference) }),
    f.ci ? `${signed(f.ci[0])} to ${signed(f.ci[1])}` : "–",
    [count(f.scenarios, "scenario"), note(`of ${count(f.logs, "log")} in both`)],
    f.detectable === null ? "–" : score(f.detectable),
  ]);
  table("pairs", ["run", "verdict", "difference", "95 % interval", "over", "smallest detectable"], rows);
}
$("h-pairs").parentElement.hidden = D.planners.length < 2;
$("against").append(...D.planners.map((p, i) => el("option", { value: i, textContent: p })));

const FACTS = ["folder", "vehicle", "controller", "agents", "data", "seed", "version", "scenarios", "logs"];
table("runs", ["", ...D.planners.map(breakable)], FACTS.map((f) => [f, ...D.runs.map((r) => breakable(String(r[f])))]));
table("differences", ["setting", ...D.planners.map(breakable)], D.differences.map((d) => [[...breakable(d.key), ...(d.note ? [note(d.note)] : [])], ...d.values.map(breakable)]));
$("differences").parentElement.parentElement.hidden = !D.differences.length;
$("alike").hidden = D.planners.length < 2 || D.differences.length > 0;
$("configs").replaceChildren(...D.runs.map((r) => el("details", {}, el("summary", { textContent: `configuration of ${r.label}` }), el("pre", { textContent: r.config }))));

// Rows are metrics, types or places, columns are runs. A number of scenarios stands in the head where it is every run's.
function means(id, first, rows, counts) {
  const alike = (n) => n.every((x) => x === n[0]);
  const cells = (r) => r.cells.map((v, i) => el("td", { style: tint(v) }, score(v), ...(r.counts && !alike(r.counts) ? [note(`n = ${r.counts[i]}`)] : [])));
  const label = (r) => [...breakable(r.label), ...(r.role ? [note(r.role)] : []), ...(r.counts && alike(r.counts) ? [` (${r.counts[0]})`] : [])];
  table(id, [first, ...D.planners.map((p, i) => [...breakable(p), ...(counts ? [note(count(counts[i], "scenario"))] : [])])], rows.map((r) => [label(r), ...cells(r)]));
}
const draw = {
  pairs,
  metrics: (m) => {
    const t = D.metrics[m];
    means("metrics", "metric", t.columns.map((c, k) => ({ label: c, role: t.roles[k], cells: t.rows.map((r) => r.cells[k]) })), t.rows.map((r) => r.count));
  },
  types: (m) => means("types", "scenario type", D.types[m].rows, null),
  places: (m) => means("places", "map", D.places[m].rows, null),
};
const drawn = {};
for (const box of document.querySelectorAll(".modes")) {
  const target = box.dataset.target;
  for (const m of D.modes) {
    const b = el("button", { textContent: D.mode_titles[m] });
    b.onclick = () => { for (const o of box.children) o.setAttribute("aria-pressed", o === b); drawn[target] = m; draw[target](m); };
    box.append(b, " ");
  }
  box.firstElementChild?.click();
}
$("against").onchange = () => pairs(drawn.pairs);
