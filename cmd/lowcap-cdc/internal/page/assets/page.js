// What the page shows and when. It reads server-sent events: "now" with the state, of whose lists only those come that have changed,
// and "line" with each event.
"use strict";

const kept = 100; // lines of the stream
let token = sessionStorage.getItem("token") || "";
let paused = false;
let stream = [];
let last = { at: 0, data: null, lsn: "" }; // when the last "now" came, and of when its data are
$("zone").checked = localStorage.getItem("zone") === "local";

const byEvent = by((l) => l.event);
const bySequence = by((l) => l.sequence);
const lineOrders = { "newest first": null, "oldest first": bySequence, "by token": by((l) => l.token), "by event": byEvent };
const lineList = (name, empty, orders = lineOrders) => new List(name, { make: lineItem, text: textOfLine, orders, empty });
const live = lineList("live", "nothing was committed in the last hour");
const exits = lineList("exits", "no exit is known");
const gaps = lineList("gaps", "no gap, no table missing");
const quarantine = lineList("quarantine", "nothing in quarantine");
const timeline = lineList("timeline", "", { "oldest first": null, "newest first": (a, b) => bySequence(b, a), "by event": byEvent });
$("s-timeline").hidden = true;

const nameOf = (p) => p.token_ticker || p.token_contract || p.id;
const blockedSince = (b) => b.since || b.failure_ts || "";

const blocks = new List("blocks", {
  make: (b) => element("tr", "", cell(bdi(b.block.token_contract)), cell(b.block.timeframe, "short"),
    cell(b.stages.join("+"), "short"), cell(age(blockedSince(b))), cell(instant(blockedSince(b))), cell(why(b), "words")),
  text: (b) => [b.block.token_contract, b.block.timeframe, b.block.book_id, b.stages.join("+"), why(b)].join(" "),
  orders: { "longest first": null, "newest first": (x, y) => by(blockedSince)(y, x), "by token": by((b) => b.block.token_contract),
    "by timeframe": by((b) => b.block.timeframe) },
  empty: "nothing is blocked", columns: 6,
});
const pools = new List("pools", {
  make: (p) => element("tr", "", cell(bdi(nameOf(p.position))), cell(p.position.timeframe || "", "short"),
    amount(money(p.usd_basis), String(p.usd_basis)), amount((p.dx_count || 0) + (p.recovering ? ", recovering" : ""))),
  text: (p) => [nameOf(p.position), p.position.token_contract, p.position.timeframe, p.recovering ? "recovering" : ""].join(" "),
  orders: { "by token": null, "largest first": down((p) => p.usd_basis), "by timeframe": by((p) => p.position.timeframe) },
  empty: "no pool is open", columns: 4,
});
const waiting = new List("waiting", {
  make: (w) => element("tr", w.severity, cell(bdi(nameOf(w.position))), cell(w.position.timeframe || "", "short"),
    cell(undone(w).join("; "), "words"), cell(instant(w.since)), cell(age(w.since)), amount(w.held ? String(w.total_quantity) : "–"),
    amount(money(worth(w)), String(worth(w)))),
  text: (w) => [nameOf(w.position), w.position.token_contract, w.position.timeframe, undone(w).join(" "), w.severity].join(" "),
  orders: { "most urgent first": null, "oldest first": by((w) => w.since || "9"), "by token": by((w) => nameOf(w.position)),
    "most USD first": down((w) => worth(w)) },
  empty: "no exit is waited for, no fill lacks its record, no loss lacks its block", columns: 7,
});

function cell(content, className) { return element("td", className, content); }

// undone says what did not happen.
function undone(w) {
  const list = [];
  const exit = w.exit;
  if (exit) list.push("exit wanted" + (exit.reason ? " (" + exit.reason + ")" : "") + (exit.told ? ", told " + exit.told + "×" : ""));
  if (w.stranded) list.push("held in S0");
  for (const g of w.unrecorded || []) list.push(g.direction + " of " + g.tokens + " without a record");
  const loss = w.not_set;
  if (loss) list.push("lost " + money(Math.abs(loss.pnl_usd)) + " USD, not blocked in " + loss.stages.join("+"));
  return list;
}

function worth(w) {
  const known = w.exit?.value_usd ?? w.unrecorded?.[0]?.usd ?? w.not_set?.pnl_usd;
  return known ?? null;
}

function why(b) {
  const list = [];
  if (b.failure_ts && b.since && clock(b.failure_ts) !== clock(b.since)) list.push("failed " + clock(b.failure_ts));
  if (b.orphaned) list.push("orphaned: nothing will clear it");
  if (b.ineffective) list.push("ineffective book " + b.block.book_id);
  return list.join("; ");
}

function show(now) {
  skew = Date.parse(now.at) - Date.now();
  last = { at: Date.now(), age: now.committed_seconds_ago, sick: Boolean(now.sink_error) };
  const bad = now.stuck || now.why;
  $("role").textContent = now.stuck ? "stuck" : now.role;
  $("role").className = "badge " + (bad ? "bad" : "good");
  $("why").textContent = bad;
  showCards(now);
  if (now.blocks) blocks.set(now.blocks, now.blocks_total);
  if (now.pools) pools.set(now.pools, now.pools_total);
  $("poolsum").textContent = now.pools_usd === null ? "unknown" : money(now.pools_usd);
  if (now.waiting) waiting.set(now.waiting, now.waiting_total);
  if (now.exits) exits.set(now.exits);
  if (now.gaps) gaps.set(now.gaps);
  if (now.quarantine) quarantine.set(now.quarantine);
  if (now.stream && !paused) {
    stream = now.stream;
    drawStream();
  }
  tellAges();
}

function showCards(now) {
  $("lag").textContent = duration(now.lag_seconds);
  $("lagbytes").textContent = size(now.lag_bytes) + " of WAL";
  $("retained").textContent = size(now.retained_wal_bytes);
  const limit = now.retained_wal_limit_bytes;
  $("limit").textContent = limit === null ? "no limit: a dead sidecar fills the disk" : "limit " + size(limit);
  $("loss").textContent = now.loss_seconds === null ? "not in sight" : "in " + duration(now.loss_seconds);
  $("loss").className = "big" + (now.loss_seconds !== null && now.loss_seconds < 6 * 3600 ? " bad" : "");
  $("source").textContent = now.server ? "Postgres " + now.server.split(" ")[0] : "not seen yet";
  $("source").className = "big" + (now.server_seen_seconds_ago > 30 ? " bad" : "");
  $("slot").textContent = "slot " + now.slot;
  $("missing").textContent = 
    (now.tables_missing || []).map((t) => t + " is not published").concat(now.troubles || []).join("; ");
  $("sourceerror").textContent = now.source_error;
  $("sink").textContent = now.sink.split(":")[0];
  $("sink").className = "big" + (now.sink_error ? " bad" : "");
  $("sinkerror").textContent = now.sink_error;
  $("lsn").textContent = "committed " + now.lsn;
  $("version").textContent = "lowcap-cdc " + now.version + ", " + now.go;
  if (!now.samples) return;
  const s = now.samples;
  const newest = s.length ? s[s.length - 1].events_per_second : 0;
  $("rate").textContent = newest < 10 ? newest.toFixed(1) : Math.round(newest);
  chart($("lagchart"), "Lag", s, [{ values: s.map((p) => p.lag_seconds) }], duration);
  const severities = ["info", "warn", "page"].map((n) => ({ name: n, className: n, values: s.map((p) => p.events[n]) }));
  chart($("ratechart"), "Events by severity", s, severities, (v) => v + " in 5 s");
  chart($("walchart"), "WAL kept", s, [{ values: s.map((p) => p.retained_wal_bytes) }], size, limit);
  chart($("losschart"), "Time to slot loss", s, [{ values: s.map((p) => p.loss_seconds) }], duration);
}

// tellAges says how old everything is, also while nothing comes.
function tellAges() {
  for (const e of document.querySelectorAll(".since")) tellAge(e);
  const silent = last.at ? (Date.now() - last.at) / 1000 : 0;
  const known = last.at && last.age !== null && last.age !== undefined;
  const old = known ? last.age + silent : null;
  const zone = $("zone").checked ? "" : " UTC";
  const of = () => "data of " + clock(new Date(Date.now() + skew - old * 1000).toISOString()) + zone + ", " + duration(old) + " old";
  $("age").textContent = known ? of() : last.at ? "nothing was committed yet by this instance" : "no data yet";
  const stale = silent > 10 || last.sick || old > 90;
  $("age").className = "small" + (stale ? " bad" : "");
  $("main").classList.toggle("stale", Boolean(stale));
}

let drawing = 0;

// drawStream draws soon, once for many lines.
function drawStream() {
  if (!drawing) drawing = setTimeout(() => { drawing = 0; live.set(stream.filter(wanted)); }, stream.length ? 100 : 0);
}

function wanted(l) { return !$("severe").checked || l.severity !== "info"; }

function add(l) {
  if (paused) return;
  stream.unshift(l);
  stream.length = Math.min(stream.length, kept);
  drawStream();
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

let found = [];

async function search(event) {
  event.preventDefault();
  $("searched").textContent = "searching";
  showLife([]);
  try {
    const response = await fetch("api/audit?token=" + encodeURIComponent($("q").value), { headers: headers() });
    if (!response.ok) throw new Error(await response.text());
    const lines = await response.json();
    $("searched").textContent = lines.length ? lines.length + " events, the oldest first" : "no committed event is about it";
    showLife(lines);
  } catch (problem) {
    $("searched").textContent = "the search failed: " + problem.message;
  }
}

function showLife(moments) {
  found = moments;
  const pictures = moments.length ? lanes(moments) : [];
  $("lanes").replaceChildren(...pictures, ...(pictures.length ? [legend()] : []));
  timeline.set(moments);
  $("s-timeline").hidden = !moments.length;
}

$("search").addEventListener("submit", search);
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", paused);
});
$("severe").addEventListener("change", drawStream);
$("zone").addEventListener("change", () => {
  localStorage.setItem("zone", $("zone").checked ? "local" : "utc");
  for (const list of [live, exits, gaps, quarantine, timeline, blocks, pools, waiting]) list.draw();
  showLife(found);
  tellAges();
});
addEventListener("resize", () => showLife(found));
$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value;
  sessionStorage.setItem("token", token);
  listen();
});
setInterval(tellAges, 1000);
listen();
