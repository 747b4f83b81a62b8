// What the model wrote while it was trained, step by step, beside the base and the row's own answer. Follows curve.js,
// precedes plot.js, whose `run` and `ui` it uses. Texts of models and rows are only ever set as text.

const chosen = { step: null, drawn: null, latest: true }; // `latest`: new answers are shown as they come

function buildAnswers() {
  ui.answered = make("select");
  ui.answered.setAttribute("aria-label", say("answers.step_label"));
  ui.answered.addEventListener("change", () => choose(Number(ui.answered.value)));
  const button = (text, title, move) => {
    const made = make("button", "tf-turn", text);
    made.type = "button";
    made.title = title;
    made.setAttribute("aria-label", title);
    made.addEventListener("click", () => choose(run.answered[run.answered.indexOf(chosen.step) + move]));
    return made;
  };
  ui.earlier = button("‹", say("answers.earlier"), -1);
  ui.later = button("›", say("answers.later"), 1);
  ui.answerList = make("div", "tf-answer-list");
  const turn = put(make("div", "tf-turns"), ui.earlier, ui.answered, ui.later);
  const head = put(make("div", "tf-answers-head"), make("h3", "", say("answers.title")), turn);
  ui.answersPanel = put(make("section", "tf-panel tf-answers tf-gone"), head, ui.answerList);
  return ui.answersPanel;
}

function choose(step) {
  if (!run.answered.includes(step)) return;
  Object.assign(chosen, { step, latest: step === last(run.answered) });
  syncAnswers();
}

function takeAnswered(steps) {
  for (const step of steps) if (!run.answered.includes(step)) run.answered.push(step);
  if (steps.includes(chosen.step)) chosen.drawn = null; // more of them have come
}

function syncAnswers() {
  const steps = run.answered;
  show(ui.answersPanel, steps.length > 0);
  if (!steps.length) { Object.assign(chosen, { step: null, drawn: null, latest: true }); return; }
  if (chosen.latest || !steps.includes(chosen.step)) chosen.step = last(steps);
  if (ui.answered.dataset.steps !== String(steps)) {
    ui.answered.dataset.steps = String(steps);
    ui.answered.replaceChildren(...steps.map((step) => {
      const option = make("option", "", say("answers.step", { step }));
      option.value = step;
      return option;
    }));
  }
  ui.answered.value = chosen.step;
  ui.earlier.disabled = chosen.step === steps[0];
  ui.later.disabled = chosen.step === last(steps);
  const key = `${run.id} ${chosen.step}`;
  if (chosen.drawn !== key) { chosen.drawn = key; fetchAnswers(run.id, chosen.step); }
}

async function fetchAnswers(id, step) {
  const found = await server.answers({ run: id, step });
  if (!found) { chosen.drawn = null; return; } // the connection is lost: the next poll asks again
  if (id === run.id && found.step === chosen.step) ui.answerList.replaceChildren(...found.answers.map(answered));
}

function answered(one) {
  const boxes = make("div", "tf-answer-boxes");
  for (const side of ["reference", "base", "policy"]) {
    if (one[side] === undefined || (side === "reference" && !one[side])) continue;
    const box = put(make("div", `tf-answer tf-answer-${side}`), make("h4", "", say(`answers.${side}`)));
    box.append(one[side] ? make("p", "", one[side]) : make("p", "tf-hint", say("answers.nothing")));
    if (side === "policy" && one.rewards) box.append(rewarded(one.rewards));
    boxes.append(box);
  }
  return put(make("article", "tf-asked"), make("p", "tf-asked-text", one.prompt ?? ""), boxes);
}

const rewarded = (rewards) => put(make("div", "tf-rewards"), ...Object.entries(rewards).map(([name, value]) => (
  make("span", "tf-badge", `${name} ${number(value)}`))));
