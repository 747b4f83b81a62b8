// Draws the curves of one run on their canvases and reads a point under the pointer. Follows pen.js, precedes plot.js,
// whose `run`, `view` and `ui` it draws. A curve is {name, colour, dashed, points, evals}, a point {step, at, value}.

const FIGURES = ["step", "epoch", "time", "tokens", "loss", "accuracy", "norm", "rate", "speed", "memory", "mean"];
const [STEP, EPOCH, TIME, TOKENS, LOSS, ACCURACY, NORM, RATE, SPEED, MEMORY, MEAN] = FIGURES.keys();
// ---- drawing --------------------------------------------------------------------------------------------------------
const MARGIN = { left: 46, right: 12, top: 12, bottom: 26 };
const PALETTE = ["pine", "amber", "base", "red", "ink", "dim"];
const BASICS = ["loss", "accuracy"];
const available = () => BASICS.filter((key) => key === "loss" || run.rows.some((row) => row[ACCURACY] !== null))
  .concat(Object.keys(run.lines));
const shown = () => (available().includes(view.series) ? view.series : "loss");
const isLog = () => view.log && BASICS.includes(shown()); // rewards and margins may be below zero

function curvesNow() { // what is drawn, its points placed on the axis
  const fits = (point) => valid(point.value) && point.at !== null && point.at !== undefined;
  const placed = ([step, value]) => ({ step, at: alongStep(step), value });
  if (!BASICS.includes(shown())) {
    return Object.entries(run.lines[shown()]).map(([name, line], index) => ({
      name, colour: PALETTE[index % PALETTE.length], dashed: index >= PALETTE.length,
      points: line.points.map(placed).filter(fits), evals: line.evals.map(placed).filter(fits) }));
  }
  const column = shown() === "loss" ? LOSS : ACCURACY;
  const evalName = column === LOSS ? "eval_loss" : "eval_mean_token_accuracy";
  const points = run.rows.map((row) => ({
    step: row[STEP], at: along(row), value: row[column],
    mean: column === LOSS && row.length > MEAN ? row[MEAN] : null })); // of the rows that a thinned one stands for
  const evals = run.evals.map((note) => placed([note.step, note[evalName]]));
  return [{ name: shown(), colour: "pine", dashed: false, points: points.filter(fits), evals: evals.filter(fits) }];
}

function smoothed(points) {
  let [sum, weights, before] = [0, 0, 0];
  return points.map((point) => {
    const raw = point.mean ?? point.value;
    const weight = view.smooth ** Math.max(1, point.step - before); // thinned rows stand for several steps
    sum = weight * sum + (1 - weight) * raw;
    weights = weight * weights + (1 - weight); // so that the first points do not hold the line back
    before = point.step;
    return { ...point, value: weights ? sum / weights : raw };
  });
}

const axisColumn = () => ({ step: STEP, epoch: EPOCH, tokens: TOKENS, time: TIME })[view.axis];
const passed = (row) => run.gaps.reduce( // seconds of training
  (sum, gap) => sum - (row[STEP] > gap.step ? gap.seconds : 0), row[TIME] - run.rows[0][TIME]);
const along = (row) => (view.axis === "time" ? passed(row) : row[axisColumn()]);

function alongStep(step) { // where an event that only knows its step lies on the axis
  let [low, high] = [0, run.rows.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (run.rows[middle][STEP] < step) low = middle + 1; else high = middle;
  }
  return view.axis === "step" ? step : along(run.rows[low]);
}

function reach() { // the right end of the axis: where the run will end, while that is known
  const end = along(last(run.rows)) ?? 0;
  if (run.status !== "running" && run.status !== "finished") return end;
  if (view.axis === "step") return Math.max(end, run.started?.total_steps ?? 0);
  if (view.axis === "epoch") return Math.max(end, run.started?.epochs ?? 0);
  return view.axis === "time" && run.status === "running" && run.eta ? end + run.eta : end;
}

function frame(width, height, values) { // the two scales
  const positive = isLog() ? values.filter((value) => value > 0) : values;
  let [low, high] = positive.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  if (!Number.isFinite(low)) [low, high] = [0.1, 1];
  const room = isLog() ? 1.08 : Math.max((high - low) * 0.07, Math.abs(high) * 0.01, 1e-9);
  [low, high] = isLog() ? [low / room, high * room] : [low < room * 2 && low >= 0 ? 0 : low - room, high + room];
  const span = isLog() ? Math.log(high / low) : high - low;
  const start = view.axis === "step" ? 0 : along(run.rows[0]) ?? 0;
  const end = Math.max(reach(), start + 1e-9);
  return {
    low, high, start, end,
    x: (value) => MARGIN.left + (value - start) / (end - start) * (width - MARGIN.left - MARGIN.right),
    y: (value) => height - MARGIN.bottom - (isLog() ? Math.log(Math.max(value, low) / low) : value - low) / span
      * (height - MARGIN.top - MARGIN.bottom),
  };
}

function axisText(value) {
  if (view.axis === "time") return duration(value);
  if (view.axis === "tokens" && value >= 1000) return `${Number((value / 1000).toFixed(1))}k`;
  return value.toLocaleString("en");
}

function drawGrid(pen, scale, width, height) {
  pen.font = `11px ${getComputedStyle(root).fontFamily}`;
  pen.fillStyle = colour("dim");
  pen.strokeStyle = colour("line");
  pen.lineWidth = 1;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const tick of isLog() ? logTicks(scale.low, scale.high) : niceTicks(scale.low, scale.high, 5)) {
    const y = Math.round(scale.y(tick)) + 0.5;
    pen.beginPath();
    pen.moveTo(MARGIN.left, y);
    pen.lineTo(width - MARGIN.right, y);
    pen.stroke();
    pen.fillText(String(tick), MARGIN.left - 8, y);
  }
  pen.textAlign = "center";
  pen.textBaseline = "alphabetic";
  const room = Math.max(2, Math.floor(width / 85));
  for (const tick of niceTicks(scale.start, scale.end, room)) {
    if (view.axis === "step" && !Number.isInteger(tick)) continue;
    const half = pen.measureText(axisText(tick)).width / 2;
    pen.fillText(axisText(tick), Math.min(scale.x(tick), width - half), height - 6);
  }
}

const valid = (value) => value !== null && value !== undefined && (!isLog() || value > 0);

function draw({ solid = false } = {}) {
  for (const spark of Object.values(ui.sparks)) drawSpark(spark);
  const area = prepare(ui.canvas);
  if (!area) return;
  const { pen, width, height } = area;
  if (solid) { pen.fillStyle = colour("card"); pen.fillRect(0, 0, width, height); }
  const curves = curvesNow();
  const values = curves.flatMap((curve) => [...curve.points, ...curve.evals].map((point) => point.value));
  if (!run.rows.length || !values.length) return;
  const scale = frame(width, height, values);
  drawGrid(pen, scale, width, height);
  for (const curve of curves) drawCurve(pen, scale, curve);
  for (const gap of run.gaps) drawGap(pen, scale.x(alongStep(gap.step)), height);
  for (const tick of run.ticks) {
    const [x, here] = [scale.x(alongStep(tick.step)), tick.step === pointed];
    pen.fillStyle = colour(here ? "pine" : "ink");
    pen.fillRect(x - (here ? 2 : 1), height - MARGIN.bottom + 1, here ? 4 : 2, here ? 9 : 6);
  }
  if (run.status === "running") drawNow(pen, scale.x(along(last(run.rows))), height);
  ui.hit = { scale, rows: run.rows.filter((row) => along(row) !== null), curves };
  if (hover) drawHover(pen, height);
}

function drawCurve(pen, scale, { name, colour: key, dashed, points, evals }) {
  const at = ({ at: place, value }) => [scale.x(place), scale.y(value)];
  const [stroke, smooth] = [colour(key), view.smooth > 0];
  trace(pen, points.map(at), { stroke, dashed: dashed && !smooth, width: smooth ? 1 : 1.6, alpha: smooth ? 0.35 : 1 });
  if (smooth) trace(pen, smoothed(points).filter(({ value }) => valid(value)).map(at), { stroke, dashed, width: 2 });
  if (!points.length) trace(pen, evals.map(at), { stroke, dashed, width: 1.6 }); // evaluations alone have this figure
  const edge = BASICS.includes(name) ? colour("amber") : stroke;
  for (const [x, y] of evals.map(at)) {
    pen.beginPath();
    pen.arc(x, y, 4, 0, Math.PI * 2);
    Object.assign(pen, { fillStyle: colour("card"), strokeStyle: edge, lineWidth: 2 });
    pen.fill();
    pen.stroke();
  }
}

function drawGap(pen, x, height) { // here the run was resumed
  pen.setLineDash([1, 3]);
  pen.beginPath();
  pen.moveTo(Math.round(x) + 0.5, MARGIN.top);
  pen.lineTo(Math.round(x) + 0.5, height - MARGIN.bottom);
  Object.assign(pen, { strokeStyle: colour("ink"), lineWidth: 1 });
  pen.stroke();
  pen.setLineDash([]);
}

function drawNow(pen, x, height) {
  pen.setLineDash([3, 3]);
  pen.beginPath();
  pen.moveTo(x, MARGIN.top - 8);
  pen.lineTo(x, height - MARGIN.bottom);
  Object.assign(pen, { strokeStyle: colour("dim"), lineWidth: 1 });
  pen.stroke();
  pen.setLineDash([]);
}

function drawSpark({ canvas, column }) {
  const area = prepare(canvas);
  const rows = run.rows.filter((row) => row[column] !== null);
  if (!area || rows.length < 2) return;
  const values = rows.map((row) => row[column]);
  const [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  const [first, end] = [rows[0][STEP], last(rows)[STEP]];
  const points = rows.map((row) => [
    2 + (row[STEP] - first) / (end - first || 1) * (area.width - 4),
    area.height - 3 - (high > low ? (row[column] - low) / (high - low) : 0.5) * (area.height - 6)]);
  trace(area.pen, points, { stroke: colour(column === SPEED ? "pine" : "base"), width: 1.4 });
}

// ---- reading a point ------------------------------------------------------------------------------------------------
const pointAt = ({ points, evals }, step) => { // the curve's last point up to a step
  const found = (points.length ? points : evals).filter((point) => point.step <= step);
  return last(found);
};

function drawHover(pen, height) {
  const { scale, curves } = ui.hit;
  if (!run.rows.includes(hover) || along(hover) === null) return;
  const x = scale.x(along(hover));
  pen.fillStyle = colour("dim");
  pen.globalAlpha = 0.5;
  pen.fillRect(Math.round(x), MARGIN.top, 1, height - MARGIN.top - MARGIN.bottom);
  pen.globalAlpha = 1;
  for (const curve of curves) {
    const point = pointAt(curve, hover[STEP]);
    if (!point || (curve.points.length && point.step !== hover[STEP])) continue;
    pen.beginPath();
    pen.arc(scale.x(point.at), scale.y(point.value), 3, 0, Math.PI * 2);
    pen.fillStyle = colour(curve.colour);
    pen.fill();
  }
}

function read(row) {
  hover = row;
  if (row) {
    delete ui.readout.dataset.keys;
    ui.readout.textContent = BASICS.includes(shown()) ? say("readout", {
      step: row[STEP], epoch: number(row[EPOCH]), loss: number(row[LOSS], 4), rate: number(row[RATE]),
      norm: number(row[NORM]), time: clock(row[TIME]) }) : say("readout_curves", {
      step: row[STEP], figures: curvesNow().map((curve) => (
        `${curveName(curve.name)} ${number(pointAt(curve, row[STEP])?.value)}`)).join(" · ") });
  }
  sync();
  draw();
}

const REACH = 8; // pixels beside a checkpoint's tick that belong to it

function tickAt(event) { // the step of the checkpoint under the pointer, else null
  if (!ui.hit || !run.rows.length) return null;
  const box = ui.canvas.getBoundingClientRect();
  if (event.clientY - box.top < box.height - MARGIN.bottom - REACH) return null;
  const far = ({ step }) => Math.abs(ui.hit.scale.x(alongStep(step)) - (event.clientX - box.left));
  const near = run.ticks.reduce((best, tick) => (best && far(best) <= far(tick) ? best : tick), null);
  return near && far(near) <= REACH ? near.step : null;
}

function point(step) {
  if (step === pointed) return;
  pointed = step;
  ui.canvas.style.cursor = step === null ? "" : "pointer";
  ui.canvas.title = step === null ? "" : say("open_checkpoint", { step });
  draw();
}

function openTick(step) {
  if (step !== null && step !== undefined) trigger("select", { run: run.id, step });
}

function listen() {
  ui.canvas.addEventListener("click", (event) => openTick(tickAt(event)));
  ui.canvas.addEventListener("pointermove", (event) => {
    if (!ui.hit || !run.rows.length) return;
    point(tickAt(event));
    const { scale, rows } = ui.hit;
    const x = event.clientX - ui.canvas.getBoundingClientRect().left;
    let best = rows[0];
    for (const row of rows) if (Math.abs(scale.x(along(row)) - x) < Math.abs(scale.x(along(best)) - x)) best = row;
    if (best !== hover) read(best);
  });
  ui.canvas.addEventListener("pointerleave", () => { point(null); read(null); });
  ui.canvas.addEventListener("blur", () => read(null));
  ui.canvas.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && hover) openTick(run.ticks.findLast((tick) => tick.step <= hover[STEP])?.step);
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move || !run.rows.length) return;
    event.preventDefault();
    const index = hover ? run.rows.indexOf(hover) + move : run.rows.length - 1;
    read(run.rows[Math.min(Math.max(index, 0), run.rows.length - 1)]);
  });
}
