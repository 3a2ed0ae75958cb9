// What every part of the page uses: its data, elements, words and colors.
const D = JSON.parse(document.getElementById("report-data").textContent);
const S = JSON.parse(document.getElementById("report-scenes").textContent);
const $ = (id) => document.getElementById(id);
const COLORS = ["#2f7d4f", "#8a5a00", "#7b4fb5", "#2563a8", "#c2410c", "#be185d", "#0e7490", "#4d7c0f"];
const KINDS = ["vehicle", "pedestrian", "bicycle", "cone", "barrier", "sign", "object"];
const KIND_COLORS = ["#7c8794", "#d08a1d", "#b66ad0", "#e0662f", "#a5714c", "#c4a300", "#8b8b8b"];
const LIGHTS = ["#22a35a", "#e3a008", "#d63a35", "#8b929a"];
const color = (i) => COLORS[i % COLORS.length];
const el = (tag, props = {}, ...kids) => {
  const e = Object.assign(document.createElement(tag), props);
  e.append(...kids);
  return e;
};
const score = (v, digits = 3) => (v === null || v === undefined ? "–" : v.toFixed(digits));
const signed = (v) => { const t = v.toFixed(3); return +t === 0 ? "0.000" : (v > 0 ? "+" : "−") + Math.abs(v).toFixed(3); };
const share = (v) => `${(100 * v).toFixed(1)} % of the steps`;
const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
const tint = (v) => {
  if (v === null) return "";
  const [tone, weight] = v < 0.75 ? ["bad", 0.1 + 0.35 * (1 - v / 0.75)] : ["good", 0.06 + (0.24 * (v - 0.75)) / 0.25];
  return `background: rgba(var(--${tone}), ${weight.toFixed(3)})`;
};
const breakable = (name) => (name.length < 16 ? [name] : name.split(/(?<=[_/])/).flatMap((w) => [w, el("wbr")]));
const words = (name) => name.replace(/^no_ego_/, "no ").replace(/^ego_/, "").replaceAll("_", " ");
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const key = (s) => `${s.token}|${s.mode}`;
const seconds = (s, step) => `${(step * s.interval_s).toFixed(1)} s`;
