// The tables: who holds what, who waits, what happened.

const fewHolders = () => (window.innerWidth < 560 ? 6 : 12);
const fewEvents = 15;
const expanded = { holders: false, events: false };

function drawMore(id, total, few, what) {
  const button = $(id + '-more');
  button.hidden = total <= few;
  setAttr(button, 'aria-expanded', expanded[id]);
  setText(button, expanded[id] ? `Show the first ${few}` : `Show all ${number(total)} ${what}`);
}

function drawHolders(tick) {
  const holders = tick.conns.filter((c) => c.held).sort((a, b) => b.held - a.held || a.id - b.id);
  const shown = expanded.holders ? holders : holders.slice(0, fewHolders());
  $('holders').hidden = holders.length === 0;
  $('holders-none').hidden = holders.length > 0;
  keyed($('holders').tBodies[0], shown, (c) => c.id, () => {
    const tr = row(['name', 'right', '', 'right narrow-off']);
    const doing = el('span', 'state');
    tr.doing = [el('span', 'swatch'), el('span')];
    tr.doing[0].setAttribute('aria-hidden', 'true');
    doing.append(...tr.doing);
    tr.query = el('span', 'query');
    tr.cells[2].append(doing, tr.query);
    tr.numbers = [el('span'), el('span', 'sub')];
    tr.cells[3].append(...tr.numbers);
    return tr;
  }, (tr, c) => {
    fillName(tr.cells[0], c.label, [ofTenant(c.tenant), c.user ? 'user ' + c.user : '', c.class === 'normal' ? '' : `class ${c.class}`].filter(Boolean).join(', '));
    setText(tr.cells[1], span(c.held));
    setClass(tr.cells[1], 'right' + (isLong(c) ? ' alarm' : ''));
    setClass(tr.doing[0], 'swatch ' + c.state);
    setText(tr.doing[0], states[c.state][0]);
    setText(tr.doing[1], states[c.state][1] + (c.run && c.held - c.run > 1 ? ` for ${span(c.run)}` : ''));
    setText(tr.query, c.query || '');
    tr.query.hidden = !c.query;
    setText(tr.numbers[0], '#' + c.id);
    setText(tr.numbers[1], c.pid ? 'pid ' + c.pid : '');
  });
  drawMore('holders', holders.length, fewHolders(), 'holders');
}

function drawWaiters(tick) {
  const most = Math.max(10, ...tick.queue.map((q) => q.waiting));
  keyed($('lanes'), tick.queue, (q) => q.class, () => {
    const li = el('li');
    const bar = el('span', 'bar');
    bar.setAttribute('aria-hidden', 'true');
    li.fill = el('i');
    bar.append(li.fill);
    li.parts = [el('b'), el('span', 'right')];
    const flow = el('span', 'flow');
    li.flow = [el('span'), el('span'), el('span')];
    flow.append(...li.flow);
    li.append(li.parts[0], bar, li.parts[1], flow);
    return li;
  }, (li, q) => {
    setClass(li, q.waiting ? 'waits' : '');
    setText(li.parts[0], q.class);
    setText(li.parts[1], q.waiting ? `${number(q.waiting)} waiting, oldest ${q.younger ? 'under ' : ''}${span(q.oldest)}` : 'nobody waits');
    li.fill.style.width = `${(100 * q.waiting) / most}%`;
    drawFlow(li, tick, q.class);
  });
  $('waiters').hidden = tick.waiters.length === 0;
  $('waiters-none').hidden = tick.waiters.length > 0 || tick.pool.waiting > 0;
  keyed($('waiters').tBodies[0], tick.waiters, (w) => JSON.stringify([w.class, w.label, w.tenant, w.query]), () => {
    const tr = row(['name', '', 'right', 'right']);
    tr.name = el('div');
    tr.query = el('span', 'query');
    tr.cells[0].append(tr.name, tr.query);
    return tr;
  }, (tr, w) => {
    fillName(tr.name, w.label, ofTenant(w.tenant));
    setText(tr.query, w.query || '');
    tr.query.hidden = !w.query;
    setText(tr.cells[1], w.class);
    setText(tr.cells[2], number(w.count));
    setText(tr.cells[3], span(w.longest));
    setClass(tr.cells[3], 'right' + (w.longest > 1000 ? ' alarm' : ''));
  });
  const rest = $('waiters-rest');
  rest.hidden = !tick.waitersLeft;
  setText(rest, `and ${number(tick.waitersLeft)} who came later`);
}

const levels = { info: ['·', ''], warn: ['▲', 'warn'], bad: ['✕', 'bad'] };

function drawEvents(tick) {
  const shown = expanded.events ? tick.events : tick.events.slice(0, fewEvents);
  $('events').hidden = tick.events.length === 0;
  $('events-none').hidden = tick.events.length > 0;
  keyed($('events').tBodies[0], shown, (e) => e.n, () => {
    const tr = row(['when', 'what', 'right count', 'told']);
    const kind = el('span', 'kind');
    tr.kind = [kind, el('i'), el('span')];
    tr.kind[1].setAttribute('aria-hidden', 'true');
    kind.append(tr.kind[1], tr.kind[2]);
    tr.cells[1].append(kind);
    return tr;
  }, (tr, e) => {
    const [sign, name] = levels[e.level];
    setText(tr.cells[0], e.last - e.first < 1000 ? clock(e.last) : `${clock(e.first)} – ${clock(e.last)}`);
    setClass(tr.kind[0], 'kind ' + name);
    setText(tr.kind[1], sign);
    setText(tr.kind[2], e.kind);
    setText(tr.cells[2], e.times > 1 ? '×' + number(e.times) : '');
    setText(tr.cells[3], e.text);
  });
  drawMore('events', tick.events.length, fewEvents, 'lines');
}

function watchTables(redraw) {
  for (const id of ['holders', 'events']) {
    $(id + '-more').addEventListener('click', () => {
      expanded[id] = !expanded[id];
      redraw();
    });
  }
}
