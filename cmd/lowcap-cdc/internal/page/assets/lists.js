// Lists and tables of twenty, with a filter, an order, and a button that shows all. Everything that comes from the database reaches
// the page as text nodes, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const few = 20; // rows of a list that nobody has asked for more of

function element(name, className, ...children) {
  const e = document.createElement(name);
  if (className) e.className = className;
  e.append(...children.filter((c) => c !== undefined && c !== null && c !== ""));
  return e;
}

// duration prints seconds for a person.
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

// clock prints an instant in the zone that the reader has chosen.
function clock(text) {
  const at = new Date(text);
  if (isNaN(at)) return text || "unknown";
  const shift = $("zone").checked ? at.getTimezoneOffset() * 60000 : 0;
  return new Date(at - shift).toISOString().slice(0, 19).replace("T", " ");
}

function instant(text) {
  const e = element("time", "", clock(text));
  if (text) e.dateTime = text;
  return e;
}

// age prints how long ago an instant is, and goes on doing so.
function age(text) {
  const e = element("span", "since");
  e.dataset.since = text || "";
  tellAge(e);
  return e;
}

function tellAge(e) {
  const at = Date.parse(e.dataset.since);
  e.textContent = isNaN(at) ? "unknown" : duration((Date.now() + skew - at) / 1000);
}

let skew = 0; // of the server's clock, in milliseconds

// token names a token so that its letters, which may run from right to left, turn nothing else around.
function bdi(text) {
  const e = element("bdi", "token", text);
  e.title = text;
  return e;
}

function amount(text, exact) {
  const td = element("td", "amount", text);
  if (exact !== undefined && exact !== text) td.title = exact;
  return td;
}

// money prints USD for a person: cents from one dollar on, four digits below.
function money(exact) {
  const n = Number(exact);
  if (exact === null || exact === undefined || exact === "" || !isFinite(n)) return exact ? String(exact) : "–";
  return Math.abs(n) >= 1 || n === 0 ? n.toFixed(2) : String(Number(n.toPrecision(4)));
}

// parts keeps each short word of a line in one piece, so that no amount is broken in the middle.
function parts(text) {
  return text.split(/ (?=[a-z][\w.]*=)/).flatMap((part) => [" ", element("bdi", part.length <= 48 ? "part" : "part long", part)]);
}

function lineItem(l) {
  const li = element("li", l.severity === "info" ? "" : l.severity, instant(l.time), element("b", "", l.event));
  if (l.token) li.append(bdi(l.token), " ");
  if (l.timeframe) li.append(element("span", "tf", l.timeframe));
  li.append(element("span", "detail", ...parts([l.detail, ...(l.flags || [])].filter(Boolean).join(" "))));
  const who = [l.actor, l.reason].filter(Boolean).join(": ");
  if (who) li.append(" ", element("bdi", "who", "by " + who));
  if (l.raw) li.append(element("details", "", element("summary", "", "raw value"), element("pre", "", l.raw)));
  return li;
}

const textOfLine = (l) => [l.event, l.token, l.contract, l.timeframe, l.detail, l.actor, l.reason].join(" ");

// List shows items in a list or a table's body.
//   make      makes the element of an item
//   text      is what the filter looks at
//   orders    are the orders by their names; the first is that in which the items come, and needs no function
//   empty     is said when there is nothing
class List {
  constructor(name, { make, text, orders, empty, columns }) {
    Object.assign(this, { make, text, orders, empty, columns, body: $(name), section: $("s-" + name) });
    this.items = [];
    this.total = 0;
    this.all = false;
    this.key = "";
    const title = this.section.querySelector("h2")?.firstChild.textContent.trim() || "the events";
    this.filter = element("input");
    Object.assign(this.filter, { type: "search", placeholder: "Filter", autocomplete: "off", spellcheck: false });
    this.filter.setAttribute("aria-label", "Filter: " + title);
    this.order = element("select", "", ...Object.keys(orders).map((name) => element("option", "", name)));
    this.order.setAttribute("aria-label", "Order: " + title);
    this.more = element("button");
    this.more.type = "button";
    this.tools = element("p", "tools", this.filter, this.order);
    const existing = this.section.querySelector(".tools");
    if (existing) existing.append(this.filter, this.order);
    else (this.body.closest(".scroll") || this.body).before(this.tools);
    (this.body.closest(".scroll") || this.body).after(this.more);
    this.filter.addEventListener("input", () => this.draw());
    this.order.addEventListener("change", () => this.draw());
    this.more.addEventListener("click", () => { this.all = !this.all; this.draw(); });
    this.draw();
  }

  // set shows other items; total is how many there are where not all were sent.
  set(items, total) {
    this.items = items;
    this.total = total ?? items.length;
    this.draw();
  }

  draw() {
    const wanted = this.filter.value.trim().toLowerCase();
    let list = this.items;
    if (wanted) list = list.filter((item) => this.text(item).toLowerCase().includes(wanted));
    const compare = this.orders[this.order.value];
    if (compare) list = [...list].sort(compare);
    const shown = this.all ? list : list.slice(0, few);
    this.body.replaceChildren(...(shown.length ? shown.map(this.make) : [this.nothing(wanted)]));
    const cut = this.items.length < this.total ? "first " + this.items.length + " of " + this.total : this.total;
    this.section.querySelector(".count").textContent = wanted ? list.length + " of " + this.total : cut;
    this.more.hidden = list.length <= few;
    this.more.textContent = this.all ? "Show " + few : "Show all " + list.length;
    this.tools.hidden = this.items.length <= 1 && !wanted;
  }

  nothing(wanted) {
    const text = wanted ? "nothing here holds that text" : this.empty;
    if (!this.columns) return element("li", "empty", text);
    const none = element("td", "", text);
    none.colSpan = this.columns;
    return element("tr", "", none);
  }
}

const by = (value) => (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0);
const down = (value) => (a, b) => (Number(value(b)) || 0) - (Number(value(a)) || 0);
