// Small things that the other parts use. All text goes into the page as text: nothing here, or anywhere else, makes
// markup of what the server says.

const $ = (id) => document.getElementById(id);

function el(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

// The setters touch the document only where something has changed: it is laid out anew for nothing else.
function setText(e, text) {
  text = String(text);
  if (e.shown !== text) {
    e.shown = text;
    e.textContent = text;
  }
}

function setClass(e, className) {
  if (e.className !== className) e.className = className;
}

function setAttr(e, name, value) {
  value = String(value);
  if (e.getAttribute(name) !== value) e.setAttribute(name, value);
}

// row makes a row of a table with a cell for each class name. The roles are said because a narrow page lays some tables out
// as no tables, which browsers then take for none.
function row(classNames) {
  const tr = el('tr');
  tr.setAttribute('role', 'row');
  for (const c of classNames) {
    const td = el('td', c);
    td.setAttribute('role', 'cell');
    tr.append(td);
  }
  return tr;
}

// keyed brings the children of parent in line with items: one for each key, in their order. What is in its place already
// stays untouched, so that whoever reads or has the focus there is not disturbed.
function keyed(parent, items, keyOf, make, fill) {
  const had = parent.keyed || new Map();
  const has = new Map();
  for (const item of items) {
    let key = keyOf(item);
    while (has.has(key)) key += '+';
    has.set(key, item);
  }
  // Those that are gone go first: were they in the way, all that come after them would be moved.
  for (const [key, child] of had) if (!has.has(key)) child.remove();
  let at = parent.firstElementChild;
  for (const [key, item] of has) {
    const child = had.get(key) || make(item);
    has.set(key, child);
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
    fill(child, item);
  }
  parent.keyed = has;
}

const two = (n) => String(n).padStart(2, '0');
const plural = (n, one, many) => `${number(n)} ${n === 1 ? one : many || one + 's'}`;

// number writes 12345 as 12,345, and fractions where they count.
function number(n) {
  if (n === null || n === undefined) return '–';
  if (n !== 0 && Math.abs(n) < 10 && n % 1 !== 0) return n.toFixed(1);
  return Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, ',');
}

// span writes a time in ms with three digits or so: 0.42 ms, 38 ms, 2.3 s, 1 min 05 s, 3 h 20 min, 2 d 4 h.
function span(ms) {
  if (ms === null || ms === undefined) return '–';
  if (ms === 0) return '0 ms';
  if (ms < 0.01) return '< 0.01 ms';
  if (ms < 10) return `${ms < 1 ? ms.toFixed(2) : ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 99.95) return `${s < 9.95 ? s.toFixed(1) : Math.round(s)} s`;
  const m = Math.floor(Math.round(s) / 60);
  if (m < 60) return `${m} min ${two(Math.round(s) % 60)} s`;
  const h = Math.floor(m / 60);
  if (h < 48) return `${h} h ${two(m % 60)} min`;
  return `${Math.floor(h / 24)} d ${h % 24} h`;
}

// brief is span for where there is no room.
function brief(ms) {
  if (ms < 1000) return '<1s';
  const s = Math.floor(ms / 1000);
  if (s < 100) return `${s}s`;
  if (s < 6000) return `${Math.floor(s / 60)}m`;
  return s < 360000 ? `${Math.floor(s / 3600)}h` : `${Math.floor(s / 86400)}d`;
}

function clock(ms) {
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

// What each state of a connection is called, and its letter. Their order is that of the legend.
const states = {
  running: ['R', 'running', 'waits for the server'],
  reading: ['Q', 'reading rows', 'has rows open'],
  transaction: ['T', 'idle in transaction', 'has a transaction open and runs nothing'],
  held: ['H', 'held, runs nothing', 'is held, and runs nothing'],
  idle: ['i', 'idle', 'nobody holds it'],
  opening: ['O', 'opening', 'is being opened'],
  draining: ['D', 'draining', 'ends when it comes back'],
  closing: ['C', 'closing', 'is being closed'],
  none: ['', 'empty slot', 'no connection'],
};

const ofTenant = (tenant) => (tenant ? 'tenant ' + tenant : '');

function swatch(state) {
  const s = el('span', 'swatch ' + state, states[state] ? states[state][0] : '');
  s.setAttribute('aria-hidden', 'true');
  return s;
}

// fillName fills a cell with a label, and under it what else is known of a caller.
function fillName(cell, label, more) {
  if (!cell.parts) {
    cell.parts = [el('span'), el('span', 'sub')];
    cell.append(...cell.parts);
  }
  const [name, sub] = cell.parts;
  setText(name, label || 'no label');
  setClass(name, label ? '' : 'none-given');
  setText(sub, more);
  sub.hidden = !more;
}
