// Who is served and who is turned away, by class, and what is switched on. The server tells how many there were since the
// start; what that is in a second is reckoned from the last few ticks.

const rates = { ticks: [] };
const rateOver = 5; // ticks

function remember(tick) {
  const last = rates.ticks[rates.ticks.length - 1];
  if (last && tick.now <= last.now) return;
  if (last && tick.now - last.now > 10000) rates.ticks = []; // nobody looked meanwhile
  rates.ticks.push(tick);
  if (rates.ticks.length > rateOver + 1) rates.ticks.shift();
}

// perSecond is how much what count returns grew in a second of late, null if that is not known yet.
function perSecond(count) {
  const first = rates.ticks[0];
  const last = rates.ticks[rates.ticks.length - 1];
  if (!last || first === last) return null;
  const grown = count(last) - count(first);
  return grown < 0 ? null : (grown * 1000) / (last.now - first.now);
}

const aSecond = (n) => (n === null ? '–' : `${number(n)} /s`);

// flowOf says what becomes of the callers of a class.
function flowOf(class_, dryRun) {
  const of = (field) => (tick) => (tick.classes.find((c) => c.class === class_.class) || {})[field] || 0;
  return { served: perSecond(of('served')), refused: perSecond(of('refused')), would: dryRun ? perSecond(of('would')) : 0 };
}

function drawOverload(tick) {
  const over = tick.classes.filter((c) => c.since);
  const box = $('overload');
  box.hidden = over.length === 0;
  if (!over.length) return;
  setClass(box, 'overload' + (tick.dryRun ? ' dry' : ''));
  const since = Math.min(...over.map((c) => c.since));
  let refused = 0;
  const flows = tick.classes.map((c) => [c, flowOf(c, tick.dryRun)]);
  const told = flows.map(([c, f]) => {
    const n = tick.dryRun ? f.would : f.refused;
    refused += n || 0;
    return n ? `${c.class} ${number(n)} /s` : '';
  }).filter(Boolean);
  const spared = flows.filter(([, f]) => f.served && !(tick.dryRun ? f.would : f.refused)).map(([c]) => c.class);
  const served = flows.reduce((sum, [, f]) => sum + (f.served || 0), 0);
  setText(box, `${tick.dryRun ? '▲ Overloaded (dry run)' : '✕ Overloaded'} for ${span(tick.now - since)}: more come than can be served. ` +
    `${number(served)} of ${number(served + (tick.dryRun ? 0 : refused))} a second are served. ` +
    (told.length ? `${tick.dryRun ? 'Would be turned away' : 'Turned away'}: ${told.join(', ')}` + (spared.length ? `; nobody of ${spared.join(' and ')}.` : '.') :
      'Nobody is turned away just now.'));
}

// drawFlow writes under a class's queue what becomes of its callers.
function drawFlow(li, tick, name) {
  const c = tick.classes.find((c) => c.class === name);
  if (!c) return;
  const f = flowOf(c, tick.dryRun);
  setText(li.flow[0], `served ${aSecond(f.served)}`);
  setText(li.flow[1], f.refused ? `turned away ${aSecond(f.refused)}` : f.would ? `would be turned away ${aSecond(f.would)}` : '');
  setClass(li.flow[1], f.refused ? 'alarm' : '');
  setText(li.flow[2], c.since ? `overloaded for ${span(tick.now - c.since)}` : '');
}

function drawFeatures(tick) {
  const f = tick.features;
  const rate = (field) => perSecond((t) => t.features[field]);
  const percent = (part, all) => (all ? `${number((100 * part) / all)} %` : '–');
  const facts = [];
  const asked = f.executedCount + f.sharedCount + f.aloneCount + f.refusedSharingCount;
  if (asked) {
    facts.push(['Executions for who shares', aSecond(rate('executedCount'))], ["Got another's result", aSecond(rate('sharedCount'))],
      ['Wait for one', number(f.sharing)], ['Ran alone after all', aSecond(rate('aloneCount'))]);
    if (f.refusedSharingCount) facts.push(['Refused at a cap', number(f.refusedSharingCount)]);
  }
  if (f.statementHitCount + f.statementMissCount) {
    facts.push(['Statements found prepared', percent(f.statementHitCount, f.statementHitCount + f.statementMissCount)],
      ['Prepared now', number(f.preparedStatements)]);
    if (f.statementEvictionCount) facts.push(['Evicted', number(f.statementEvictionCount)]);
    if (f.statementInvalidationCount) facts.push(['Invalidated', number(f.statementInvalidationCount)]);
  }
  if (f.affinityLookCount) facts.push(['Same connection as before', percent(f.affinityHitCount, f.affinityLookCount)]);
  if (f.slowShare) {
    facts.push(['Held by slow calls', `${number(f.slowConnections)}, of ${number(f.slowShare)} of their own` +
      (f.slowConnections > f.slowShare ? `, ${number(f.slowConnections - f.slowShare)} borrowed` : '')]);
  }
  if (f.heldBack) facts.push(["Wait for their tenant's cap", number(f.heldBack)]);
  $('features-card').hidden = facts.length === 0;
  keyed($('features'), facts, (fact) => fact[0], (fact) => {
    const div = el('div');
    div.append(el('dt', '', fact[0]), el('dd'));
    return div;
  }, (div, fact) => setText(div.lastElementChild, fact[1]));
}
