// Charts with a scale, and the life of a token as lanes.
"use strict";

function svg(name, attributes, ...children) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

// chart draws lines over the time of the samples. Each line is {name, className, values}; a value may be null. limit is a level that
// is drawn across; say prints a value.
function chart(figure, name, samples, lines, say, limit) {
  const all = lines.flatMap((l) => l.values).filter((v) => v !== null);
  const top = Math.max(...all, limit ?? 0, 0) || 1;
  const x = (i) => (i * 240 / Math.max(samples.length - 1, 1)).toFixed(1);
  const y = (v) => (58 - 56 * v / top).toFixed(1);
  const drawn = lines.map((l) => svg("path", { class: l.className, d: l.values.map((v, i) => v === null ? "" :
    (i && l.values[i - 1] !== null ? "L" : "M") + x(i) + " " + y(v)).join("") }));
  if (limit !== undefined && limit !== null) drawn.push(svg("path", { class: "limit", d: `M0 ${y(limit)}L240 ${y(limit)}` }));
  const span = samples.length > 1 ? (Date.parse(samples[samples.length - 1].at) - Date.parse(samples[0].at)) / 1000 : 0;
  const most = all.length ? say(Math.max(...all)) : "not running out";
  const text = `${name}, last ${duration(span)}: at most ${most}` + lines.filter((l) => l.name).map((l) => ", " + l.name).join("");
  figure.replaceChildren(element("span", "top", all.length ? say(top) : "–"),
    svg("svg", { viewBox: "0 0 240 60", preserveAspectRatio: "none", role: "img", "aria-label": text }, ...drawn),
    element("span", "axis", element("span", "", duration(span) + " ago"), element("span", "", "now")));
}

const lane = { left: 74, stage: 14, row: 22, pool: 56, bottom: 20 };

// lanes draws the moments of a token, one picture for each timeframe.
function lanes(moments) {
  const marked = moments.filter((m) => m.mark);
  const frames = [...new Set(marked.map((m) => m.timeframe || ""))];
  return frames.map((frame) => laneOf(frame, marked.filter((m) => (m.timeframe || "") === frame)));
}

function laneOf(frame, moments) {
  const at = (m) => Date.parse(m.time);
  const begin = Math.min(...moments.map((m) => Math.min(at(m), Date.parse(m.mark.since) || Infinity)));
  const end = Math.max(...moments.map(at), begin + 1000);
  const width = Math.max(320, $("lanes").clientWidth || 0);
  const x = (t) => lane.left + (width - lane.left - 12) * (t - begin) / (end - begin);
  const rows = { S1: 6, S2: 6 + lane.row, trades: 6 + 2 * lane.row, exits: 6 + 3 * lane.row, pool: 6 + 4 * lane.row };
  const height = rows.pool + lane.pool + lane.bottom;
  const words = `Life of ${moments[0].token} ${frame}: ` + sums(moments);
  const picture = svg("svg", { class: "lane", width, height, role: "img", "aria-label": words });
  for (const [name, y] of Object.entries(rows)) {
    picture.append(svg("text", { x: 0, y: y + 12, class: "name" }, name.startsWith("S") ? name + " blocked" : name));
  }
  drawBlocks(picture, moments, rows, x, end);
  drawPool(picture, moments, rows.pool, x, end, width);
  drawExits(picture, moments, rows.exits, x, end);
  for (const m of moments) drawTrade(picture, m, rows, x(at(m)));
  const steps = Math.max(1, Math.min(6, Math.floor((width - lane.left) / 120)));
  for (let i = 0; i <= steps; i++) {
    const t = begin + (end - begin) * i / steps;
    const anchor = i === 0 ? "start" : i === steps ? "end" : "middle";
    const text = clock(new Date(t).toISOString());
    picture.append(svg("text", { x: x(t), y: height - 4, class: "tick", "text-anchor": anchor },
      end - begin < 172800000 ? text.slice(5, 16) : text.slice(0, 10)));
  }
  return element("figure", "life", element("figcaption", "", bdi(moments[0].token), " " + frame), picture);
}

// sums says in words what the picture shows.
function sums(moments) {
  const n = {};
  for (const m of moments) n[m.mark.kind] = (n[m.mark.kind] || 0) + 1;
  return Object.entries(n).map(([kind, count]) => count + " " + kind.replace("_", " ")).join(", ");
}

// titled gives a mark the words that a pointer finds.
function titled(shape, m) {
  shape.append(svg("title", {}, `${clock(m.time)} ${m.event} ${m.detail}`));
  return shape;
}

function drawBlocks(picture, moments, rows, x, end) {
  for (const [stage, field] of [["S1", "s1"], ["S2", "s2"]]) {
    let since = null;
    const bar = (from, to) => {
      const left = x(Date.parse(from.time));
      const shape = { x: left, y: rows[stage], width: Math.max(2, x(to) - left), height: lane.stage, class: "blocked" };
      picture.append(titled(svg("rect", shape), from));
    };
    for (const m of moments.filter((m) => m.mark.kind === "block")) {
      if (m.mark[field] && !since) since = m;
      if (!m.mark[field] && since) { bar(since, Date.parse(m.time)); since = null; }
    }
    if (since) bar(since, end);
  }
  for (const m of moments.filter((m) => m.mark.kind === "not_set")) {
    picture.append(titled(svg("text", { x: x(Date.parse(m.time)), y: rows.S1 + 12, class: "unset", "text-anchor": "middle" }, "∅"), m));
  }
}

function drawPool(picture, moments, y, x, end, width) {
  const steps = moments.filter((m) => m.mark.kind === "pool" && m.mark.usd !== null);
  const top = Math.max(...steps.map((m) => m.mark.usd), 0) || 1;
  const level = (usd) => y + lane.pool - (lane.pool - 12) * usd / top;
  let path = "", last = 0;
  for (const m of steps) {
    const at = x(Date.parse(m.time));
    path += path ? `H${at}V${level(m.mark.usd)}` : `M${at} ${level(0)}V${level(m.mark.usd)}`;
    if (m.mark.taken) picture.append(titled(svg("circle", { cx: at, cy: level(last), r: 4, class: "taken" }), m));
    last = m.mark.usd;
  }
  if (path) picture.append(svg("path", { d: path + `H${x(end)}`, class: "pool" }));
  picture.append(svg("path", { d: `M${lane.left} ${level(0)}H${width - 12}`, class: "zero" }));
  if (!steps.length) return;
  picture.append(svg("text", { x: lane.left - 4, y: y + 14, class: "tick", "text-anchor": "end" }, top.toFixed(top < 100 ? 2 : 0) + " $"));
}

function drawExits(picture, moments, y, x, end) {
  const bar = (m, to) => picture.append(titled(svg("rect", { x: x(Date.parse(m.mark.since)), y: y + 3, height: 8, class: "wanted",
    width: Math.max(2, x(to) - x(Date.parse(m.mark.since))) }), m));
  const wanted = new Map(); // by since when: an exit may be wanted before the end of the one before is told
  for (const m of moments) {
    const at = x(Date.parse(m.time)), since = m.mark.since;
    if (m.mark.kind === "wanted" && !wanted.has(since)) wanted.set(since, m);
    if (m.mark.kind === "settled" && wanted.has(since)) { bar(wanted.get(since), Date.parse(m.time)); wanted.delete(since); }
    if (m.mark.kind === "exit") picture.append(titled(svg("circle", { cx: at, cy: y + 7, r: 6, class: "done" }), m));
    const cross = `M${at - 6} ${y + 1}l12 12m0 -12l-12 12`;
    if (m.mark.kind === "abandoned") picture.append(titled(svg("path", { d: cross, class: "abandoned" }), m));
  }
  for (const m of wanted.values()) bar(m, end);
}

function drawTrade(picture, m, rows, at) {
  const y = rows.trades;
  const shapes = {
    buy: () => svg("path", { d: `M${at - 6} ${y + 13}h12l-6 -11z`, class: "buy" }),
    trim: () => svg("path", { d: `M${at - 6} ${y + 2}h12l-6 11z`, class: "trim" }),
    reverted: () => svg("circle", { cx: at, cy: y + 7, r: 4, class: "taken" }),
    unrecorded: () => svg("text", { x: at, y: y + 12, class: "unset", "text-anchor": "middle" }, "?"),
    opened: () => svg("path", { d: `M${at} ${y}v${lane.row * 2 - 4}`, class: "edge" }),
    closed: () => svg("path", { d: `M${at} ${y}v${lane.row * 2 - 4}`, class: m.mark.usd < 0 ? "edge lost" : "edge" }),
  };
  const shape = shapes[m.mark.kind];
  if (shape) picture.append(titled(shape(), m));
}

// legend says what the shapes are.
function legend() {
  return element("p", "small legend", "bars: blocked, or an exit that is wanted · ▲ buy · ▼ trim · ● exit made · " +
    "✕ trade ended with tokens left · ○ taken back · ? no record · ∅ block not set · | trade opened or closed");
}
