// The list of runs: sort, search, filter, choose several, delete and bring back. Runs inside gr.HTML. Follows live.js.
// The value is one JSON string {runs, chosen, bin, binned, undo}; see studio/ui/runs_table.py. Asks only for sizes;
// what trains it hears from the header.

const say = speak("runs");
const status = speak("live");
const root = element.querySelector(".tf-runs");
const COLUMNS = ["status", "name", "method", "model", "data", "steps", "train_loss", "eval_loss", "started", "bytes"];
const WIDE = ["method", "model", "data", "steps", "eval_loss", "started", "bytes"]; // left out on a narrow screen
const FIGURES = ["steps", "train_loss", "eval_loss", "bytes"];
const FILTERS = ["status", "method", "model", "data", "tag"];
const AT_ONCE = 100; // rows that are drawn before one asks for more
const MEMORY = "tunefork_runs";
const sizeOf = window.TUNEFORK.bytes;
const collator = new Intl.Collator(window.TUNEFORK.locale, { numeric: true });

let found = { runs: [], chosen: null, bin: 0 };
let binned = null; // what is in the bin, while it is looked at
let undone = null; // what was deleted last: [{entry, name}]
let rows = AT_ONCE;
let query = "";
let disk = null;
const kept = remembered(MEMORY);
let order = COLUMNS.includes(kept.by) ? { by: kept.by, down: kept.down === true } : { by: "started", down: true };
const filters = Object.fromEntries(FILTERS.map((name) => [name, ""]));
const picked = new Set();

const className = (column) => [
  WIDE.includes(column) ? "tf-wide" : "", FIGURES.includes(column) ? "tf-number" : "", `tf-col-${column}`].join(" ").trim();
const last = (path) => path.split(/[\\/]/).filter(Boolean).pop() ?? path;
const when = (seconds) => new Date(seconds * 1000).toLocaleString(window.TUNEFORK?.locale, { dateStyle: "short", timeStyle: "short" });
const button = (text, press, cls = "tf-link") => {
  const made = make("button", cls, text);
  made.type = "button";
  made.addEventListener("click", (event) => { event.stopPropagation(); press(); });
  return made;
};

// ---- which rows, in which order
const VALUE = {
  status: (run) => status(`status.${run.status}`), name: (run) => run.name, method: (run) => run.method,
  model: (run) => last(run.model), data: (run) => last(run.data), steps: (run) => run.steps,
  train_loss: (run) => run.train_loss, eval_loss: (run) => run.eval_loss, started: (run) => run.created, bytes: (run) => run.bytes,
};
const text = (run) => [run.name, run.id, run.method, run.model, run.data, run.notes ?? "", ...(run.tags ?? []),
  run.status, status(`status.${run.status}`)].join("\n").toLowerCase();
const has = (run, filter) => {
  const wanted = filters[filter];
  return !wanted || (filter === "tag" ? (run.tags ?? []).includes(wanted) : run[filter] === wanted);
};
const compare = (left, right) => {
  const [a, b] = [VALUE[order.by](left), VALUE[order.by](right)];
  if (typeof a !== "number" && typeof b !== "number") {
    return collator.compare(String(a ?? ""), String(b ?? "")) * (order.down ? -1 : 1);
  }
  if (typeof a !== "number" || typeof b !== "number") return typeof a === "number" ? -1 : 1; // no figure: at the end
  return (a - b) * (order.down ? -1 : 1);
};
const matching = () => {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const those = found.runs.filter((run) => FILTERS.every((one) => has(run, one)));
  const hits = words.length ? those.filter((run) => { const all = text(run); return words.every((word) => all.includes(word)); }) : those;
  return hits.sort(compare);
};

// ---- the bar above the table: built once, so that the search keeps the focus
const search = make("input", "tf-runs-search");
Object.assign(search, { type: "search", placeholder: say("search"), maxLength: 200 });
search.setAttribute("aria-label", say("search"));
search.addEventListener("input", () => { query = search.value; rows = AT_ONCE; drawTable(); });
const selects = Object.fromEntries(FILTERS.map((name) => {
  const box = make("select", "tf-runs-filter");
  box.setAttribute("aria-label", say(name));
  box.dataset.filter = name;
  box.addEventListener("change", () => { filters[name] = box.value; rows = AT_ONCE; draw(); });
  return [name, box];
}));
const binButton = button("", () => trigger("expand", {}), "tf-link tf-runs-bin");
const bar = put(make("div", "tf-runs-bar"), search, ...Object.values(selects), binButton);
const notice = make("div", "tf-runs-notice");
notice.setAttribute("role", "status");
const body = make("div", "tf-runs-body");
const foot = make("p", "tf-runs-foot");
root.replaceChildren(bar, notice, body, foot);

function drawFilters() {
  for (const [name, box] of Object.entries(selects)) {
    const values = new Set(found.runs.flatMap((run) => (name === "tag" ? run.tags ?? [] : [run[name]])));
    if (filters[name] && !values.has(filters[name])) filters[name] = "";
    const label = (value) => (name === "status" ? status(`status.${value}`) : name === "method" ? value.toUpperCase() : name === "tag" ? value : last(value));
    const all = make("option", "", `${say(name)}: ${say("all")}`);
    all.value = "";
    box.replaceChildren(all, ...[...values].sort().map((value) => {
      const one = make("option", "", label(value));
      one.value = value;
      one.title = value;
      return one;
    }));
    box.value = filters[name];
    box.dataset.on = filters[name] ? "yes" : "";
    show(box, values.size > 1 || Boolean(filters[name]) || (name === "tag" && values.size > 0));
  }
}

// ---- the table
function cell(run, column) {
  const box = make("td", className(column));
  if (column === "status") {
    box.dataset.status = run.status;
    return put(box, make("span", "tf-badge", status(`status.${run.status}`)));
  }
  if (column === "name") {
    const line = put(make("div", "tf-runs-name"), button(run.name, () => open(run)), ...(run.tags ?? []).map((tag) => make("span", "tf-tag", tag)));
    if (run.notes) {
      const notes = make("div", "tf-runs-notes", run.notes.split("\n")[0]);
      notes.title = run.notes;
      return put(box, line, notes);
    }
    return put(box, line);
  }
  const texts = {
    method: run.method.toUpperCase(), model: last(run.model), data: last(run.data),
    steps: run.total ? `${run.steps} / ${run.total}` : String(run.steps),
    train_loss: number(run.train_loss), eval_loss: number(run.eval_loss), started: when(run.created), bytes: sizeOf(run.bytes),
  };
  if (column === "model" || column === "data") box.title = run[column];
  return put(box, texts[column]);
}
const open = (run) => trigger("select", { run: run.id });
const tell = () => { trigger("input", { picked: [...picked] }); drawNotice(); };
function tick(name, on, press) {
  const box = make("input");
  box.type = "checkbox";
  box.checked = on;
  box.setAttribute("aria-label", name);
  box.addEventListener("click", (event) => event.stopPropagation());
  box.addEventListener("change", () => press(box.checked));
  return box;
}
function heading(column) {
  const box = make("th", className(column));
  const on = order.by === column;
  box.setAttribute("aria-sort", on ? (order.down ? "descending" : "ascending") : "none");
  return put(box, button(say(column), () => {
    order = { by: column, down: on ? !order.down : FIGURES.includes(column) && !column.endsWith("loss") || column === "started" };
    try { localStorage.setItem(MEMORY, JSON.stringify(order)); } catch { /* a private window keeps nothing */ }
    drawTable();
  }, "tf-sort"));
}
function drawTable() {
  if (binned) return drawBin();
  const hits = matching();
  element.dataset.shown = hits.length;
  if (!found.runs.length) {
    body.replaceChildren(put(make("p", "tf-hint", say("none")), " ", linkTo("train", say("go_train"))));
    return drawNotice();
  }
  const all = tick(say("pick_all"), hits.length > 0 && hits.every((run) => picked.has(run.id)), (on) => {
    hits.forEach((run) => (on ? picked.add(run.id) : picked.delete(run.id)));
    drawTable();
    tell();
  });
  const head = put(make("tr"), put(make("th", "tf-pick"), all), ...COLUMNS.map(heading));
  const lines = hits.slice(0, rows).map((run) => {
    const box = tick(say("pick", { name: run.name }), picked.has(run.id), (on) => {
      on ? picked.add(run.id) : picked.delete(run.id);
      tell();
    });
    const row = put(make("tr"), put(make("td", "tf-pick"), box), ...COLUMNS.map((column) => cell(run, column)));
    row.dataset.run = run.id;
    row.setAttribute("aria-selected", run.id === found.chosen);
    row.addEventListener("click", () => open(run));
    return row;
  });
  const table = put(make("table"), put(make("thead"), head), put(make("tbody"), ...lines));
  const more = hits.length > rows ? [button(say("more", { count: hits.length - rows }), () => { rows = Infinity; drawTable(); })] : [];
  body.replaceChildren(table, ...(hits.length ? more : [make("p", "tf-hint", say("no_match"))]));
  drawNotice();
}

// ---- what was chosen, what was deleted, and the bin
function drawNotice() {
  const parts = [];
  if (undone && !binned) {
    const those = undone;
    parts.push(put(make("span", "tf-undone", say("binned", { names: those.map((one) => one.name).join(", ") })), " ",
      button(say("undo"), () => { undone = null; trigger("undo", { entries: those.map((one) => one.entry) }); }, "tf-link tf-runs-undo"), " ",
      button(say("dismiss"), () => { undone = null; drawNotice(); }, "tf-link tf-quiet")));
  }
  if (picked.size && !binned) {
    parts.push(put(make("span", "", say("picked", { count: picked.size })), " ",
      button(say("delete"), () => trigger("delete", { runs: [...picked] }), "tf-link tf-runs-delete"), " ",
      button(say("unpick"), () => { picked.clear(); drawTable(); tell(); }, "tf-link tf-quiet")));
  }
  notice.replaceChildren(...parts);
  show(notice, parts.length > 0);
}
function drawBin() {
  const back = button(say("back"), () => { binned = null; draw(); });
  const line = put(make("div", "tf-runs-binbar"), make("b", "", say("bin_title", { count: binned.length })), back);
  if (binned.length) {
    const sure = button(say("empty"), () => sure.replaceWith(
      button(say("empty_sure", { count: binned.length }), () => trigger("clear", {}), "tf-link tf-danger tf-runs-empty")), "tf-link tf-danger");
    line.append(sure);
  }
  const lines = binned.map((run) => {
    const row = put(make("tr"), put(make("td"), make("b", "", run.name), make("div", "tf-runs-notes", run.id)),
      make("td", "tf-wide", run.method.toUpperCase()), make("td", "", when(run.deleted)), make("td", "tf-number tf-wide", sizeOf(run.bytes)),
      put(make("td"), button(say("restore"), () => trigger("undo", { entries: [run.entry], bin: true }), "tf-link tf-runs-restore")));
    row.dataset.entry = run.entry;
    return row;
  });
  const head = put(make("tr"), make("th", "", say("name")), make("th", "tf-wide", say("method")), make("th", "", say("deleted")),
    make("th", "tf-number tf-wide", say("bytes")), make("th"));
  body.replaceChildren(line, binned.length ? put(make("table"), put(make("thead"), head), put(make("tbody"), ...lines)) : make("p", "tf-hint", say("bin_empty")));
  drawNotice();
}
function drawFoot() {
  const [count, shown] = [found.runs.length, Number(element.dataset.shown ?? 0)];
  const parts = count ? [shown === count ? say("count", { count }) : say("count_of", { count, shown })] : [];
  if (disk) parts.push(say("disk", { runs: sizeOf(disk.total), bin: sizeOf(disk.bin), all: sizeOf(disk.all), free: sizeOf(disk.free) }));
  foot.textContent = parts.join(" · ");
}

async function measure() {
  const told = await server.sizes();
  disk = told;
  for (const run of found.runs) run.bytes = told.runs[run.id] ?? run.bytes;
  if (!binned) drawTable();
  drawFoot();
}
function draw() {
  element.dataset.count = found.runs.length;
  element.dataset.view = binned ? "bin" : "runs";
  for (const one of [search, ...Object.values(selects)]) show(one, !binned && found.runs.length > 0);
  if (!binned) drawFilters();
  binButton.textContent = say("bin", { count: found.bin });
  show(binButton, found.bin > 0 && !binned);
  drawTable();
  drawFoot();
}
function take() {
  found = { runs: [], chosen: null, bin: 0, ...(props.value ? JSON.parse(props.value) : {}) };
  if (found.undo) undone = found.undo;
  binned = found.binned ?? null;
  const there = new Set(found.runs.map((run) => run.id));
  const gone = [...picked].filter((id) => !there.has(id));
  gone.forEach((id) => picked.delete(id));
  draw();
  if (gone.length) tell();
  if (found.runs.length || found.bin) measure().catch(() => { /* sizes are for information; the next list asks again */ });
}

// ---- while a run trains: its steps as the header hears of them; whatever began or ended is listed anew
let mark = window.TUNEFORK.status?.queue;
function hear({ training, queue }) {
  const run = training && found.runs.find((one) => one.id === training.run);
  const line = run && !binned && body.querySelector(`tr[data-run="${CSS.escape(run.id)}"]`);
  if (run && training.total && run.steps !== training.steps) {
    Object.assign(run, { steps: training.steps, total: training.total, status: "running" });
    for (const column of line ? ["status", "steps"] : []) line.querySelector(`.tf-col-${column}`).replaceWith(cell(run, column));
  }
  if (queue === mark) return;
  mark = queue;
  if (element.offsetParent && !binned) trigger("submit", {}); // a tab that is opened is listed anew by itself
}
const listen = (event) => element.isConnected ? hear(event.detail) : window.removeEventListener("tunefork:status", listen);
window.addEventListener("tunefork:status", listen);

watch("value", take);
take();
