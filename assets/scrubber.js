// The checkpoints of the opened run on a track. Runs inside gr.HTML, which gives element, props, server, trigger and
// watch. Follows live.js. The value is JSON {run, step}; see studio/ui/scrubber.py.

const say = speak("scrub");
const live = speak("live");
const root = element.querySelector(".tf-scrub");
let told = null;
let picked = null; // the step of the chosen checkpoint
let fold = null; // "sure" or "branch": what is unfolded under the buttons
let asking = false;
let asked = null; // when the server last pointed here
let lost = null; // a step that was asked for and is no longer kept

const given = () => { try { return JSON.parse(props.value); } catch { return {}; } };
const visible = () => !document.hidden && root.getClientRects().length > 0;
const steps = () => told?.checkpoints.map((one) => one.step) ?? [];
const chosen = () => told?.checkpoints.find((one) => one.step === picked);
const busy = () => ["running", "queued"].includes(told?.status);

function button(text, act, className = "tf-small") {
  const made = make("button", className, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function pick(step) {
  picked = step;
  fold = null;
  draw();
}

function move(by) {
  const there = steps();
  const next = there[Math.min(Math.max(there.indexOf(picked) + by, 0), there.length - 1)];
  if (next === undefined || next === picked) return;
  pick(next);
}

function origin() {
  const { kind, run, name, step } = told.origin;
  const [before, after = ""] = say(`from_${kind}${step === null ? "" : "_step"}`, { step, name: "\u0001" }).split("\u0001");
  const parent = run ? button(name, () => trigger("expand", { run }), "tf-link") : make("span", "", name);
  return put(make("p", "tf-origin"), before, parent, after);
}

function track() {
  const line = make("div", "tf-track");
  line.setAttribute("role", "radiogroup");
  line.setAttribute("aria-label", say("track"));
  const total = Math.max(told.total, 1);
  const place = (step) => `${(100 * step) / total}%`;
  const done = make("i");
  done.style.width = place(picked);
  line.append(done);
  for (const { step } of told.checkpoints) {
    const stop = button("", () => pick(step), "tf-stop");
    stop.style.left = place(step);
    stop.title = live("answers.step", { step });
    stop.setAttribute("role", "radio");
    stop.setAttribute("aria-label", stop.title);
    stop.setAttribute("aria-checked", step === picked);
    stop.tabIndex = step === picked ? 0 : -1;
    line.append(stop);
  }
  const nearest = (event) => {
    const box = line.getBoundingClientRect();
    const step = ((event.clientX - box.left) / box.width) * total;
    return steps().reduce((best, one) => (Math.abs(one - step) < Math.abs(best - step) ? one : best));
  };
  line.addEventListener("pointerdown", (event) => { if (event.target === line || event.target === done) pick(nearest(event)); });
  line.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -1e9, End: 1e9 }[event.key];
    if (by) { event.preventDefault(); move(by); }
  });
  const ends = put(make("div", "tf-track-ends"), make("span", "", "0"), make("span", "", total.toLocaleString("en")));
  return put(make("div", "tf-track-box"), line, ends);
}

function figures() {
  const one = chosen();
  const box = make("div", "tf-figures tf-scrub-figures");
  const tell = (value, word) => box.append(put(make("div"), make("b", "", value), make("span", "", word)));
  tell(one.step.toLocaleString("en"), live("axis_step"));
  tell(number(one.loss, 3), live("train_loss"));
  tell(number(one.eval_loss, 3), live("eval_loss"));
  tell(number(one.epoch), live("axis_epoch"));
  tell(window.TUNEFORK.bytes(one.bytes), say("size"));
  tell(when(one.time), say("written"));
  return box;
}

function when(seconds) {
  const [then, now] = [new Date(seconds * 1000), new Date()];
  const how = then.toDateString() === now.toDateString() ? { timeStyle: "short" } : { dateStyle: "short", timeStyle: "short" };
  return then.toLocaleString(window.TUNEFORK.locale, how);
}

function actions() {
  const { run, status } = told;
  const later = steps().filter((step) => step > picked);
  const go = button(say("go_on"), () => {
    if (later.length) { fold = fold === "sure" ? null : "sure"; draw(); } else trigger("input", { run, step: picked });
  });
  go.setAttribute("aria-expanded", fold === "sure");
  const over = status === "finished" && picked >= told.total;
  go.disabled = busy() || over || !told.settings;
  if (busy()) go.title = say("busy");
  if (over) go.title = say("over");
  const split = button(say("branch"), () => { fold = fold === "branch" ? null : "branch"; draw(); });
  split.setAttribute("aria-expanded", fold === "branch");
  split.disabled = !told.settings;
  const row = put(make("div", "tf-scrub-acts"),
    button(say("chat"), () => trigger("select", { run, step: picked }), "tf-small tf-first"), go, split);
  const parts = [row];
  if (over && fold === null) parts.push(make("p", "tf-hint", say("over")));
  if (fold === "sure") parts.push(sure(run, later));
  if (fold === "branch") parts.push(form(run));
  return parts;
}

function sure(run, later) {
  const yes = button(say("go_on_from", { step: picked }), () => { fold = null; draw(); trigger("input", { run, step: picked }); });
  const no = button(say("leave"), () => { fold = null; draw(); }, "tf-link");
  return put(make("div", "tf-scrub-fold"),
    make("p", "", say(later.length > 1 ? "removes" : "removes_one", { steps: later.join(", ") })),
    put(make("div", "tf-scrub-acts"), yes, no));
}

function form(run) {
  const { settings } = told;
  const counted = settings.max_steps > 0;
  const fields = {};
  const box = make("form", "tf-scrub-fold tf-scrub-form");
  const field = (name, label, value, numeric) => {
    const input = make("input");
    input.value = value;
    input.name = name;
    input.autocomplete = "off";
    if (numeric) input.inputMode = "decimal"; else input.maxLength = 80;
    fields[name] = input;
    box.append(put(make("label"), make("span", "", label), input));
  };
  field("learning_rate", say("rate"), settings.learning_rate, true);
  if (counted) field("max_steps", say("steps"), settings.max_steps, true);
  else field("num_train_epochs", say("epochs"), settings.num_train_epochs, true);
  field("name", say("name"), `${told.name}-from-${picked}`.slice(0, 80), false);
  const begin = make("button", "tf-small tf-first", say("begin"));
  begin.type = "submit";
  box.append(make("p", "tf-hint", say("branch_hint")), put(make("div", "tf-scrub-acts"), begin,
    button(say("leave"), () => { fold = null; draw(); }, "tf-link")));
  box.addEventListener("submit", (event) => {
    event.preventDefault();
    const changes = Object.fromEntries(Object.entries(fields).map(([name, input]) => [name, input.value]));
    trigger("submit", { run, step: picked, changes });
  });
  return box;
}

function draw() {
  const held = document.activeElement?.getAttribute("role") === "radio" && root.contains(document.activeElement);
  element.dataset.count = steps().length;
  element.dataset.step = picked ?? "";
  if (!told) { root.replaceChildren(); return; }
  const parts = told.origin ? [origin()] : [];
  if (!steps().length) {
    root.replaceChildren(...parts, make("p", "tf-hint", say(busy() ? "none_yet" : "none")));
    return;
  }
  if (lost !== null) parts.push(make("p", "tf-hint", say("lost", { step: lost })));
  root.replaceChildren(...parts, track(), figures(), ...actions());
  if (held) root.querySelector("[aria-checked=true]").focus();
}

async function ask() {
  const { run, step = null } = given();
  if (asking || !run || !visible()) return;
  asking = true;
  let answer;
  try { answer = await server.checkpoints({ run }); } finally { asking = false; }
  if (!answer) return; // the connection is lost: the next time asks again
  if (run !== given().run) { ask(); return; }
  if (!answer.run) { told = null; draw(); return; }
  take(answer, step);
}

function take(answer, step) {
  const before = JSON.stringify([told, picked]);
  const opened = asked !== given().asked;
  told = answer;
  if (opened) {
    asked = given().asked;
    fold = lost = null;
    picked = step ?? (steps().includes(picked) ? picked : null);
  }
  if (picked !== null && !steps().includes(picked)) { // rotated away, or removed when the run went on
    lost = opened ? picked : null;
    picked = fold = null;
  }
  picked ??= steps().at(-1) ?? null;
  if ((opened || before !== JSON.stringify([told, picked])) && fold !== "branch") draw();
  if (opened && step !== null) root.scrollIntoView({ block: "center", behavior: "smooth" });
}

let waited = 0;
let seen = true;
const timer = setInterval(() => {
  if (!element.isConnected) { clearInterval(timer); return; }
  waited += 1;
  const again = visible() && !seen; // it may have gone on meanwhile
  seen = visible();
  if (again || asked !== given().asked || waited % (busy() ? 3 : 10) === 0) ask();
}, 1000);
watch("value", ask);
draw();
ask();
