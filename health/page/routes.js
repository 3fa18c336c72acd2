// The routes: the connector's own connections and each pool beside them, a row each.

const cellStates = Object.fromEntries(Object.entries(states).map(([state, [letter]]) => [letter || '.', state]));

function routeState(r) {
  if (r.byName) return ['', '·', 'by name only'];
  if (r.serves) return ['good', '✓', 'serves reads'];
  if (r.ejected) return ['bad', '✕', 'ejected'];
  return ['warn', '▲', 'not chosen'];
}

function drawRoutes(tick) {
  const any = tick.routes.length > 0;
  $('routes-card').hidden = !any;
  setText($('connections-title'), any ? 'Connections to the primary' : 'Connections');
  if (!any) return;
  const fallbacks = perSecond((t) => t.features.fallbackCount);
  setText($('routes-hint'), fallbacks ? `${aSecond(fallbacks)} reads go to the primary because no replica can serve them` :
    tick.features.fallbackCount ? `${plural(tick.features.fallbackCount, 'read')} went to the primary because no replica could serve it` : '');
  setClass($('routes-hint'), 'hint' + (fallbacks ? ' alarm' : ''));
  const p = tick.pool;
  const primary = {
    name: 'primary', primary: true, serves: true, max: p.max, inUse: p.inUse, waiting: p.waiting, lag: null,
    cells: tick.conns.slice(0, 100).map((c) => states[c.state][0]).join('').padEnd(Math.min(p.max, 100), '.'),
  };
  keyed($('routes').tBodies[0], [primary, ...tick.routes], (r) => (r.primary ? 'p' : 'r') + r.name, () => {
    const tr = row(['name route', 'serves', 'right lag', 'right rate', 'right used', 'right waits narrow-off', 'narrow-off']);
    tr.pill = el('span', 'pill small');
    tr.why = el('span', 'sub');
    tr.cells[1].append(tr.pill, tr.why);
    tr.strip = el('span', 'ministrip');
    tr.strip.setAttribute('role', 'img');
    tr.cells[6].append(tr.strip);
    return tr;
  }, (tr, r) => {
    const [level, sign, word] = r.primary ? ['good', '✓', 'writes'] : routeState(r);
    setText(tr.cells[0], r.name);
    setClass(tr.pill, 'pill small ' + level);
    setText(tr.pill, `${sign} ${word}`);
    const why = (r.why || '').replace(/^ejected: /, '');
    setText(tr.why, why);
    tr.why.hidden = !why;
    setText(tr.cells[2], r.lag === null || r.ejected ? '–' : r.lag < 1 ? 'nothing' : span(r.lag));
    setClass(tr.cells[2], 'right lag' + (r.why && r.why.startsWith('is behind') ? ' alarm' : ''));
    const of = r.primary ? (t) => t.classes.reduce((sum, c) => sum + c.served, 0) : (t) => (t.routes.find((o) => o.name === r.name) || r).served;
    setText(tr.cells[3], aSecond(perSecond(of)));
    setText(tr.cells[4], `${number(r.inUse)} of ${number(r.max)}`);
    setClass(tr.cells[4], 'right used' + (r.inUse >= r.max ? ' alarm' : ''));
    setText(tr.cells[5], number(r.waiting));
    setClass(tr.cells[5], 'right waits narrow-off' + (r.waiting ? ' alarm' : ''));
    drawMiniStrip(tr.strip, r);
  });
}

// drawMiniStrip draws a small cell for each connection of a route. Nobody needs to tell them apart: the page of that pool does.
function drawMiniStrip(strip, r) {
  setAttr(strip, 'aria-label', `${number(r.inUse)} of ${number(r.max)} connections in use`);
  if (strip.shown === r.cells) return;
  strip.shown = r.cells;
  while (strip.children.length > r.cells.length) strip.lastElementChild.remove();
  while (strip.children.length < r.cells.length) strip.append(el('i'));
  [...r.cells].forEach((letter, i) => setClass(strip.children[i], 'mini ' + (cellStates[letter] || 'none')));
}
