// The evaluations of a run, a line each. Runs inside gr.HTML, which gives element, props, server and watch. Follows
// live.js. The value is JSON {run}.

const say = speak("compare");
const live = speak("live");
const root = element.querySelector(".tf-life");
let told = null;
let asking = false;

const wanted = () => { try { return JSON.parse(props.value).run; } catch { return null; } };
const visible = () => !document.hidden && root.getClientRects().length > 0;
const named = (name) => {
  const curve = live(`curves.${name}`);
  return { loss: live("show_loss"), mean_token_accuracy: live("show_accuracy") }[name] ?? (curve.startsWith("curves.") ? name : curve);
};

async function ask() {
  const run = wanted();
  if (asking || !run || !visible()) return;
  asking = true;
  let answer;
  try { answer = await server.life({ run }); } finally { asking = false; }
  if (!answer) return; // the connection is lost: the next time asks again
  if (run !== wanted()) { ask(); return; }
  told = answer;
  draw();
}

function draw() {
  const { names = [], rows = [], all = 0 } = told ?? {};
  element.dataset.count = rows.length;
  if (!rows.length) { root.replaceChildren(make("p", "tf-hint", say("no_life"))); return; }
  const head = put(make("tr"), make("th", "", live("axis_step")), ...names.map((name) => make("th", "", named(name))));
  const lines = rows.toReversed().map(([step, ...figures]) => put(make("tr"), make("td", "", step.toLocaleString("en")),
    ...figures.map((value) => make("td", "", number(value, 3)))));
  const note = all > rows.length ? [make("p", "tf-hint", say("some", { shown: rows.length, all }))] : [];
  root.replaceChildren(put(make("table"), put(make("thead"), head), put(make("tbody"), ...lines)), ...note);
}

let waited = 0;
let seen = true;
const timer = setInterval(() => {
  if (!element.isConnected) { clearInterval(timer); return; }
  waited += 1;
  const again = visible() && !seen; // it may have gone on meanwhile
  seen = visible();
  if (again || told?.run !== wanted() || waited % (told?.status === "running" ? 5 : 10) === 0) ask();
}, 1000);
watch("value", ask);
draw();
ask();
