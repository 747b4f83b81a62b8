// In what runs differ, a line a setting and a column a run. Runs inside gr.HTML, which gives element, props and watch.
// Follows live.js. The value is JSON {runs: [{id, name}], groups: [{title, lines: [{key, label, values}]}], same, error}.

const say = speak("compare");
const root = element.querySelector(".tf-difference");

function cell(value) { // null is a setting that the run does not have
  return value === null ? make("td", "tf-unset", say("unset")) : make("td", "", value);
}

function group({ title, lines }, runs) {
  const head = put(make("tr"), make("th", "", title), ...runs.map((run) => make("th", "", run.name)));
  const rows = lines.map((line) => {
    const name = put(make("th"), line.label || line.key);
    if (line.label) name.append(make("code", "", line.key));
    return put(make("tr"), name, ...line.values.map(cell));
  });
  return put(make("table"), put(make("thead"), head), put(make("tbody"), ...rows));
}

function draw() {
  const { runs = [], groups = [], same = "", error = "" } = props.value ? JSON.parse(props.value) : {};
  element.dataset.lines = groups.reduce((count, one) => count + one.lines.length, 0);
  root.style.setProperty("--tf-runs", runs.length);
  root.replaceChildren(
    ...(error ? [make("p", "tf-error", error)] : []), ...(same ? [make("p", "tf-hint", same)] : []),
    ...groups.map((one) => group(one, runs)));
}

watch("value", draw);
draw();
