// The curves of several runs over one another, each named at its end. Runs inside gr.HTML, which gives element, props,
// server and watch. Follows live.js and pen.js. A point is [step, epoch, tokens, seconds, value, mean of its stretch].

const say = speak("compare");
const live = speak("live");
const root = element.querySelector(".tf-overlay");
const AXES = ["step", "epoch", "tokens", "time"];
const [VALUE, MEAN] = [4, 5];
const COLOURS = ["pine", "base", "amber", "red"]; // and once more, dashed
const EDGE = { left: 50, top: 12, bottom: 26 };
const LABEL = 12.5; // pixels that a name needs, from top to bottom
const view = { axis: "step", figure: "loss", log: false, smooth: 0.9, ...remembered("tunefork_overlay") };
const state = { figures: [], runs: [], picked: [], hover: null, hit: null, asking: false, misses: 0 };
const ui = {
  canvas: make("canvas"), figure: make("select", "tf-select"), smooth: make("input"), smoothed: make("output"),
  readout: make("p", "tf-readout"), most: make("p", "tf-hint tf-gone"), empty: make("div", "tf-plot-empty"), offline: make("p", "tf-offline tf-gone", live("offline")),
};
const keep = () => localStorage.setItem("tunefork_overlay", JSON.stringify(view));

// ---- choosing what is drawn -------------------------------------------------------------------------------------------
function button(text, title, act) {
  const made = make("button", "", text);
  made.type = "button";
  if (title) made.title = title;
  made.addEventListener("click", () => { act(); keep(); sync(); draw(); });
  return made;
}

function group(label, ...buttons) {
  const made = put(make("div", "tf-seg"), ...buttons);
  made.setAttribute("role", "group");
  made.setAttribute("aria-label", label);
  return made;
}

function build() {
  ui.figure.setAttribute("aria-label", live("series"));
  ui.figure.addEventListener("change", () => { view.figure = ui.figure.value; state.runs = []; keep(); ask(); });
  ui.axis = group(live("axis"), ...AXES.map((key) => button(live(`axis_${key}`), "", () => { view.axis = key; })));
  ui.log = button(live("log"), live("log_title"), () => { view.log = !view.log; });
  Object.assign(ui.smooth, { type: "range", min: 0, max: 0.99, step: 0.01, value: view.smooth });
  ui.smooth.setAttribute("aria-label", live("smooth_title"));
  ui.smooth.addEventListener("input", () => { view.smooth = Number(ui.smooth.value); keep(); sync(); draw(); });
  const slider = put(make("label", "tf-smooth"), make("span", "", say("smoothing")), ui.smooth, ui.smoothed);
  const right = put(make("div", "tf-tools-right"), slider, ui.axis, group(live("drawing"), ui.log));
  ui.canvas.setAttribute("role", "img");
  ui.canvas.tabIndex = 0;
  ui.readout.setAttribute("aria-live", "polite");
  const head = put(make("div", "tf-plot-tools"), put(make("div", "tf-overlay-head"), make("h3", "", say("title")), ui.figure), right);
  root.replaceChildren(head, put(make("div", "tf-canvas"), ui.canvas, ui.empty), ui.readout, ui.most, ui.offline);
  listen();
}

const figureName = (name) => {
  const known = { loss: live("show_loss"), mean_token_accuracy: live("show_accuracy"), learning_rate: live("rate"),
    grad_norm: live("norm"), tokens_per_second: live("speed"), memory_bytes: live("memory") }[name];
  const curve = live(`curves.${name}`);
  return known ?? (curve.startsWith("curves.") || curve === name ? name : `${curve} (${name})`);
};

function sync() {
  AXES.forEach((key, index) => ui.axis.children[index].setAttribute("aria-pressed", key === view.axis));
  ui.log.setAttribute("aria-pressed", view.log);
  ui.smoothed.textContent = view.smooth ? view.smooth.toFixed(2) : live("off");
  const names = state.figures.includes(view.figure) ? state.figures : [view.figure, ...state.figures];
  if (ui.figure.dataset.names !== String(names)) {
    ui.figure.dataset.names = String(names);
    ui.figure.replaceChildren(...names.map((name) => Object.assign(make("option", "", figureName(name)), { value: name })));
  }
  ui.figure.value = view.figure;
  ui.canvas.setAttribute("aria-label", say("aria", { figure: figureName(view.figure), runs: state.runs.map((run) => {
    const end = run.points.at(-1) ?? run.evals.at(-1);
    return `${label(run)} ${number(end?.[VALUE])}`;
  }).join(", ") }));
}

// ---- what the server knows --------------------------------------------------------------------------------------------
const visible = () => !document.hidden && root.getClientRects().length > 0;

async function ask() {
  if (state.asking || state.picked.length < 2 || !visible()) return;
  state.asking = true;
  const [figure, runs] = [view.figure, state.picked];
  const known = Object.fromEntries(state.runs.map((run) => [run.id, run.read]));
  let answer;
  try { answer = await server.overlay({ runs, figure, known }); } finally { state.asking = false; }
  state.misses = answer ? 0 : state.misses + 1;
  show(ui.offline, state.misses > 0);
  if (!answer) return;
  if (figure !== view.figure || runs !== state.picked) { ask(); return; }
  state.figures = answer.figures;
  const before = Object.fromEntries(state.runs.map((run) => [run.id, run]));
  state.runs = answer.runs.map((run) => ({ ...before[run.id], share: null, ...run }));
  element.dataset.runs = state.runs.length;
  element.dataset.figure = figure;
  element.dataset.points = Math.max(0, ...state.runs.map((run) => run.points.length));
  sync();
  draw();
  if (state.runs.some((run) => run.share !== null)) setTimeout(ask, 50); // a long log comes in parts
}

function follow() {
  const told = props.value ? JSON.parse(props.value) : {};
  state.picked = told.runs ?? [];
  show(ui.most, told.all > state.picked.length);
  ui.most.textContent = say("most", { shown: state.picked.length, all: told.all });
  state.runs = state.runs.filter((run) => state.picked.includes(run.id));
  ask();
}

// ---- drawing ------------------------------------------------------------------------------------------------------------
const along = (point) => point[AXES.indexOf(view.axis)];
const fits = (value) => value !== null && value !== undefined && (!view.log || value > 0);
const stroke = (run) => {
  const at = state.picked.indexOf(run.id);
  return { stroke: colour(COLOURS[at % COLOURS.length]), dashed: at >= COLOURS.length };
};
const label = (run) => (state.runs.filter((one) => one.name === run.name).length > 1
  ? `${run.name} ${run.id.match(/\d{6}(-\d+)?$/)?.[0] ?? run.id}` : run.name);

function smoothed(points) {
  let [sum, weights, before] = [0, 0, 0];
  return points.map((point) => {
    const weight = view.smooth ** Math.max(1, point[0] - before); // a thinned point stands for several steps
    sum = weight * sum + (1 - weight) * (point[MEAN] ?? point[VALUE]);
    weights = weight * weights + (1 - weight);
    [before] = point;
    return weights ? sum / weights : point[VALUE];
  });
}

function lines() { // what is drawn of each run; `x` and `y` in figures
  return state.runs.map((run) => {
    const placed = (points) => points.filter((point) => fits(point[VALUE]) && along(point) !== null);
    const [points, evals] = [placed(run.points), placed(run.evals)];
    const smooth = view.smooth > 0 ? smoothed(points) : points.map((point) => point[VALUE]);
    return { run, points, evals, smooth };
  }).filter((line) => line.points.length || line.evals.length);
}

function scales(drawn, width, height, right) {
  const values = drawn.flatMap((line) => [...line.points, ...line.evals].map((point) => point[VALUE]));
  const places = drawn.flatMap((line) => [...line.points, ...line.evals].map(along));
  const extent = (list) => list.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  let [low, high] = extent(values);
  const room = view.log ? 1.08 : Math.max((high - low) * 0.07, Math.abs(high) * 0.01, 1e-9);
  [low, high] = view.log ? [low / room, high * room] : [low < room * 2 && low >= 0 ? 0 : low - room, high + room];
  const [start, end] = [Math.min(0, extent(places)[0]), Math.max(extent(places)[1], 1e-9)];
  const span = view.log ? Math.log(high / low) : high - low;
  return {
    low, high, start, end,
    x: (value) => EDGE.left + (value - start) / (end - start) * (width - EDGE.left - right),
    y: (value) => height - EDGE.bottom - (view.log ? Math.log(value / low) : value - low) / span * (height - EDGE.top - EDGE.bottom),
  };
}

function axisText(value) {
  if (view.axis === "time") return duration(value);
  if (value >= 1e6) return `${Number((value / 1e6).toFixed(2))}M`;
  return value >= 1e4 ? `${Number((value / 1000).toFixed(1))}k` : value.toLocaleString("en");
}

function grid(pen, scale, width, height, right) {
  Object.assign(pen, { fillStyle: colour("dim"), strokeStyle: colour("line"), lineWidth: 1, textAlign: "right", textBaseline: "middle" });
  const across = view.log ? logTicks(scale.low, scale.high) : niceTicks(scale.low, scale.high, 5);
  for (const tick of across) {
    const y = Math.round(scale.y(tick)) + 0.5;
    pen.beginPath();
    pen.moveTo(EDGE.left, y);
    pen.lineTo(width - right, y);
    pen.stroke();
    pen.fillText(Math.abs(tick) >= 1e4 ? axisLarge(tick) : String(tick), EDGE.left - 8, y);
  }
  Object.assign(pen, { textAlign: "center", textBaseline: "alphabetic" });
  for (const tick of niceTicks(scale.start, scale.end, Math.max(2, Math.floor((width - right) / 90)))) {
    if (view.axis === "step" && !Number.isInteger(tick)) continue;
    pen.fillText(axisText(tick), scale.x(tick), height - 6);
  }
}
const axisLarge = (value) => (Math.abs(value) >= 1e9 ? `${Number((value / 1e9).toFixed(2))}G`
  : Math.abs(value) >= 1e6 ? `${Number((value / 1e6).toFixed(1))}M` : `${Math.round(value / 1000)}k`);

function draw() {
  const area = prepare(ui.canvas);
  if (!area) return;
  const { pen, width, height } = area;
  const drawn = lines();
  const waiting = state.runs.length < state.picked.length && !state.runs.length;
  show(ui.empty, !drawn.length);
  ui.empty.textContent = waiting ? say("reading") : say("nothing", { figure: figureName(view.figure) });
  state.hit = null;
  if (!drawn.length) { tell(null); return; }
  pen.font = `11px ${getComputedStyle(root).fontFamily}`;
  const right = Math.min(width * 0.34, Math.max(...drawn.map((line) => pen.measureText(label(line.run)).width)) + 16);
  const scale = scales(drawn, width, height, right);
  grid(pen, scale, width, height, right);
  for (const line of drawn) drawLine(pen, scale, line);
  drawLabels(pen, scale, drawn, { width, height, right });
  state.hit = { drawn, scale, height };
  if (state.hover === null) tell(null); else drawHover(pen);
}

function drawLine(pen, scale, line) {
  const style = stroke(line.run);
  const raw = line.points.map((point) => [scale.x(along(point)), scale.y(point[VALUE])]);
  if (view.smooth > 0) {
    trace(pen, raw, { ...style, dashed: false, width: 1, alpha: 0.25 });
    trace(pen, line.smooth.map((value, index) => [raw[index][0], scale.y(value)]), { ...style, width: 2 });
  } else trace(pen, raw, { ...style, width: 1.6 });
  const rings = line.evals.map((point) => [scale.x(along(point)), scale.y(point[VALUE])]);
  if (!raw.length) trace(pen, rings, { ...style, width: 1.6 });
  for (const [x, y] of rings) {
    pen.beginPath();
    pen.arc(x, y, 3.5, 0, Math.PI * 2);
    Object.assign(pen, { fillStyle: colour("card"), strokeStyle: style.stroke, lineWidth: 2 });
    pen.fill();
    pen.stroke();
  }
}

const endOf = (line) => (line.points.length ? [along(line.points.at(-1)), line.smooth.at(-1)]
  : [along(line.evals.at(-1)), line.evals.at(-1)[VALUE]]);

function drawLabels(pen, scale, drawn, { width, height, right }) { // names at the ends, moved apart where they meet
  const names = drawn.map((line) => ({ line, x: scale.x(endOf(line)[0]), y: scale.y(endOf(line)[1]) })).sort((a, b) => a.y - b.y);
  const places = names.map((one) => one.y);
  for (let at = 1; at < places.length; at += 1) places[at] = Math.max(places[at], places[at - 1] + LABEL);
  let floor = height - EDGE.bottom;
  for (let at = places.length - 1; at >= 0; at -= 1) { places[at] = Math.min(places[at], floor); floor = places[at] - LABEL; }
  Object.assign(pen, { textAlign: "left", textBaseline: "middle" });
  names.forEach(({ line, x, y }, index) => {
    const left = width - right + 8;
    const style = stroke(line.run);
    if (left - 3 - x > 6 || Math.abs(places[index] - y) > 3) {
      pen.setLineDash([1, 4]);
      pen.beginPath();
      pen.moveTo(x + 6, y);
      pen.lineTo(left - 3, places[index]);
      Object.assign(pen, { strokeStyle: style.stroke, lineWidth: 1 });
      pen.stroke();
      pen.setLineDash([]);
    }
    pen.fillStyle = style.stroke;
    pen.fillText(cut(pen, label(line.run), right - 9), left, places[index]);
  });
  element.dataset.labels = JSON.stringify(names.map(({ line }) => label(line.run)));
}

function cut(pen, text, room) { // a name that is too long loses its middle: runs of a sweep differ at their ends
  if (pen.measureText(text).width <= room) return text;
  let kept = text.length;
  const short = () => `${text.slice(0, Math.ceil(kept / 2))}…${text.slice(text.length - Math.floor(kept / 2))}`;
  while (kept > 2 && pen.measureText(short()).width > room) kept -= 1;
  return short();
}

// ---- reading a place ------------------------------------------------------------------------------------------------------
const nearest = (line, place) => {
  const points = line.points.length ? line.points : line.evals;
  let [low, high] = [0, points.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (along(points[middle]) < place) low = middle + 1; else high = middle;
  }
  const before = Math.max(0, low - 1);
  return Math.abs(along(points[before]) - place) < Math.abs(along(points[low]) - place) ? points[before] : points[low];
};

function drawHover(pen) {
  const { drawn, scale, height } = state.hit;
  const x = Math.round(scale.x(state.hover));
  pen.globalAlpha = 0.5;
  pen.fillStyle = colour("dim");
  pen.fillRect(x, EDGE.top, 1, height - EDGE.top - EDGE.bottom);
  pen.globalAlpha = 1;
  for (const line of drawn) {
    const point = nearest(line, state.hover);
    pen.beginPath();
    pen.arc(scale.x(along(point)), scale.y(point[VALUE]), 3, 0, Math.PI * 2);
    pen.fillStyle = stroke(line.run).stroke;
    pen.fill();
  }
}

function tell(place) {
  state.hover = place;
  if (place === null || !state.hit) {
    const reading = state.runs.filter((run) => run.share !== null);
    if (reading.length) {
      ui.readout.textContent = `${say("reading")} ` + reading.map((run) => `${label(run)} ${Math.round(100 * run.share)} %`).join(" · ");
      return;
    }
    const without = state.hit ? state.runs.filter((run) => !state.hit.drawn.some((line) => line.run === run)) : [];
    ui.readout.textContent = without.length ? say("without", { runs: without.map(label).join(", "), figure: figureName(view.figure) })
      : state.hit ? say("hint") : "";
    return;
  }
  const spans = state.hit.drawn.map((line) => {
    const point = nearest(line, place);
    const span = make("span", "tf-key-curve", `${label(line.run)} ${number(point[VALUE], 4)} (${live("axis_step")} ${point[0].toLocaleString("en")})`);
    span.style.setProperty("--tf-key", stroke(line.run).stroke);
    return span;
  });
  ui.readout.replaceChildren(`${live(`axis_${view.axis}`)} ${axisText(view.axis === "step" ? Math.round(place) : Number(place.toPrecision(4)))}`, ...spans);
}

function listen() {
  const at = (event) => {
    if (!state.hit) return;
    const { scale } = state.hit;
    const left = event.clientX - ui.canvas.getBoundingClientRect().left;
    const share = (left - EDGE.left) / (scale.x(scale.end) - EDGE.left);
    tell(Math.min(Math.max(scale.start + share * (scale.end - scale.start), scale.start), scale.end));
    draw();
  };
  const leave = () => { tell(null); draw(); };
  ui.canvas.addEventListener("pointermove", at);
  ui.canvas.addEventListener("pointerleave", leave);
  ui.canvas.addEventListener("blur", leave);
  ui.canvas.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move || !state.hit) return;
    event.preventDefault();
    const { start, end } = state.hit.scale;
    tell(Math.min(Math.max((state.hover ?? end) + move * (end - start) / 100, start), end));
    draw();
  });
}

// ---- keeping up -------------------------------------------------------------------------------------------------------------
build();
sync();
follow();
let waited = 0;
const timer = setInterval(() => {
  if (!element.isConnected) { clearInterval(timer); return; }
  waited += 1;
  const growing = state.runs.some((run) => run.status === "running");
  const missing = state.picked.length > 1 && state.runs.length === 0;
  if (missing || (growing && waited % 5 === 0)) ask();
}, 1000);
new ResizeObserver(() => { draw(); if (!state.runs.length) ask(); }).observe(ui.canvas.parentElement);
const themed = new MutationObserver(() => draw());
for (const node of [document.body, document.documentElement]) {
  themed.observe(node, { attributes: true, attributeFilter: ["class", "data-theme"] });
}
watch("value", follow);
