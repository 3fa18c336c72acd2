// The stream of what the server says, and the head of the page.

const stream = { source: null, last: 0, lost: 0, tries: 0, timer: 0, tick: null, served: false };
const silence = 6000; // ms without a word after which the connection counts as lost
const statuses = {
  healthy: ['good', '✓', 'Healthy'], degraded: ['warn', '▲', 'Degraded'], unhealthy: ['bad', '✕', 'Unhealthy'],
  unknown: ['', '?', 'Not judged yet'],
};

function say(text) {
  if ($('said').textContent !== text) $('said').textContent = text;
}

function listen() {
  clearTimeout(stream.timer);
  if (stream.source) stream.source.close();
  const source = new EventSource('events');
  stream.source = source;
  stream.last = Date.now();
  source.addEventListener('hello', (event) => {
    const hello = JSON.parse(event.data);
    if (hello.build !== document.documentElement.dataset.build && mayReload()) return; // the server has another page by now
    past.points = hello.points;
    heard(hello.tick);
  });
  source.addEventListener('tick', (event) => heard(JSON.parse(event.data)));
  source.addEventListener('bye', () => lose(source));
  source.addEventListener('error', () => lose(source));
}

// mayReload loads the page anew, but not again and again: where some servers of several have another version, the page may
// come from one and the stream from another for as long as that lasts.
function mayReload() {
  try {
    if (Date.now() - Number(sessionStorage.getItem('reloaded')) < 60000) return false;
    sessionStorage.setItem('reloaded', Date.now());
  } catch {
    return false; // there is nowhere to remember it
  }
  location.reload();
  return true;
}

function heard(tick) {
  stream.last = Date.now();
  stream.tries = 0;
  if (stream.lost) {
    stream.lost = 0;
    $('banner').hidden = true;
    say('Connected again.');
  }
  const before = stream.tick;
  stream.tick = tick;
  addPoints(tick.points);
  if (before && before.health.status !== tick.health.status) say(`Health is ${tick.health.status} now.`);
  setText($('stream'), 'live · ' + clock(tick.now));
  setClass($('stream'), 'stream live');
  draw();
}

// lose gives a stream up and tries another, after pauses that grow to ten seconds.
function lose(source) {
  if (source !== stream.source) return;
  source.close();
  stream.source = null;
  if (!stream.lost) {
    stream.lost = stream.tick ? stream.last : Date.now();
    say('Disconnected.');
  }
  const pause = Math.min(10000, 500 * 2 ** stream.tries++);
  showLost('');
  stream.timer = setTimeout(listen, pause);
  explain();
}

// explain asks why there is no stream: an EventSource does not tell.
async function explain() {
  let why = 'the server does not answer';
  try {
    const answer = await fetch('events', { method: 'HEAD', cache: 'no-store' });
    if (answer.ok) return;
    why = answer.status === 503 && answer.headers.has('Retry-After') ? 'as many pages as the server allows are open already' :
      answer.status === 401 || answer.status === 403 ? 'the server does not allow it any more; reload the page to sign in' :
        answer.status === 501 ? 'a handler around the page keeps the stream back (its ResponseWriter has no Flush)' :
          `the server answers ${answer.status}`;
  } catch {
    // That is the answer.
  }
  if (stream.lost) showLost(why);
}

function showLost(why) {
  const banner = $('banner');
  setText(banner, `Disconnected since ${clock(stream.lost)}${why ? ': ' + why : ''}. ` +
    (stream.tick ? 'What is shown is from then. ' : '') + 'Trying again.');
  banner.hidden = false;
  setText($('stream'), 'disconnected');
  setClass($('stream'), 'stream lost');
}

function draw() {
  const tick = stream.tick;
  if (!tick) return;
  $('head').hidden = false;
  $('main').hidden = false;
  remember(tick);
  drawHead(tick);
  drawOverload(tick);
  drawStrip(tick);
  drawRoutes(tick);
  drawHolders(tick);
  drawWaiters(tick);
  drawCharts(tick.now);
  drawEvents(tick);
  drawFeatures(tick);
  drawTotals(tick);
}

function drawHead(tick) {
  const [level, sign, word] = statuses[tick.health.status] || statuses.unknown;
  const p = tick.pool;
  setText($('pool'), p.name);
  setClass($('state'), 'pill ' + level);
  setText($('state'), `${sign} ${word}${tick.health.score === null ? '' : ` · ${tick.health.score} of 100`}`);
  setText($('since'), tick.health.since ? 'since ' + clock(tick.health.since) : '');
  $('unready').hidden = !tick.health.notReady || tick.health.notReady.startsWith('unhealthy');
  setText($('unready'), 'not ready: ' + tick.health.notReady);
  const reasons = tick.health.reasons.map((text) => ({ text }));
  if (tick.health.warnings.length) reasons.push({ text: tick.health.warnings.join(' · '), warning: true });
  keyed($('reasons'), reasons, (r) => (r.warning ? 'warnings' : r.text.replace(/[\d.]+/g, '#')),
    (r) => el('li', r.warning ? 'warnings' : ''), (li, r) => setText(li, r.text));
  const last = past.points[past.points.length - 1] || []; // of a monitor that has just begun there is no past
  const full = p.inUse >= p.max;
  const facts = [
    ['in use', p.inUse, ` of ${number(p.max)}`, full ? (p.waiting ? 'bad' : 'warn') : ''],
    ['waiting', number(p.waiting), '', p.waiting ? 'warn' : ''],
    ['longest wait now', p.waiting ? span(p.oldest) : '–', '', p.waiting && p.oldest > 1000 ? 'bad' : ''],
    ['served', number(last[column.served]), ' /s', ''],
    ['refused', number(last[column.refused]), ' /s', last[column.refused] ? 'bad' : ''],
    ['wait, 99th percentile', span(last[column.wait99]), '', last[column.wait99] > 1000 ? 'warn' : ''],
  ];
  keyed($('numbers'), facts, (f) => f[0], (f) => {
    const div = el('div');
    const dd = el('dd');
    div.parts = [el('span'), el('small')];
    dd.append(...div.parts);
    div.append(el('dt', '', f[0]), dd);
    return div;
  }, (div, f) => {
    setText(div.parts[0], f[1]);
    setText(div.parts[1], f[2]);
    setClass(div, f[3]);
  });
  document.title = (tick.health.status === 'unhealthy' ? '✕ ' : tick.health.status === 'degraded' ? '▲ ' : '') +
    (p.waiting ? `${p.waiting} waiting · ` : '') + `${p.inUse}/${p.max} · ${p.name}`;
}

function drawTotals(tick) {
  keyed($('totals'), tick.totals, (t) => t[0], (t) => {
    const div = el('div');
    div.append(el('dt', '', t[0]), el('dd'));
    return div;
  }, (div, t) => setText(div.lastElementChild, number(t[1])));
}

makeCharts();
watchStrip();
watchTables(draw);
let resized = 0;
addEventListener('resize', () => {
  cancelAnimationFrame(resized);
  resized = requestAnimationFrame(draw);
});
// A page that nobody sees asks for nothing. When it is seen again, the server tells what it has missed.
document.addEventListener('visibilitychange', () => {
  clearTimeout(stream.timer);
  if (document.hidden) {
    if (stream.source) stream.source.close();
    stream.source = null;
    setText($('stream'), 'paused');
    setClass($('stream'), 'stream');
  } else {
    listen();
  }
});
// A connection that is gone without a word looks like one on which nothing is said.
setInterval(() => {
  if (stream.source && Date.now() - stream.last > silence) lose(stream.source);
}, 1000);
listen();
