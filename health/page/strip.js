// The strip: one cell for each connection that the pool may have. A connection keeps its cell for as long as it lives, so
// that a change is a change of color in one place.

const strip = {
  slots: [], // ids of connections, 0 where there is none
  byId: new Map(),
  max: 0,
  longAfter: 0,
  showsQueries: false,
  active: 0, // the slot that the tab key leads to
  kept: -1, // the slot whose details were asked for
  looked: -1, // the slot that is looked at just now
};

function assignSlots(conns, max) {
  strip.byId = new Map(conns.map((c) => [c.id, c]));
  strip.slots = strip.slots.map((id) => (strip.byId.has(id) ? id : 0));
  const seen = new Set(strip.slots);
  let free = 0;
  for (const c of conns) {
    if (seen.has(c.id)) continue;
    while (strip.slots[free]) free++;
    strip.slots[free] = c.id;
  }
  // Above a lowered maximum there may be more, until they come back.
  let used = strip.slots.length;
  while (used > 0 && !strip.slots[used - 1]) used--;
  const n = Math.max(max, used);
  strip.slots.length = Math.min(strip.slots.length, n);
  while (strip.slots.length < n) strip.slots.push(0);
}

const maxCells = 2000; // what a browser still lays out once a second

function drawStrip(tick) {
  assignSlots(tick.conns, tick.pool.max);
  strip.longAfter = tick.pool.longAfter;
  strip.max = tick.pool.max;
  const n = Math.min(strip.slots.length, maxCells);
  const list = $('strip');
  setClass(list, 'strip ' + densityOf(n));
  while (list.children.length > n) list.lastElementChild.remove();
  while (list.children.length < n) list.append(makeCell(list.children.length));
  strip.active = Math.min(strip.active, n - 1);
  for (let i = 0; i < n; i++) fillCell(list.children[i], i);
  const p = tick.pool;
  setText($('connections-hint'), `${number(p.inUse)} in use, ${number(p.idle)} idle, ${number(p.opening)} opening, ` +
    `${number(p.closing)} closing, ${number(Math.max(0, p.max - p.total))} of ${number(p.max)} slots empty` +
    (strip.slots.length > n ? `; the first ${number(n)} are shown` : ''));
  drawLegend(strip.longAfter);
  drawDetails();
}

function densityOf(n) {
  const narrow = window.innerWidth < 560;
  if (n > (narrow ? 96 : 240)) return 'dense';
  return n > (narrow ? 12 : 48) ? 'compact' : 'roomy';
}

function makeCell(i) {
  const c = el('li', 'cell');
  c.id = 'cell-' + i;
  c.setAttribute('role', 'option');
  c.setAttribute('aria-selected', 'false');
  c.parts = [el('b'), el('span', 'who'), el('span', 'age')];
  for (const p of c.parts) p.setAttribute('aria-hidden', 'true');
  c.append(...c.parts);
  return c;
}

const isLong = (conn) => conn.held > strip.longAfter;

function fillCell(cell, i) {
  const conn = strip.byId.get(strip.slots[i]);
  const state = conn ? conn.state : 'none';
  const [letter, who, age] = cell.parts;
  setText(letter, states[state][0]);
  setText(who, conn && conn.held ? conn.label || conn.tenant || 'no label' : state === 'none' ? '' : states[state][1]);
  setText(age, conn ? brief(conn.held || conn.for) : '');
  setClass(cell, 'cell ' + state + (conn && isLong(conn) ? ' long' : ''));
  setAttr(cell, 'tabindex', i === strip.active ? 0 : -1);
  setAttr(cell, 'aria-selected', i === strip.kept);
  setAttr(cell, 'aria-label', describeCell(conn, i));
}

function describeCell(conn, i) {
  if (!conn) return `Slot ${i + 1}: empty`;
  const words = [`Connection ${conn.id}`, states[conn.state][1]];
  if (conn.held) {
    words.push(conn.label || 'no label');
    if (conn.tenant) words.push('tenant ' + conn.tenant);
    if (conn.user) words.push('user ' + conn.user);
    words.push('class ' + conn.class, 'held for ' + span(conn.held));
    if (isLong(conn)) words.push('which is long');
  } else {
    words.push('for ' + span(conn.for));
  }
  return words.join(', ');
}

function drawLegend(longAfter) {
  const list = $('legend');
  if (list.made !== longAfter) {
    list.made = longAfter;
    list.textContent = '';
    for (const [state, [, name]] of Object.entries(states)) {
      const item = el('li');
      item.append(swatch(state), name);
      list.append(item);
    }
    const long = el('li');
    long.append(el('span', 'swatch long'), `held for over ${span(longAfter)}`);
    list.append(long);
  }
}

function drawDetails() {
  const box = $('details');
  const i = strip.looked >= 0 ? strip.looked : strip.kept;
  const conn = i >= 0 ? strip.byId.get(strip.slots[i]) : longestHeld();
  const facts = conn ? factsOf(conn, i < 0 ? 'Held longest' : 'Connection') : [];
  if (!box.parts) {
    box.parts = [el('p', 'hint'), el('dl')];
    box.append(...box.parts);
  }
  const [hint, list] = box.parts;
  hint.hidden = facts.length > 0;
  setText(hint, i >= 0 ? `Slot ${i + 1} is empty: a connection is opened when somebody needs one.` : 'Nobody holds a connection.');
  keyed(list, facts, (f) => f[0], (f) => {
    const pair = el('div', f[2] || '');
    pair.append(el('dt', '', f[0]), el('dd'));
    if (f[2] === 'wide') pair.lastElementChild.append(el('code'));
    return pair;
  }, (pair, f) => setText(pair.lastElementChild.firstElementChild || pair.lastElementChild, f[1]));
}

// longestHeld is what is shown while nobody asks for another: it is what most people come for.
function longestHeld() {
  let longest;
  for (const c of strip.byId.values()) if (c.held && (!longest || c.held > longest.held)) longest = c;
  return longest;
}

function factsOf(c, title) {
  const facts = [[title, '#' + c.id, 'first']];
  if (c.pid) facts.push(['pid', c.pid]);
  facts.push(['State', states[c.state][1] + (c.end ? ': ' + c.end : '')]);
  if (c.held) {
    facts.push(['Holder', c.label || 'no label']);
    if (c.tenant) facts.push(['Tenant', c.tenant]);
    if (c.user) facts.push(['User', c.user]);
    facts.push(['Class', c.class], ['Held for', span(c.held)]);
    if (c.run) facts.push(['Running for', span(c.run)]);
  } else {
    facts.push([states[c.state][1] + ' for', span(c.for)]);
  }
  if (c.key) facts.push(['Affinity', c.key]);
  if (c.age) facts.push(['Open for', span(c.age)]);
  facts.push(['So far', `${plural(c.uses, 'use')}, ${plural(c.queries, 'operation')}, ${number(c.errors)} failed`]);
  if (c.query) facts.push([c.run ? 'Statement' : 'Last statement', c.query, 'wide']);
  return facts;
}

function keepSlot(i) {
  strip.kept = i;
  [...$('strip').children].forEach((c, at) => setAttr(c, 'aria-selected', at === i));
  drawDetails();
}

function goToSlot(i) {
  const list = $('strip');
  i = Math.max(0, Math.min(list.children.length - 1, i));
  setAttr(list.children[strip.active], 'tabindex', -1);
  strip.active = i;
  setAttr(list.children[i], 'tabindex', 0);
  list.children[i].focus();
}

// perRow is how many cells stand side by side just now.
function perRow(list) {
  const top = list.children[0].offsetTop;
  let n = 1;
  while (n < list.children.length && list.children[n].offsetTop === top) n++;
  return n;
}

function stripKeys(event) {
  const list = $('strip');
  const i = [...list.children].indexOf(event.target.closest('.cell'));
  if (i < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const moves = {
    ArrowRight: () => i + 1, ArrowLeft: () => i - 1, Home: () => 0, End: () => list.children.length - 1,
    ArrowDown: () => i + perRow(list), ArrowUp: () => i - perRow(list),
  };
  if (moves[event.key]) {
    const to = moves[event.key]();
    if (to >= 0 && to < list.children.length) goToSlot(to);
  } else if (event.key === 'Enter' || event.key === ' ') {
    keepSlot(strip.kept === i ? -1 : i);
  } else if (event.key === 'Escape') {
    keepSlot(-1);
  } else {
    return;
  }
  event.preventDefault();
}

function watchStrip() {
  const list = $('strip');
  const slotOf = (event) => [...list.children].indexOf(event.target.closest('.cell'));
  const look = (i) => {
    strip.looked = i;
    drawDetails();
  };
  list.addEventListener('keydown', stripKeys);
  list.addEventListener('focusin', (event) => look(slotOf(event)));
  list.addEventListener('focusout', () => look(-1));
  list.addEventListener('pointerover', (event) => event.pointerType === 'mouse' && look(slotOf(event)));
  list.addEventListener('pointerleave', () => look(-1));
  list.addEventListener('click', (event) => {
    const i = slotOf(event);
    if (i < 0) return;
    goToSlot(i);
    keepSlot(strip.kept === i ? -1 : i);
  });
}
