// Everything that comes from the database reaches the page as text nodes, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const shown = 100; // lines of the stream
let token = sessionStorage.getItem("token") || "";
let paused = false;

function element(name, className, text) {
  const e = document.createElement(name);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

function duration(seconds) {
  if (seconds < 1) return "0 s";
  if (seconds < 120) return Math.round(seconds) + " s";
  if (seconds < 7200) return Math.round(seconds / 60) + " min";
  if (seconds < 172800) return Math.round(seconds / 3600) + " h";
  return Math.round(seconds / 86400) + " d";
}

function size(n) {
  for (const [unit, one] of [["GB", 2 ** 30], ["MB", 2 ** 20], ["kB", 2 ** 10]]) {
    if (n >= one) return (n / one).toFixed(1) + " " + unit;
  }
  return n + " bytes";
}

function instant(text) {
  const e = element("time", "", text ? text.slice(0, 19).replace("T", " ") : "unknown");
  if (text) e.dateTime = text;
  return e;
}

function lineItem(l) {
  const li = element("li", l.severity === "info" ? "" : l.severity);
  li.append(instant(l.time), element("b", "", l.event));
  const token = [l.token, l.timeframe].filter(Boolean).join(" ");
  if (token) li.append(element("span", "token", token));
  li.append(element("span", "detail", [l.detail, ...(l.flags || [])].filter(Boolean).join(" ")));
  const who = [l.actor, l.reason].filter(Boolean).join(": ");
  if (who) li.append(" ", element("span", "who", "by " + who));
  if (l.raw) {
    const raw = element("details");
    raw.append(element("summary", "", "raw value"), element("pre", "", l.raw));
    li.append(raw);
  }
  return li;
}

// fill replaces a list only when it has changed, so that an open detail stays open.
function fill(list, lines, empty) {
  const key = lines.length + " " + (lines.length ? lines[0].sequence : "");
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...(lines.length ? lines.map(lineItem) : [element("li", "empty", empty)]));
}

function row(cells) {
  const tr = element("tr");
  for (const c of cells) tr.append(c instanceof Node ? wrap(c) : element("td", "", c));
  return tr;
}

function wrap(node) {
  const td = element("td");
  td.append(node);
  return td;
}

function rows(body, list, make, columns, empty) {
  const none = element("td", "", empty);
  none.colSpan = columns;
  const tr = element("tr");
  tr.append(none);
  body.replaceChildren(...(list.length ? list.map(make) : [tr]));
}

function chart(svg, values, name, unit) {
  const top = Math.max(...values, 1);
  const step = 120 / Math.max(values.length - 1, 1);
  svg.firstElementChild.setAttribute("points", values.map((v, i) => (i * step).toFixed(1) + "," + (31 - 30 * v / top).toFixed(1)).join(" "));
  svg.setAttribute("aria-label", `${name}, last 5 minutes: at most ${top.toFixed(1)} ${unit}`);
}

function why(b) {
  const parts = [];
  if (b.failure_ts) parts.push("failed " + b.failure_ts.slice(0, 19).replace("T", " "));
  if (b.orphaned) parts.push("orphaned: nothing will clear it");
  if (b.ineffective) parts.push("ineffective book " + b.block.book_id);
  return parts.join("; ");
}

function show(now) {
  const bad = now.stuck || now.why;
  $("role").textContent = now.stuck ? "stuck" : now.role;
  $("role").className = "badge " + (bad ? "bad" : "good");
  $("why").textContent = bad;
  $("lag").textContent = duration(now.lag_seconds);
  $("lagbytes").textContent = size(now.lag_bytes) + " of WAL";
  const samples = now.samples || [];
  const last = samples.length ? samples[samples.length - 1].events_per_second : 0;
  $("rate").textContent = last < 10 ? last.toFixed(1) : Math.round(last);
  chart($("lagchart"), samples.map((s) => s.lag_seconds), "Lag", "seconds");
  chart($("ratechart"), samples.map((s) => s.events_per_second), "Events", "a second");
  $("source").textContent = now.server ? "Postgres " + now.server.split(" ")[0] : "not seen yet";
  $("source").className = "big" + (now.server_seen_seconds_ago > 30 ? " bad" : "");
  $("retained").textContent = "keeps " + size(now.retained_wal_bytes) + " of WAL";
  $("loss").textContent = now.loss_seconds === null ? "not running out" : "slot lost in " + duration(now.loss_seconds);
  $("loss").className = "small" + (now.loss_seconds !== null && now.loss_seconds < 6 * 3600 ? " bad" : "");
  $("missing").textContent = (now.tables_missing || []).map((t) => t + " is not published").join(", ");
  $("sink").textContent = now.sink.split(":")[0];
  $("lsn").textContent = "committed " + now.lsn + ", slot " + now.slot;
  $("version").textContent = "lowcap-cdc " + now.version + ", " + now.go;
  $("nblocks").textContent = count(now.blocks, now.blocks_total);
  rows($("blocks"), now.blocks, (b) => row([b.block.token_contract, b.block.timeframe, b.stages.join("+"), instant(b.since), why(b)]), 5, "nothing is blocked");
  $("npools").textContent = count(now.pools, now.pools_total);
  rows($("pools"), now.pools, (p) => row([p.position.token_ticker || p.position.token_contract || p.position.id, p.position.timeframe || "", p.usd_basis,
    p.recovering ? p.dx_count + ", recovering" : p.dx_count || "0"]), 4, "no pool is open");
  fill($("exits"), now.exits, "no exit is known");
  fill($("gaps"), now.gaps, "no gap, no table missing");
  fill($("quarantine"), now.quarantine, "nothing in quarantine");
  if (now.stream && !paused) {
    $("live").replaceChildren(...now.stream.filter(wanted).map(lineItem));
  }
}

// count says how many there are, and how many of them are shown when that is not all.
function count(list, total) { return list.length < total ? "first " + list.length + " of " + total : total; }

function wanted(l) { return !$("severe").checked || l.severity !== "info"; }

function add(l) {
  if (paused || !wanted(l)) return;
  $("live").prepend(lineItem(l));
  while ($("live").childElementCount > shown) $("live").lastElementChild.remove();
}

function headers() { return token ? { Authorization: "Bearer " + token } : {}; }

function askForToken() {
  $("login").hidden = false;
  $("refused").textContent = token ? "That is not the token of this instance: it was started with --http-token or --http-token-file." : "";
  token = "";
  sessionStorage.removeItem("token");
  $("role").textContent = "token needed";
  $("token").focus();
  $("token").select();
}

// listen reads the server-sent events through fetch, which can send the token. The server ends them once in a while, so that
// nobody stays who does not read; then listen comes back at once.
async function listen() {
  for (;;) {
    try {
      const response = await fetch("api/stream", { headers: headers() });
      if (response.status === 401) return askForToken();
      if (!response.ok) throw new Error(response.statusText);
      $("login").hidden = true;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ;) {
        const { done, value } = await reader.read();
        if (done) break; // the server has ended it
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        parts.forEach(take);
      }
      continue;
    } catch (problem) {
      if (!(problem instanceof TypeError && /fetch|network/i.test(problem.message))) console.error(problem);
    }
    $("role").textContent = "connection lost";
    $("role").className = "badge bad";
    await new Promise((again) => setTimeout(again, 2000));
  }
}

function take(part) {
  const kind = /^event: (.*)$/m.exec(part);
  const data = /^data: (.*)$/m.exec(part);
  if (kind && data) (kind[1] === "now" ? show : add)(JSON.parse(data[1]));
}

async function search(event) {
  event.preventDefault();
  $("searched").textContent = "searching";
  $("timeline").replaceChildren();
  try {
    const response = await fetch("api/audit?token=" + encodeURIComponent($("q").value), { headers: headers() });
    if (!response.ok) throw new Error(await response.text());
    const lines = await response.json();
    $("searched").textContent = lines.length ? lines.length + " events, the oldest first" : "no committed event is about it";
    $("timeline").replaceChildren(...lines.map(lineItem));
  } catch (problem) {
    $("searched").textContent = "the search failed: " + problem.message;
  }
}

$("search").addEventListener("submit", search);
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", paused);
});
$("severe").addEventListener("change", () => {
  for (const li of $("live").children) li.hidden = $("severe").checked && !li.className;
});
$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value;
  sessionStorage.setItem("token", token);
  listen();
});
listen();
