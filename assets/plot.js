// The live plot of one run. Runs inside gr.HTML, which gives element, props, server, trigger and watch.
// Follows live.js, curve.js and answers.js.

const ENDED = ["finished", "stopped", "failed", "interrupted", "paused"];
const MOST_ROWS = 5000; // of a run that is watched for long: then it is asked for in short again
const PAGE = Math.random().toString(36).slice(2, 12); // so that the server knows how many pages ask
const SMOOTHING = [0, 0.6, 0.9, 0.97];
const LOG_LINES = 200;

// ---- what the page shows ------------------------------------------------------------------------------------------
const say = speak("live");
const root = element.querySelector(".tf-plot");
const view = { axis: "step", series: "loss", log: false, smooth: 0.9, ...remembered("tunefork_plot") };
const keep = () => localStorage.setItem("tunefork_plot", JSON.stringify(view));

const ui = {
  name: make("h3", "tf-run-name"), chip: make("span", "tf-badge"), bar: make("i"), readout: make("p", "tf-readout"),
  offline: make("p", "tf-offline tf-gone", say("offline")), sketched: make("p", "tf-hint tf-gone", say("sketched")),
  empty: make("div", "tf-plot-empty"),
  canvas: make("canvas"), log: make("div", "tf-log"), figures: {}, sparks: {},
};

function segment(label, choices) {
  const group = make("div", "tf-seg");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  for (const { text, title, act } of choices) {
    const button = make("button", "", text);
    button.type = "button";
    if (title) button.title = title;
    button.addEventListener("click", () => { act(button); keep(); sync(); draw(); });
    group.append(button);
  }
  return group;
}

function build() {
  const figures = make("div", "tf-figures");
  for (const key of ["train_loss", "eval_loss", "speed", "left"]) {
    const box = make("div");
    ui.figures[key] = { value: make("b", "", "–"), label: make("span", "", say(key)) };
    figures.append(put(box, ui.figures[key].value, ui.figures[key].label));
  }
  const head = put(make("div", "tf-plot-head"), put(make("div", "tf-run"), ui.name, ui.chip), figures);
  ui.progress = put(make("div", "tf-steps"), ui.bar);
  ui.progress.setAttribute("role", "progressbar");
  ui.series = make("div", "tf-series");
  ui.axis = segment(say("axis"), ["step", "epoch", "tokens", "time"].map((key) => (
    { text: say(`axis_${key}`), act: () => { view.axis = key; } })));
  ui.more = segment(say("drawing"), [
    { text: say("log"), title: say("log_title"), act: () => { view.log = !view.log; } },
    { text: "", title: say("smooth_title"), act: () => {
      view.smooth = SMOOTHING[(SMOOTHING.indexOf(view.smooth) + 1) % SMOOTHING.length]; } },
    { text: say("png"), title: say("png_title"), act: savePng },
  ]);
  const tools = put(make("div", "tf-plot-tools"), ui.series, put(make("div", "tf-tools-right"), ui.axis, ui.more));
  ui.canvas.setAttribute("role", "img");
  ui.canvas.tabIndex = 0;
  ui.readout.setAttribute("aria-live", "polite");
  const box = put(make("div", "tf-canvas"), ui.canvas, ui.empty);
  ui.main = put(make("section", "tf-panel tf-plot-main"), head, ui.progress, tools, box, ui.readout, ui.sketched,
    ui.offline);
  const cards = make("div", "tf-sparks");
  for (const [key, column] of [["rate", RATE], ["norm", NORM], ["speed", SPEED], ["memory", MEMORY]]) {
    const spark = { column, value: make("b", "", "–"), canvas: make("canvas") };
    spark.canvas.setAttribute("role", "img");
    ui.sparks[key] = spark;
    const curve = put(make("div", "tf-spark"), spark.canvas);
    cards.append(put(make("section", "tf-panel"), make("span", "", say(key)), spark.value, curve));
  }
  ui.cards = cards;
  ui.log.setAttribute("role", "log");
  ui.log.setAttribute("aria-live", "off");
  ui.log.setAttribute("aria-label", say("log_lines"));
  ui.log.tabIndex = 0;
  ui.logPanel = put(make("section", "tf-panel"), ui.log);
  root.replaceChildren(ui.main, cards, buildAnswers(), ui.logPanel);
}

function savePng() {
  draw({ solid: true });
  ui.canvas.toBlob((blob) => {
    const link = make("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${run.id ?? "run"}-${shown()}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    draw();
  });
}

// ---- the run as far as this page knows it ----------------------------------------------------------------------------
const nothing = () => ({
  id: null, offset: 0, status: null, head: {}, rows: [], evals: [], ticks: [], notes: [], started: null, end: null,
  eta: null, lines: {}, answered: [], sketched: false, gaps: [] });
let run = nothing();
let hover = null;
let pointed = null; // the step of the checkpoint under the pointer
let misses = 0;
let polling = false;
let waited = 0;
let spell = 0; // seconds, where many pages ask

const wanted = () => { try { return JSON.parse(props.value).run; } catch { return null; } };
const last = (list) => list[list.length - 1];

async function poll() {
  if (polling || !wanted()) return;
  polling = true;
  waited = 0;
  try {
    const asked = wanted();
    const offset = run.rows.length > MOST_ROWS ? 0 : run.offset;
    const answer = await server.poll({
      run: asked, id: run.id, offset, status: run.status, sketched: run.sketched, page: PAGE });
    spell = answer?.pause ?? 0;
    misses = answer === undefined ? misses + 1 : 0; // gradio's client swallows a failed call and gives undefined
    show(ui.offline, misses > 0);
    if (answer && asked === wanted()) take(answer);
  } finally {
    polling = false;
  }
}

function take(answer) {
  const before = `${run.id} ${run.status}`;
  if ("id" in answer && (answer.id !== run.id || answer.fresh)) { // the whole in short takes the place of what was there
    run = { ...nothing(), id: answer.id, sketched: Boolean(answer.sketched) };
    hover = null;
    ui.log.replaceChildren();
  }
  if (!("id" in answer)) { sync(); return; }
  if ("name" in answer) run.head = answer;
  run.offset = answer.offset ?? run.offset;
  run.status = answer.status ?? run.status;
  if ("eta" in answer) run.eta = answer.eta;
  const lines = [];
  for (const row of answer.rows ?? []) { run.rows.push(row); lines.push([row[TIME], row[STEP], row]); }
  for (const note of answer.notes ?? []) { takeNote(note); lines.push([note.time, note.step ?? -1, note]); }
  for (const curve of answer.curves ?? []) takeCurve(curve);
  takeAnswered(answer.answered ?? []);
  if (answer.fresh) run.gaps = run.notes.filter((note) => note.kind === "resumed").map(gapOf);
  show(ui.sketched, run.sketched);
  element.dataset.step = last(run.rows)?.[STEP] ?? 0;
  element.dataset.status = run.status ?? "";
  element.dataset.run = run.id ?? "";
  write(lines.sort((one, other) => one[0] - other[0] || one[1] - other[1]).map((line) => line[2]));
  sync();
  draw();
  if (before !== `${run.id} ${run.status}`) trigger("change"); // the next run may begin where one has ended
}

function takeCurve({ family, name, evaluated, points }) {
  const lines = run.lines[family] ??= {};
  const line = lines[name] ??= { points: [], evals: [] };
  (evaluated ? line.evals : line.points).push(...points);
}

function takeNote(note) {
  run.notes.push(note);
  if (note.kind === "started") { run.started = note; run.end = null; }
  if (note.kind === "resumed") {
    run.started = { ...run.started, ...(note.total_steps && { total_steps: note.total_steps }) };
    run.end = null;
  }
  if (note.kind === "evaluated" && note.eval_loss !== undefined) run.evals.push(note);
  if (note.kind === "checkpoint") run.ticks.push(note);
  if (ENDED.includes(note.kind)) run.end = note;
}

function gapOf({ step = 0, time }) { // between two parts of a run nothing was trained
  const before = run.rows.findLast((row) => row[STEP] <= step);
  return { step, seconds: before ? Math.max(0, time - before[TIME]) : 0 };
}

// ---- words about it -----------------------------------------------------------------------------------------------
function sync() {
  const newest = last(run.rows);
  const total = run.started?.total_steps;
  const running = run.status === "running";
  const step = run.end?.step ?? newest?.[STEP] ?? 0;
  const phase = running && last(run.notes)?.kind === "phase" && !newest ? last(run.notes) : null;
  const ending = running && total && step >= total; // the last evaluation, then the weights are saved
  const known = Boolean(run.id);
  ui.name.textContent = known ? run.head.name ?? run.id : "";
  ui.main.dataset.status = run.status ?? "none";
  ui.chip.textContent = phase ? phaseText(phase) : say(`chip.${ending ? "ending" : run.status}`, { step, total: total ?? "?" });
  const seconds = run.end?.seconds ?? (run.rows.length > 1 ? passed(newest) : null);
  const since = newest ? Date.now() / 1000 - newest[TIME] : 0;
  const left = running ? (run.eta === null ? null : Math.max(0, run.eta - since)) : seconds;
  const figures = {
    train_loss: number(newest?.[LOSS]), eval_loss: number(last(run.evals)?.eval_loss),
    speed: number(newest?.[SPEED], 0), left: duration(left),
  };
  for (const [key, text] of Object.entries(figures)) ui.figures[key].value.textContent = text;
  ui.figures.left.label.textContent = say(running ? "left" : "took");
  const share = phase?.fraction ?? (total ? Math.min(1, step / total) : 0);
  ui.bar.style.width = `${share * 100}%`;
  ui.progress.setAttribute("aria-valuenow", Math.round(share * 100));
  ui.progress.setAttribute("aria-label", ui.chip.textContent);
  const pressed = (group, index, on) => group.children[index].setAttribute("aria-pressed", on);
  syncSeries();
  syncAnswers();
  ["step", "epoch", "tokens", "time"].forEach((key, index) => pressed(ui.axis, index, view.axis === key));
  pressed(ui.more, 0, view.log);
  pressed(ui.more, 1, view.smooth > 0);
  ui.more.children[1].textContent = say("smooth", { factor: view.smooth ? String(view.smooth).slice(1) : say("off") });
  root.classList.toggle("tf-idle", !known);
  show(ui.empty, !run.rows.length);
  const why = run.status === "queued" ? "queued" : running ? "waiting" : "no_points";
  ui.empty.textContent = say(known ? why : "empty");
  ui.canvas.setAttribute("aria-label", say("aria", {
    name: ui.name.textContent, chip: ui.chip.textContent, loss: figures.train_loss, eval: figures.eval_loss }));
  const texts = { rate: number(newest?.[RATE]), norm: number(newest?.[NORM]),
    speed: figures.speed, memory: bytes(newest?.[MEMORY]) };
  for (const [key, spark] of Object.entries(ui.sparks)) {
    spark.value.textContent = texts[key];
    spark.canvas.setAttribute("aria-label", `${say(key)}: ${texts[key]}`);
  }
  if (!hover) legend();
}

function syncSeries() { // the figures that this run has
  const keys = available();
  if (ui.series.dataset.keys !== String(keys)) {
    ui.series.dataset.keys = String(keys);
    ui.series.replaceChildren(segment(say("series"), keys.map((key) => (
      { text: say(`show_${key}`), act: () => { view.series = key; } }))));
  }
  keys.forEach((key, index) => ui.series.firstChild.children[index].setAttribute("aria-pressed", key === shown()));
}

const curveName = (name) => {
  const text = say(`curves.${name}`);
  return text.startsWith("curves.") ? name.replace(/^rewards\//, "").replace(/\/mean$/, "") : text;
};

const phaseText = (note) => {
  const text = say(`phases.${note.phase}`);
  return text.startsWith("phases.") ? note.message ?? "" : text;
};

function legend() {
  const lines = run.lines[shown()];
  const evaluated = lines ? Object.values(lines).some((line) => line.evals.length) : run.evals.length;
  const parts = lines
    ? Object.keys(lines).map((name, index) => [curveName(name), "tf-key-curve", PALETTE[index % PALETTE.length]])
    : [[view.smooth > 0 && say("smoothed"), "tf-key-smooth"], [say("raw"), "tf-key-raw"]];
  parts.push([evaluated && say("evaluation"), `tf-key-eval${lines ? " tf-key-any" : ""}`]);
  parts.push([run.ticks.length && say("checkpoint"), "tf-key-tick"], [run.gaps.length && say("gap"), "tf-key-gap"]);
  const drawn = parts.filter(([text]) => text && run.rows.length);
  if (ui.readout.dataset.keys === String(drawn)) return;
  ui.readout.dataset.keys = String(drawn);
  ui.readout.replaceChildren(...drawn.map(([text, className, key]) => {
    const span = make("span", className, text);
    if (key) span.style.setProperty("--tf-key", `var(--tf-${key})`);
    return span;
  }));
}

function lineText(entry) {
  if (Array.isArray(entry)) return say("lines.log", { step: entry[STEP], loss: number(entry[LOSS], 4) });
  const { kind, step, message = "" } = entry;
  if (kind === "phase") return phaseText(entry);
  if (kind === "evaluated") {
    const scores = entry.eval_rougeL === undefined ? "" : ` · ROUGE-L ${number(entry.eval_rougeL)}`;
    const bleu = entry.eval_bleu === undefined ? "" : ` · BLEU ${number(entry.eval_bleu)}`;
    return say("lines.evaluated", { step, loss: number(entry.eval_loss, 4) }) + scores + bleu;
  }
  if (kind === "checkpoint") return say("lines.checkpoint", { step });
  if (kind === "resumed") return say("lines.resumed", { step });
  if (kind === "warning") return say("lines.warning", { message });
  if (kind === "started") {
    return say("lines.started", { steps: entry.total_steps, rows: entry.rows, device: entry.device });
  }
  if (kind === "stopped" && !entry.adapter) return message; // abandoned, or all weights are kept
  if (ENDED.includes(kind)) {
    const kept = say(entry.adapter ? "lines.kept" : "lines.model_kept");
    return say(`lines.${kind}`, { step, message, kept, took: duration(entry.seconds) });
  }
  return message || kind;
}

function write(entries) {
  const atEnd = ui.log.scrollHeight - ui.log.scrollTop - ui.log.clientHeight < 30;
  for (const entry of entries.slice(-LOG_LINES)) {
    const kind = Array.isArray(entry) ? "log" : entry.kind;
    const when = Array.isArray(entry) ? entry[TIME] : entry.time;
    const line = put(make("div", `tf-line tf-line-${kind}`), make("time", "", clock(when)), ` ${lineText(entry)}`);
    const fetching = entry.phase === "fetch"; // a download tells its progress in one line
    if (fetching && ui.log.lastElementChild?.dataset.phase === "fetch") ui.log.lastElementChild.remove();
    if (fetching) line.dataset.phase = "fetch";
    ui.log.append(line);
  }
  while (ui.log.childElementCount > LOG_LINES) ui.log.firstElementChild.remove();
  show(ui.logPanel, ui.log.childElementCount > 0);
  if (atEnd) ui.log.scrollTop = ui.log.scrollHeight;
}

// ---- keeping up -----------------------------------------------------------------------------------------------------
build();
listen();
sync();
write([]);
const visible = () => !document.hidden && ui.main.getClientRects().length > 0;
const timer = setInterval(() => {
  if (!element.isConnected) { clearInterval(timer); return; }
  waited += 1;
  const pause = Math.max(spell, run.status === "running" || run.id === null ? 1 : 3); // one that has ended changes seldom
  if (visible() && waited >= pause) poll();
}, 1000);
const resized = new ResizeObserver(() => { draw(); if (visible() && !run.id) poll(); });
[ui.canvas.parentElement, ...Object.values(ui.sparks).map((spark) => spark.canvas.parentElement)]
  .forEach((box) => resized.observe(box));
const themed = new MutationObserver(() => draw());
for (const node of [document.body, document.documentElement]) {
  themed.observe(node, { attributes: true, attributeFilter: ["class", "data-theme"] });
}
document.addEventListener("visibilitychange", () => { if (visible()) poll(); });
watch("value", () => poll());
poll();
