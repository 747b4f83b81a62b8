// The list of runs. Runs inside gr.HTML, which gives element, props, trigger and watch. Follows live.js.
// The value is one JSON string {runs: [{id, name, status, ...}], chosen}; see studio/ui/tabs/runs.py.

const say = speak("runs");
const status = speak("live");
const root = element.querySelector(".tf-runs");
const COLUMNS = ["status", "name", "method", "model", "steps", "train_loss", "eval_loss", "started"];
const WIDE = ["method", "model", "steps", "eval_loss", "started"]; // left out on a narrow screen
const FIGURES = ["steps", "train_loss", "eval_loss"];

const className = (column) => [
  WIDE.includes(column) ? "tf-wide" : "", FIGURES.includes(column) ? "tf-number" : ""].join(" ").trim();

function cell(run, column) {
  const box = make("td", className(column));
  if (column === "status") {
    box.dataset.status = run.status;
    return put(box, make("span", "tf-badge", status(`status.${run.status}`)));
  }
  if (column === "name") {
    const button = make("button", "", run.name);
    button.type = "button";
    return put(box, button);
  }
  const texts = {
    method: run.method.toUpperCase(), model: run.model,
    steps: run.total ? `${run.steps} / ${run.total}` : String(run.steps),
    train_loss: number(run.train_loss), eval_loss: number(run.eval_loss),
    started: new Date(run.created * 1000).toLocaleString(window.TUNEFORK?.locale, { dateStyle: "short", timeStyle: "short" }),
  };
  return put(box, texts[column]);
}

function draw() {
  const { runs = [], chosen = null } = props.value ? JSON.parse(props.value) : {};
  element.dataset.count = runs.length;
  if (!runs.length) {
    root.replaceChildren(put(make("p", "tf-hint", say("none")), " ", linkTo("train", say("go_train"))));
    return;
  }
  const head = put(make("tr"), ...COLUMNS.map((column) => make("th", className(column), say(column))));
  const rows = runs.map((run) => {
    const row = put(make("tr"), ...COLUMNS.map((column) => cell(run, column)));
    row.setAttribute("aria-selected", run.id === chosen);
    row.addEventListener("click", () => trigger("select", { run: run.id }));
    return row;
  });
  root.replaceChildren(put(make("table"), put(make("thead"), head), put(make("tbody"), ...rows)));
}

watch("value", draw);
draw();
