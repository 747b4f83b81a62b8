// The results of a sweep: which one, a plot of its runs and their table. Runs inside gr.HTML. Follows live.js and lines.js.
// It asks the server while it is seen; see studio/ui/sweeps.py.

const say = speak("sweep");
const status = speak("live");
const root = element.querySelector(".tf-sweep");
const ENDED = ["finished", "stopped", "failed", "interrupted"];
const view = { sweep: null, figure: null, sort: null, down: false };
let state = { sweeps: [], shown: null };
let plot = null;

const choice = make("select", "tf-select");
choice.setAttribute("aria-label", say("choose"));
choice.addEventListener("change", () => { view.sweep = choice.value; view.figure = view.sort = null; ask(); });
const figures = make("div", "tf-seg");
figures.setAttribute("role", "group");
figures.setAttribute("aria-label", say("colour"));
const told = make("p", "tf-hint");
const canvas = make("div", "tf-para-box");
const readout = make("p", "tf-readout");
const table = make("div", "tf-runs");
root.append(
  put(make("div", "tf-plot-head"), put(make("div", "tf-run"), make("h3", "tf-run-name", say("results")), choice), figures),
  told, canvas, readout, table,
);

const short = (key) => key.split(".").at(-1);
const curveName = (name) => { const word = status(`curves.${name}`); return word.startsWith("curves.") ? name.replaceAll("_", " ") : word; };
const figureName = (name) => ({ loss: say("train_loss"), eval_loss: say("eval_loss"), eval_mean_token_accuracy: say("accuracy") }[name]
  ?? curveName(name.replace(/^eval_/, "")));
const differing = (shown) => {
  const keys = shown.keys.filter((key) => new Set(shown.runs.map((run) => written(run.values[key]))).size > 1);
  return keys.length ? keys : shown.keys;
};
const figuresOf = (shown) => {
  const names = new Set(shown.runs.flatMap((run) => Object.keys(run.metrics).filter((name) => isNumber(run.metrics[name]))));
  const rest = [...names].filter((name) => name.startsWith("eval_") && name !== "eval_loss").sort().slice(0, 4);
  return ["loss", "eval_loss"].filter((name) => names.has(name)).concat(rest);
};
const value = (run, column) => (column in run.values ? run.values[column] : run.metrics[column]);

function mark(id) {
  plot?.mark(id);
  for (const row of table.querySelectorAll("tr[data-run]")) row.classList.toggle("tf-marked", row.dataset.run === id);
  const run = state.shown?.runs.find((one) => one.run_id === id);
  readout.textContent = run ? `${run.name} · ${status(`status.${run.status}`)} · ${figureName(view.figure)} ${number(run.metrics[view.figure] ?? null, 4)}` : " ";
}
const open = (id) => {
  trigger("select", { run: id });
  setTimeout(() => document.getElementById("runs-opened")?.scrollIntoView({ block: "start" }), 300); // it stands above
};

function drawPlot(shown) {
  const runs = shown.runs;
  const there = runs.map((run) => run.metrics[view.figure]).filter(isNumber);
  const [low, high] = [Math.min(...there), Math.max(...there)];
  const good = /loss|perplexity|mse|mae/.test(view.figure) ? (part) => 1 - part : (part) => part; // the better, the more pine
  const lines = runs.map((run) => {
    const one = run.metrics[view.figure];
    const colour = isNumber(one) ? good(high === low ? 0 : (one - low) / (high - low)) : null;
    return { id: run.run_id, label: run.name, colour };
  });
  const axes = [...differing(shown), ...figuresOf(shown)].map((column) => (
    { name: column.includes(".") ? short(column) : figureName(column), title: column, values: runs.map((run) => value(run, column)) }));
  plot = parallel(axes, lines, {
    width: canvas.clientWidth || 600, label: say("plot_label", { count: runs.length }), enter: mark, leave: () => mark(null), choose: open });
  canvas.replaceChildren(plot.svg);
}

function drawTable(shown) {
  const keys = differing(shown);
  const names = figuresOf(shown).slice(0, 3);
  const columns = [...keys, "status", "steps", ...names, "name"];
  const cellOf = (run, column) => (["status", "steps", "name"].includes(column) ? run[column] : value(run, column));
  const rows = [...shown.runs];
  if (view.sort) {
    rows.sort((a, b) => {
      const [one, two] = [cellOf(a, view.sort), cellOf(b, view.sort)];
      if (!isNumber(one) || !isNumber(two)) return isNumber(one) ? -1 : isNumber(two) ? 1 : written(one).localeCompare(written(two));
      return view.down ? two - one : one - two;
    });
  }
  const head = make("tr");
  for (const column of columns) {
    const box = make("th", ["status", "name"].includes(column) ? "" : "tf-number");
    const button = make("button", "tf-sort", keys.includes(column) ? short(column) : names.includes(column) ? figureName(column) : say(column));
    button.type = "button";
    button.title = keys.includes(column) ? column : say("sort");
    if (view.sort === column) box.setAttribute("aria-sort", view.down ? "descending" : "ascending");
    button.addEventListener("click", () => { view.down = view.sort === column && !view.down; view.sort = column; drawTable(shown); });
    head.append(put(box, button));
  }
  const body = make("tbody");
  for (const run of rows) {
    const row = make("tr");
    row.dataset.run = run.run_id;
    for (const column of columns) {
      const box = make("td", ["status", "name"].includes(column) ? "" : "tf-number");
      if (column === "status") {
        box.dataset.status = run.status;
        box.append(make("span", "tf-badge", status(`status.${run.status}`)));
      } else if (column === "name") {
        const button = make("button", "", run.name);
        button.type = "button";
        button.addEventListener("focus", () => mark(run.run_id));
        box.append(button);
        if (run.run_id === shown.best) box.append(make("span", "tf-best", say("best")));
      } else box.textContent = names.includes(column) ? number(cellOf(run, column) ?? null, 4) : written(cellOf(run, column));
      row.append(box);
    }
    row.addEventListener("pointerenter", () => mark(run.run_id));
    row.addEventListener("pointerleave", () => mark(null));
    row.addEventListener("click", () => open(run.run_id));
    body.append(row);
  }
  table.replaceChildren(put(make("table"), put(make("thead"), head), body));
}

function draw() {
  const { sweeps, shown } = state;
  show(root, Boolean(shown));
  root.dataset.runs = shown?.runs.length ?? 0;
  if (!shown) return;
  choice.replaceChildren(...sweeps.map((one) => {
    const option = make("option", "", one.sweep);
    option.value = one.sweep;
    return option;
  }));
  choice.value = shown.sweep;
  const names = figuresOf(shown);
  if (!names.includes(view.figure)) view.figure = names.includes(shown.figure) ? shown.figure : names[0] ?? shown.figure;
  figures.replaceChildren(...names.map((name) => {
    const button = make("button", "", figureName(name));
    button.type = "button";
    button.setAttribute("aria-pressed", name === view.figure);
    button.addEventListener("click", () => { view.figure = name; draw(); });
    return button;
  }));
  const ended = shown.runs.filter((run) => run.status === "finished").length;
  told.textContent = say("told", { done: ended, total: shown.total });
  drawPlot(shown);
  drawTable(shown);
  mark(null);
}

const seen = () => !document.hidden && element.getClientRects().length > 0;
async function ask() {
  const answer = await server.sweeps({ sweep: view.sweep, mark: state.mark });
  if (!answer?.sweeps) return; // nothing new, or a call that failed: the next look asks again
  state = answer;
  draw();
}
let waited = 0;
const timer = setInterval(() => {
  if (!element.isConnected) { clearInterval(timer); return; }
  waited += 1;
  const going = state.shown && (state.shown.runs.length < state.shown.total || state.shown.runs.some((run) => !ENDED.includes(run.status)));
  if (seen() && waited >= (going ? Math.max(3, state.shown.runs.length / 40) : 10)) { waited = 0; ask(); }
}, 1000);
let width = 0;
new ResizeObserver(() => {
  if (canvas.clientWidth === width || !canvas.clientWidth) return;
  width = canvas.clientWidth;
  if (state.shown) { drawPlot(state.shown); mark(null); }
}).observe(canvas);
new IntersectionObserver((entries) => { if (entries.some((one) => one.isIntersecting)) { waited = 0; ask(); } }).observe(element);
ask();
