// Draws the curves of one run on their canvases and reads a point under the pointer. Follows live.js, precedes plot.js,
// whose `run`, `view` and `ui` it draws.

const FIGURES = ["step", "epoch", "time", "tokens", "loss", "accuracy", "norm", "rate", "speed", "memory", "mean"];
const [STEP, EPOCH, TIME, TOKENS, LOSS, ACCURACY, NORM, RATE, SPEED, MEMORY, MEAN] = FIGURES.keys();
// ---- drawing --------------------------------------------------------------------------------------------------------
const MARGIN = { left: 46, right: 12, top: 12, bottom: 26 };
const colour = (name) => getComputedStyle(root).getPropertyValue(`--tf-${name}`).trim();

function prepare(canvas) {
  const box = canvas.parentElement.getBoundingClientRect();
  if (!box.width || !box.height) return null;
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, box.width, box.height);
  return { pen, width: box.width, height: box.height };
}

function smoothed(column) {
  const points = [];
  let [sum, weights, step] = [0, 0, 0];
  for (const row of run.rows) {
    const raw = column === LOSS && row.length > MEAN ? row[MEAN] ?? row[column] : row[column];
    if (raw === null) continue;
    const weight = view.smooth ** Math.max(1, row[STEP] - step); // thinned rows stand for several steps
    sum = weight * sum + (1 - weight) * raw;
    weights = weight * weights + (1 - weight); // so that the first points do not hold the line back
    step = row[STEP];
    points.push([row, weights ? sum / weights : raw]);
  }
  return points;
}

const axisColumn = () => ({ step: STEP, epoch: EPOCH, tokens: TOKENS, time: TIME })[view.axis];
const along = (row) => (view.axis === "time" ? row[TIME] - run.rows[0][TIME] : row[axisColumn()]);

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

function niceTicks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.75);
  const ticks = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) {
    ticks.push(Number(value.toPrecision(12)));
  }
  return ticks;
}

function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const factor of [1, 2, 5]) ticks.push(Number((factor * 10 ** power).toPrecision(3)));
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

function frame(width, height, values) { // the two scales
  const positive = view.log ? values.filter((value) => value > 0) : values;
  let [low, high] = positive.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  if (!Number.isFinite(low)) [low, high] = [0.1, 1];
  const room = view.log ? 1.08 : Math.max((high - low) * 0.07, Math.abs(high) * 0.01, 1e-9);
  [low, high] = view.log ? [low / room, high * room] : [low < room * 2 && low >= 0 ? 0 : low - room, high + room];
  const span = view.log ? Math.log(high / low) : high - low;
  const start = view.axis === "step" ? 0 : along(run.rows[0]) ?? 0;
  const end = Math.max(reach(), start + 1e-9);
  return {
    low, high, start, end,
    x: (value) => MARGIN.left + (value - start) / (end - start) * (width - MARGIN.left - MARGIN.right),
    y: (value) => height - MARGIN.bottom - (view.log ? Math.log(Math.max(value, low) / low) : value - low) / span
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
  for (const tick of view.log ? logTicks(scale.low, scale.high) : niceTicks(scale.low, scale.high, 5)) {
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

function trace(pen, points, { stroke, width, alpha = 1 }) {
  pen.beginPath();
  points.forEach(([x, y], index) => (index ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  Object.assign(pen, { strokeStyle: stroke, lineWidth: width, globalAlpha: alpha, lineJoin: "round" });
  pen.stroke();
  if (points.length === 1) { pen.fillStyle = stroke; pen.fillRect(points[0][0] - 1.5, points[0][1] - 1.5, 3, 3); }
  pen.globalAlpha = 1;
}

const valid = (value) => value !== null && value !== undefined && (!view.log || value > 0);

function draw({ solid = false } = {}) {
  for (const spark of Object.values(ui.sparks)) drawSpark(spark);
  const area = prepare(ui.canvas);
  if (!area) return;
  const { pen, width, height } = area;
  if (solid) { pen.fillStyle = colour("card"); pen.fillRect(0, 0, width, height); }
  const column = view.series === "loss" ? LOSS : ACCURACY;
  const rows = run.rows.filter((row) => valid(row[column]) && along(row) !== null);
  if (!rows.length) return;
  const evalName = column === LOSS ? "eval_loss" : "eval_mean_token_accuracy";
  const evals = run.evals.filter((note) => valid(note[evalName]));
  const scale = frame(width, height, [...rows.map((row) => row[column]), ...evals.map((note) => note[evalName])]);
  const at = (row, value) => [scale.x(along(row)), scale.y(value)];
  drawGrid(pen, scale, width, height);
  const raw = rows.map((row) => at(row, row[column]));
  trace(pen, raw, { stroke: colour("pine"), width: view.smooth ? 1 : 1.6, alpha: view.smooth ? 0.35 : 1 });
  if (view.smooth) {
    const line = smoothed(column).filter(([row, value]) => valid(value) && along(row) !== null);
    trace(pen, line.map(([row, value]) => at(row, value)), { stroke: colour("pine"), width: 2 });
  }
  for (const tick of run.ticks) {
    const x = scale.x(alongStep(tick.step));
    pen.fillStyle = colour("ink");
    pen.fillRect(x - 1, height - MARGIN.bottom + 1, 2, 6);
  }
  if (run.status === "running") drawNow(pen, scale.x(along(last(run.rows))), height);
  for (const note of evals) {
    pen.beginPath();
    pen.arc(scale.x(alongStep(note.step)), scale.y(note[evalName]), 4, 0, Math.PI * 2);
    Object.assign(pen, { fillStyle: colour("card"), strokeStyle: colour("amber"), lineWidth: 2 });
    pen.fill();
    pen.stroke();
  }
  ui.hit = { scale, rows, column };
  if (hover) drawHover(pen, height);
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
function drawHover(pen, height) {
  const { scale, column } = ui.hit;
  if (!run.rows.includes(hover) || !valid(hover[column])) return;
  const [x, y] = [scale.x(along(hover)), scale.y(hover[column])];
  pen.fillStyle = colour("dim");
  pen.globalAlpha = 0.5;
  pen.fillRect(Math.round(x), MARGIN.top, 1, height - MARGIN.top - MARGIN.bottom);
  pen.globalAlpha = 1;
  pen.beginPath();
  pen.arc(x, y, 3, 0, Math.PI * 2);
  pen.fillStyle = colour("pine");
  pen.fill();
}

function read(row) {
  hover = row;
  if (row) {
    delete ui.readout.dataset.keys;
    const epoch = number(row[EPOCH]);
    ui.readout.textContent = say("readout", {
      step: row[STEP], epoch, loss: number(row[LOSS], 4), rate: number(row[RATE]), norm: number(row[NORM]),
      time: clock(row[TIME]) });
  }
  sync();
  draw();
}

function listen() {
  ui.canvas.addEventListener("pointermove", (event) => {
    if (!ui.hit || !run.rows.length) return;
    const { scale, rows } = ui.hit;
    const x = event.clientX - ui.canvas.getBoundingClientRect().left;
    let best = rows[0];
    for (const row of rows) if (Math.abs(scale.x(along(row)) - x) < Math.abs(scale.x(along(best)) - x)) best = row;
    if (best !== hover) read(best);
  });
  ui.canvas.addEventListener("pointerleave", () => read(null));
  ui.canvas.addEventListener("blur", () => read(null));
  ui.canvas.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move || !run.rows.length) return;
    event.preventDefault();
    const index = hover ? run.rows.indexOf(hover) + move : run.rows.length - 1;
    read(run.rows[Math.min(Math.max(index, 0), run.rows.length - 1)]);
  });
}
