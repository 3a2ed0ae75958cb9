// Scenes are deflated and packed small (see scene.py).
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
    for (const v of d.units) { v.x = d.t.map((_, i) => v.pose[3 * i] * u); v.y = d.t.map((_, i) => v.pose[3 * i + 1] * u); v.h = d.t.map((_, i) => v.pose[3 * i + 2] * 1e-4); }
    d.plans = d.plans.map(([s, p]) => [s, points(p, u)]);
  }
  return scene;
}

