// The charts of the last minutes: lines over time, drawn as SVG at the size that they have on the page, so that text
// stays text of its size.

const svgNS = 'http://www.w3.org/2000/svg';

function svg(tag, attrs) {
  const e = document.createElementNS(svgNS, tag);
  for (const [k, v] of Object.entries(attrs || {})) e.setAttribute(k, v);
  return e;
}

// Points are what the server sends: the time in ms, and then these.
const column = {
  time: 0, served: 1, refused: 2, failed: 3, wait50: 4, wait99: 5, use: 6, longest: 7, inUse: 8, waiting: 9,
};

const minutes = 5;
const charts = [
  {
    title: 'Throughput per second', unit: number, scale: linear, floor: 5, mean: true,
    lines: [['served', 'served', 'a'], ['failed', 'failed', 'b'], ['refused', 'refused', 'c']],
  },
  { title: 'Wait for a connection', unit: span, scale: logarithmic, lines: [['p50', 'wait50', 'a'], ['p99', 'wait99', 'b']] },
  {
    title: 'Use of a connection', unit: span, scale: logarithmic,
    lines: [['mean', 'use', 'a'], ['longest now', 'longest', 'b']],
  },
  {
    title: 'In use and waiting', unit: number, scale: linear, floor: 4, lines: [['in use', 'inUse', 'a'], ['waiting', 'waiting', 'b']],
  },
];

function makeCharts() {
  for (const chart of charts) {
    const card = el('section', 'card chart');
    const header = el('header');
    chart.heading = el('h2', '', chart.title);
    chart.at = el('span', 'hint');
    header.append(chart.heading, chart.at);
    const keys = el('ul', 'keys');
    for (const line of chart.lines) {
      const item = el('li');
      const sample = svg('svg', { width: 14, height: 8, 'aria-hidden': 'true' });
      sample.append(svg('path', { d: 'M0 4H14', class: 'line ' + line[2] }));
      line.value = el('b');
      item.append(sample, line[0] + ' ', line.value);
      keys.append(item);
    }
    chart.plot = svg('svg', { class: 'plot', role: 'img' });
    card.append(header, keys, chart.plot);
    $('charts').append(card);
    watchChart(chart);
  }
}

// A scale says where on an axis a value stands, from 0 to 1, and which values are written beside it.

function linear(chart, max) {
  max = Math.max(max * 1.02, chart.floor);
  const power = 10 ** Math.floor(Math.log10(max));
  const top = [1, 2, 4, 6, 8, 10].find((n) => n * power >= max) * power;
  return { at: (v) => v / top, marks: [0, top / 2, top] };
}

// logarithmic is for times: what is good takes a millisecond or less and what is bad many seconds, and either has to be
// seen. What is below a tenth of a millisecond stands at the bottom.
function logarithmic(chart, max) {
  const least = 0.1;
  let decades = Math.max(3, Math.ceil(Math.log10(Math.max(max, least) / least) - 0.01));
  const step = decades > 4 ? 2 : 1;
  decades += decades % step;
  const marks = [0];
  for (let d = step; d <= decades; d += step) marks.push(least * 10 ** d);
  return { at: (v) => (v <= least ? 0 : Math.log10(v / least) / decades), marks };
}

// thin leaves at most n points of a line, so that the browser draws what can be seen: of each stretch the highest, so that
// no peak is lost, or the mean, where each is a number of things that happened in a second.
function thin(points, index, from, width, mean) {
  const bins = [];
  const slot = (minutes * 60000) / width;
  for (const p of points) {
    const v = p[index];
    const at = Math.floor((p[0] - from) / slot);
    if (at < 0) continue;
    const bin = bins[at];
    if (v === null) {
      if (!bin) bins[at] = { t: p[0], v: null, n: 0 };
    } else if (!bin || bin.v === null) {
      bins[at] = { t: p[0], v, n: 1 };
    } else if (mean) {
      bin.v += (v - bin.v) / ++bin.n;
    } else if (v > bin.v) {
      bin.v = v;
    }
  }
  return bins.filter(Boolean);
}

function drawChart(chart, points, now) {
  const width = chart.plot.clientWidth;
  const height = chart.plot.clientHeight;
  if (!width) return;
  const box = { left: 52, right: width - 6, top: 8, bottom: height - 18 };
  const from = now - minutes * 60000;
  const thinned = chart.lines.map((l) => thin(points, column[l[1]], from, Math.floor((box.right - box.left) / 2), chart.mean));
  let max = 0;
  for (const line of thinned) for (const p of line) if (p.v > max) max = p.v;
  const scale = chart.scale(chart, max);
  const x = (t) => box.left + ((t - from) / (minutes * 60000)) * (box.right - box.left);
  const y = (v) => box.bottom - scale.at(v) * (box.bottom - box.top);
  chart.geometry = { box, from, x };

  const parts = [];
  for (const v of scale.marks) {
    const at = Math.round(y(v));
    parts.push(svg('path', { class: 'grid', d: `M${box.left} ${at}H${box.right}` }));
    const label = svg('text', { x: box.left - 6, y: at + 4, 'text-anchor': 'end' });
    label.textContent = v === 0 ? '0' : axisLabel(chart, v);
    parts.push(label);
  }
  for (const ago of [minutes, minutes / 2, 0]) {
    const label = svg('text', { x: x(now - ago * 60000), y: height - 4, 'text-anchor': ago === minutes ? 'start' : ago ? 'middle' : 'end' });
    label.textContent = ago ? `−${ago} min` : 'now';
    parts.push(label);
  }
  thinned.forEach((line, i) => {
    const d = pathOf(line, x, y);
    if (i === 0 && d && chart.scale === linear) parts.push(svg('path', { class: 'area', d: areaOf(line, x, y, box.bottom) }));
    parts.push(svg('path', { class: 'line ' + chart.lines[i][2], d }));
  });
  chart.plot.replaceChildren(...parts);
  drawReading(chart, points);
  setAttr(chart.plot, 'aria-label', `${chart.title}, the last ${minutes} minutes: ` + chart.lines.map((l, i) => {
    const peak = thinned[i].reduce((m, p) => (p.v > m ? p.v : m), 0);
    return `${l[0]} highest ${chart.unit(peak)}`;
  }).join(', '));
}

function axisLabel(chart, v) {
  if (chart.unit === span) return v >= 1000 ? `${Math.round(v / 1000)} s` : `${+v.toFixed(1)} ms`;
  return v >= 1e6 ? `${+(v / 1e6).toFixed(1)}M` : v >= 1e4 ? `${+(v / 1e3).toFixed(1)}k` : number(v);
}

// The stretches of a line: it ends where nothing was measured, and where nobody looked for some seconds.
function stretches(line) {
  const all = [];
  let last = null;
  for (const p of line) {
    if (p.v === null) {
      last = null;
      continue;
    }
    if (!last || p.t - last.t > 9000) all.push([]);
    all[all.length - 1].push(p);
    last = p;
  }
  return all;
}

function pathOf(line, x, y) {
  // A stretch of one point would be invisible: it is drawn as a dash.
  return stretches(line).map((s) => 'M' + s.map((p) => `${x(p.t).toFixed(1)} ${y(p.v).toFixed(1)}`).join('L') +
    (s.length === 1 ? 'h1.5' : '')).join('');
}

function areaOf(line, x, y, bottom) {
  return stretches(line).map((s) => `M${x(s[0].t).toFixed(1)} ${bottom}L` +
    s.map((p) => `${x(p.t).toFixed(1)} ${y(p.v).toFixed(1)}`).join('L') + `L${x(s[s.length - 1].t).toFixed(1)} ${bottom}Z`).join('');
}

// drawReading writes the values beside the keys: of now, or of the instant that is pointed at.
function drawReading(chart, points) {
  let p = points[points.length - 1];
  const g = chart.geometry;
  const old = chart.plot.querySelector('.cross');
  if (old) old.remove();
  if (chart.pointed !== undefined && g) {
    const t = g.from + ((chart.pointed - g.box.left) / (g.box.right - g.box.left)) * minutes * 60000;
    p = points.reduce((best, q) => (Math.abs(q[0] - t) < Math.abs(best[0] - t) ? q : best), p);
    if (p) {
      const at = g.x(p[0]).toFixed(1);
      chart.plot.append(svg('path', { class: 'cross', d: `M${at} ${g.box.top}V${g.box.bottom}` }));
    }
  }
  setText(chart.at, chart.pointed !== undefined && p ? clock(p[0]) : '');
  for (const line of chart.lines) {
    const v = p ? p[column[line[1]]] : null;
    setText(line.value, v === null ? '–' : chart.unit(v));
  }
}

function watchChart(chart) {
  const point = (event) => {
    chart.pointed = Math.max(52, event.clientX - chart.plot.getBoundingClientRect().left);
    drawReading(chart, past.points);
  };
  chart.plot.addEventListener('pointermove', point);
  chart.plot.addEventListener('pointerdown', point);
  chart.plot.addEventListener('pointerleave', () => {
    chart.pointed = undefined;
    drawReading(chart, past.points);
  });
}

// The past: what the server kept of it, and what came since.
const past = { points: [] };

function addPoints(points) {
  const last = past.points.length ? past.points[past.points.length - 1][0] : 0;
  for (const p of points) if (p[0] > last) past.points.push(p);
}

function drawCharts(now) {
  const from = now - minutes * 60000;
  while (past.points.length && past.points[0][0] < from) past.points.shift();
  for (const chart of charts) drawChart(chart, past.points, now);
}
