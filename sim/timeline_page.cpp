// The page around a timeline's data. Everything is in it: style, drawing, and nothing from a network.
#include "sim/timeline.hpp"

namespace quorate::sim::detail {

const std::string_view kTimelineHead = R"page(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Quorate: a simulated run</title>
<style>
  :root { --ground: #fbfbf9; --ink: #1d2129; --faint: #8b919c; --line: #dfe1e5; --panel: #ffffff;
          --fault: 190, 60, 40; }
  @media (prefers-color-scheme: dark) {
    :root { --ground: #14161a; --ink: #e6e8ec; --faint: #868d99; --line: #2c3038; --panel: #1d2026;
            --fault: 255, 120, 90; }
  }
  * { box-sizing: border-box; }
  html, body { height: 100%; margin: 0; }
  body { display: flex; flex-direction: column; background: var(--ground); color: var(--ink);
         font: 13px/1.45 system-ui, sans-serif; }
  header { padding: 10px 14px 8px; border-bottom: 1px solid var(--line); background: var(--panel); }
  h1 { margin: 0; font-size: 15px; font-weight: 600; }
  #verdict { margin-top: 2px; white-space: pre-wrap; max-height: 7em; overflow: auto; }
  #verdict.bad { color: rgb(var(--fault)); }
  #tools { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; margin-top: 8px; }
  button { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 5px;
           padding: 2px 9px; cursor: pointer; }
  label { cursor: pointer; user-select: none; }
  .key { display: inline-block; width: 22px; height: 10px; margin-right: 4px; border-radius: 2px;
         vertical-align: -1px; }
  #view { position: relative; flex: 1; min-height: 0; }
  canvas { position: absolute; inset: 0; width: 100%; height: 100%; cursor: grab; touch-action: none; }
  canvas.dragging { cursor: grabbing; }
  #tip { position: fixed; z-index: 2; max-width: 460px; padding: 6px 9px; border-radius: 6px; pointer-events: none;
         background: var(--panel); border: 1px solid var(--line); box-shadow: 0 4px 16px rgba(0, 0, 0, .18);
         white-space: pre-wrap; display: none; }
  .faint { color: var(--faint); }
</style>
</head>
<body>
<header>
  <h1 id="title"></h1>
  <div id="verdict"></div>
  <div id="tools">
    <span><button id="out" title="zoom out (wheel)">&minus;</button> <button id="in" title="zoom in (wheel)">+</button>
      <button id="all" title="the whole run (0)">whole run</button></span>
    <span id="legend"></span>
    <span id="toggles"></span>
    <span class="faint">wheel: zoom &middot; drag: move &middot; shift + wheel: scroll</span>
  </div>
</header>
<div id="view"><canvas id="canvas"></canvas></div>
<div id="tip"></div>
<script type="application/json" id="data">
)page";

const std::string_view kTimelineTail = R"page(
</script>
<script>
'use strict';
const D = JSON.parse(document.getElementById('data').textContent);
const canvas = document.getElementById('canvas');
const pen = canvas.getContext('2d');
const tip = document.getElementById('tip');
const ROLES = ['follower', 'pre-candidate', 'candidate', 'leader', 'down', 'stopped'];
const LEADER = 3, DOWN = 4, STOPPED = 5;
const LEFT = 74, TOP = 26, NODE_LANE = 62, NODE_BAR = 22, CLIENT_LANE = 16;
const FAMILIES = [
  ['votes', /Vote|TimeoutNow/, '#b45ac8'],
  ['entries', /Append|Fetch/, '#2f7de1'],
  ['snapshots', /Snapshot/, '#0f9d84'],
  ['reads', /ReadIndex/, '#c98a12'],
  ['heartbeats', /Heartbeat/, '#9aa1ad'],
];
const OUTCOMES = { ok: '#3f9b56', refused: '#d6477f', unknown: '#e59a1c' };
const LOST = new Set(['cut', 'lost', 'corrupted']);

const familyOf = D.kinds.map(kind => FAMILIES.findIndex(family => family[1].test(kind)));
const shown = FAMILIES.map(family => family[0] !== 'heartbeats');
const lane = new Map(D.nodes.map((node, number) => [node, number]));
const clients = [...new Set(D.operations.map(operation => operation[0]))].sort((a, b) => a - b);
const clientLane = new Map(clients.map((client, number) => [client, number]));
let from = 0, scale = 1, scroll = 0, ratio = 1;

const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const x = time => LEFT + (time - from) * scale;
const time = px => from + (px - LEFT) / scale;
const width = () => canvas.clientWidth;
const nodeTop = number => TOP + number * NODE_LANE - scroll;
const barTop = number => nodeTop(number) + (NODE_LANE - NODE_BAR) / 2;
const clientsTop = () => TOP + D.nodes.length * NODE_LANE + 14 - scroll;
const clientTop = number => clientsTop() + number * CLIENT_LANE;
const seconds = us => (us / 1e6).toFixed(us % 1000 ? 6 : 3) + ' s';
/* Successive terms get hues as far apart as can be. */
const hue = term => (term * 137.5 + 200) % 360;

function barStyle(role, term) {
  if (role === DOWN) return 'rgba(128,128,128,.12)';
  if (role === STOPPED) return `rgba(${css('--fault')}, .35)`;
  if (role === LEADER) return `hsl(${hue(term)} 62% 46%)`;
  return role === 0 ? `hsl(${hue(term)} 48% 80%)` : `hsl(${hue(term)} 70% 64%)`;
}

/* The last state that began at or before a time. */
function stateAt(states, at) {
  let low = 0, high = states.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (states[middle][0] <= at) low = middle + 1; else high = middle;
  }
  return low - 1;
}

function draw() {
  const w = width(), h = canvas.clientHeight;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, w, h);
  pen.save();
  pen.beginPath();
  pen.rect(LEFT, TOP, w - LEFT, h - TOP);
  pen.clip();
  drawFaults();
  drawStates(w);
  drawMessages(w);
  drawOperations(w);
  pen.restore();
  drawFrame(w, h);
}

function drawFrame(w, h) {
  pen.fillStyle = css('--ground');
  pen.fillRect(0, 0, w, TOP);
  pen.fillRect(0, TOP, LEFT, h);
  pen.strokeStyle = css('--line');
  pen.fillStyle = css('--faint');
  pen.font = '11px system-ui, sans-serif';
  pen.textBaseline = 'middle';
  const wanted = 110 / scale;
  const power = Math.pow(10, Math.floor(Math.log10(wanted)));
  const step = [1, 2, 5, 10].map(factor => factor * power).find(candidate => candidate >= wanted);
  for (let at = Math.max(0, Math.ceil(time(LEFT) / step) * step); x(at) < w; at += step) {
    pen.beginPath();
    pen.moveTo(x(at) + .5, TOP - 5);
    pen.lineTo(x(at) + .5, h);
    pen.globalAlpha = .55;
    pen.stroke();
    pen.globalAlpha = 1;
    pen.fillText((at / 1e6).toFixed(Math.max(0, 6 - Math.floor(Math.log10(step)))) + ' s', x(at) + 4, TOP / 2);
  }
  pen.fillStyle = css('--ink');
  pen.save();
  pen.beginPath();
  pen.rect(0, TOP, LEFT, h);
  pen.clip();
  pen.font = '600 13px system-ui, sans-serif';
  D.nodes.forEach((node, number) => pen.fillText('n' + node, 14, nodeTop(number) + NODE_LANE / 2));
  pen.font = '11px system-ui, sans-serif';
  pen.fillStyle = css('--faint');
  clients.forEach((client, number) => pen.fillText('client ' + client, 14, clientTop(number) + CLIENT_LANE / 2));
  pen.restore();
}

function drawFaults() {
  pen.font = '10px system-ui, sans-serif';
  pen.textBaseline = 'top';
  for (const [begin, end, nodes, text] of D.faults) {
    const left = x(begin), right = Math.max(x(Math.min(end, D.end)), left + 2);
    if (right < LEFT || left > width()) continue;
    for (const node of nodes) {
      const top = nodeTop(lane.get(node));
      pen.fillStyle = `rgba(${css('--fault')}, .10)`;
      pen.fillRect(left, top + 3, right - left, NODE_LANE - 6);
      pen.fillStyle = `rgba(${css('--fault')}, .55)`;
      pen.fillRect(left, top + 3, 1.5, NODE_LANE - 6);
      if (right - left > 90) {
        pen.save();
        pen.beginPath();
        pen.rect(left, top, right - left, NODE_LANE);
        pen.clip();
        pen.fillText(text.slice(text.indexOf(':') + 2), Math.max(left, LEFT) + 5, top + 6);
        pen.restore();
      }
    }
  }
}

function drawStates(w) {
  pen.textBaseline = 'middle';
  pen.font = '11px system-ui, sans-serif';
  D.states.forEach((states, number) => {
    const top = barTop(number);
    let index = Math.max(0, stateAt(states, time(LEFT)));
    while (index < states.length && x(states[index][0]) < w) {
      /* Changes of commit and log length do not change the colour. */
      const [begin, role, term] = states[index];
      let next = index + 1;
      while (next < states.length && states[next][1] === role && states[next][2] === term) ++next;
      const left = Math.max(x(begin), LEFT), right = Math.min(next < states.length ? x(states[next][0]) : x(D.end), w);
      pen.fillStyle = barStyle(role, term);
      pen.fillRect(left, top, Math.max(right - left, .7), NODE_BAR);
      if (right - left > 46 && role !== DOWN) {
        pen.fillStyle = role === LEADER ? '#fff' : 'rgba(0,0,0,.72)';
        const text = (role === 0 ? '' : ROLES[role] + ' ') + (role === STOPPED ? '' : 't' + term);
        pen.fillText(text, left + 6, top + NODE_BAR / 2);
      }
      index = next;
    }
  });
}

function eachVisibleMessage(w, visit) {
  const first = time(LEFT), last = time(w);
  for (const message of D.messages) {
    if (message[0] > last) break;
    const end = message[1] < 0 ? D.end : message[1];
    if (end >= first && shown[familyOf[message[4]]]) visit(message, end);
  }
}

function messageLine(message, end) {
  const [sent, , source, target, , fate] = message;
  const down = lane.get(target) > lane.get(source);
  const y0 = barTop(lane.get(source)) + (down ? NODE_BAR : 0);
  const y1 = barTop(lane.get(target)) + (down ? 0 : NODE_BAR);
  if (!LOST.has(fate) && fate !== 'sent') return [x(sent), y0, x(end), y1];
  return [x(sent), y0, x(sent) + (x(end) - x(sent)) * .45, y0 + (y1 - y0) * .45];
}

function drawMessages(w) {
  let visible = 0;
  eachVisibleMessage(w, () => ++visible);
  const arrows = visible < 2500;
  pen.lineWidth = visible > 8000 ? .35 : 1;
  pen.globalAlpha = visible > 8000 ? .25 : visible > 2500 ? .45 : .85;
  eachVisibleMessage(w, (message, end) => {
    const [x0, y0, x1, y1] = messageLine(message, end);
    const lost = LOST.has(message[5]) || message[5] === 'sent';
    pen.strokeStyle = pen.fillStyle = lost ? `rgb(${css('--fault')})` : FAMILIES[familyOf[message[4]]][2];
    pen.setLineDash(lost ? [3, 3] : []);
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
    pen.stroke();
    if (!arrows) return;
    const angle = Math.atan2(y1 - y0, x1 - x0);
    pen.beginPath();
    if (lost) {
      pen.setLineDash([]);
      pen.moveTo(x1 - 3, y1 - 3);
      pen.lineTo(x1 + 3, y1 + 3);
      pen.moveTo(x1 + 3, y1 - 3);
      pen.lineTo(x1 - 3, y1 + 3);
      pen.stroke();
    } else {
      pen.moveTo(x1, y1);
      pen.lineTo(x1 - 6 * Math.cos(angle - .4), y1 - 6 * Math.sin(angle - .4));
      pen.lineTo(x1 - 6 * Math.cos(angle + .4), y1 - 6 * Math.sin(angle + .4));
      pen.fill();
    }
  });
  pen.setLineDash([]);
  pen.globalAlpha = 1;
  pen.lineWidth = 1;
}

function drawOperations(w) {
  pen.font = '10px system-ui, sans-serif';
  pen.textBaseline = 'middle';
  for (const [client, begin, end, text, , outcome] of D.operations) {
    const left = x(begin), right = Math.max(x(end), left + 1.5);
    if (right < LEFT || left > w) continue;
    const top = clientTop(clientLane.get(client));
    pen.fillStyle = OUTCOMES[outcome];
    pen.fillRect(left, top + 2, right - left, CLIENT_LANE - 4);
    if (right - left > 40) {
      pen.save();
      pen.beginPath();
      pen.rect(left, top, right - left, CLIENT_LANE);
      pen.clip();
      pen.fillStyle = '#fff';
      pen.fillText(text, Math.max(left, LEFT) + 4, top + CLIENT_LANE / 2);
      pen.restore();
    }
  }
}

function distance(px, py, [x0, y0, x1, y1]) {
  const dx = x1 - x0, dy = y1 - y0;
  const part = Math.max(0, Math.min(1, ((px - x0) * dx + (py - y0) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(px - x0 - part * dx, py - y0 - part * dy);
}

function describe(px, py) {
  if (px < LEFT || py < TOP) return '';
  const at = time(px);
  for (const [client, begin, end, text, reply, outcome, node, attempts] of D.operations) {
    const top = clientTop(clientLane.get(client));
    if (py < top || py >= top + CLIENT_LANE || px < x(begin) - 2 || px > Math.max(x(end), x(begin) + 2) + 2) continue;
    return `client ${client}: ${text}\n${outcome}${reply ? ': ' + reply : ''}\n${seconds(begin)} to ${seconds(end)}, ` +
           `${attempts} attempt${attempts === 1 ? '' : 's'}, answered by n${node}`;
  }
  const number = Math.floor((py - TOP + scroll) / NODE_LANE);
  const onBar = number >= 0 && number < D.nodes.length && py >= barTop(number) && py < barTop(number) + NODE_BAR;
  if (!onBar) {
    let best = 5, found = null;
    eachVisibleMessage(width(), (message, end) => {
      const away = distance(px, py, messageLine(message, end));
      if (away < best) { best = away; found = message; }
    });
    if (found) {
      const [sent, ended, source, target, kind, fate, term] = found;
      return `${D.kinds[kind]} n${source} to n${target}, term ${term}\nsent ${seconds(sent)}, ` +
             `${fate === 'sent' ? 'still on its way' : fate + ' ' + seconds(ended)}`;
    }
  }
  if (number < 0 || number >= D.nodes.length) return '';
  const node = D.nodes[number];
  const lines = [];
  const index = stateAt(D.states[number], at);
  if (index >= 0) {
    const [, role, term, commit, last, note] = D.states[number][index];
    lines.push(`n${node} at ${seconds(Math.round(at))}: ${ROLES[role]}`);
    if (role < DOWN) lines.push(`term ${term}, log to ${last}, committed to ${commit}`);
    if (note) lines.push(note);
  }
  for (const [begin, end, nodes, text] of D.faults) {
    if (nodes.includes(node) && at >= begin && x(at) <= Math.max(x(end), x(begin) + 3)) lines.push(text);
  }
  return lines.join('\n');
}

function clampView() {
  const least = (width() - LEFT) / (D.end * 1.02 || 1);
  scale = Math.min(Math.max(scale, least), 5);
  from = Math.min(Math.max(from, 0), Math.max(0, D.end * 1.02 - (width() - LEFT) / scale));
  const content = TOP + D.nodes.length * NODE_LANE + 24 + clients.length * CLIENT_LANE;
  scroll = Math.min(Math.max(scroll, 0), Math.max(0, content - canvas.clientHeight));
}
let pending = false;
function redraw() {
  clampView();
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => { pending = false; draw(); });
}
function zoom(factor, px) {
  const at = time(px);
  scale *= factor;
  clampView();
  from = at - (px - LEFT) / scale;
  redraw();
}
function resize() {
  ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  redraw();
}

canvas.addEventListener('wheel', event => {
  event.preventDefault();
  if (event.shiftKey) { scroll += event.deltaY || event.deltaX; redraw(); }
  else zoom(Math.exp(-event.deltaY * .0016), Math.max(event.offsetX, LEFT));
}, { passive: false });
let drag = null;
canvas.addEventListener('pointerdown', event => {
  drag = [event.clientX, event.clientY, from, scroll];
  canvas.setPointerCapture(event.pointerId);
  canvas.classList.add('dragging');
});
canvas.addEventListener('pointerup', () => { drag = null; canvas.classList.remove('dragging'); });
canvas.addEventListener('pointermove', event => {
  if (drag) {
    from = drag[2] - (event.clientX - drag[0]) / scale;
    scroll = drag[3] - (event.clientY - drag[1]);
    tip.style.display = 'none';
    redraw();
    return;
  }
  const text = describe(event.offsetX, event.offsetY);
  tip.style.display = text ? 'block' : 'none';
  tip.textContent = text;
  tip.style.left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8) + 'px';
  tip.style.top = Math.min(event.clientY + 16, window.innerHeight - tip.offsetHeight - 8) + 'px';
});
canvas.addEventListener('pointerleave', () => { tip.style.display = 'none'; });
document.getElementById('in').onclick = () => zoom(1.6, LEFT + (width() - LEFT) / 2);
document.getElementById('out').onclick = () => zoom(1 / 1.6, LEFT + (width() - LEFT) / 2);
document.getElementById('all').onclick = () => { scale = 0; from = 0; redraw(); };
window.addEventListener('keydown', event => {
  const page = (width() - LEFT) / scale;
  if (event.key === '+' || event.key === '=') zoom(1.6, LEFT + (width() - LEFT) / 2);
  else if (event.key === '-') zoom(1 / 1.6, LEFT + (width() - LEFT) / 2);
  else if (event.key === '0') { scale = 0; from = 0; redraw(); }
  else if (event.key === 'ArrowLeft') { from -= page / 8; redraw(); }
  else if (event.key === 'ArrowRight') { from += page / 8; redraw(); }
});

function setUp() {
  document.title = D.title;
  document.getElementById('title').textContent = D.title;
  const verdict = document.getElementById('verdict');
  verdict.textContent = D.verdict || 'Every check passed.';
  verdict.classList.toggle('bad', D.verdict !== '');
  if (D.left_out) verdict.textContent += `\n${D.left_out} messages are left out of this picture.`;
  const legend = document.getElementById('legend');
  const key = (style, text) => {
    const swatch = document.createElement('span');
    swatch.className = 'key';
    swatch.style.background = style;
    legend.append(swatch, text + '   ');
  };
  key(barStyle(LEADER, 1), 'leader');
  key(barStyle(2, 1), 'candidate');
  key(barStyle(0, 1), 'follower (a colour for each term)');
  key(`rgba(${css('--fault')}, .25)`, 'fault');
  for (const outcome in OUTCOMES) key(OUTCOMES[outcome], outcome);
  const toggles = document.getElementById('toggles');
  FAMILIES.forEach(([name, , colour], number) => {
    const label = document.createElement('label');
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.checked = shown[number];
    box.onchange = () => { shown[number] = box.checked; redraw(); };
    label.append(box, name + ' ');
    label.style.color = colour;
    toggles.append(label);
  });
  scale = 0;
  window.addEventListener('resize', resize);
  resize();
}
setUp();
</script>
</body>
</html>
)page";

}  // namespace quorate::sim::detail
