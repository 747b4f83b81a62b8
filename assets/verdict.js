// Which of two replies wins and by how much. Runs inside gr.HTML, which gives element, props and watch. Follows live.js.
// The value is one JSON string {state, said, scores: [a, b], best, difference, chance}; see studio/ui/scoring.py.

const say = speak("chat");
const root = element.querySelector(".tf-verdict");
const NAMES = ["A", "B"];

const share = (chance) => { // never 0 or 100: nothing is certain
  const percent = chance * 100;
  if (percent > 99.9) return ">\u00a099.9\u00a0%";
  if (percent < 0.1) return "<\u00a00.1\u00a0%";
  return `${percent > 99 || percent < 1 ? percent.toFixed(1) : Math.round(percent)}\u00a0%`;
};
const signed = (value) => (value < 0 ? "−" : "") + number(Math.abs(value));

function bar(card) {
  const shares = [card.chance, 1 - card.chance];
  const line = make("div", "tf-weigh");
  line.setAttribute("aria-hidden", "true"); // the figures say the same
  shares.forEach((one, at) => {
    const part = make("span", at === card.best ? "tf-wins" : "");
    part.style.flexGrow = String(Math.max(one, 0.004));
    line.append(part);
  });
  return line;
}

function side(card, at) {
  const box = make("div", `tf-judge${at === card.best ? " tf-wins" : ""}`);
  const chance = at ? 1 - card.chance : card.chance;
  return put(box,
    make("b", "", NAMES[at]),
    make("span", "tf-score", say("score.scored", { score: signed(card.scores[at]) })),
    make("span", "tf-chance", say("score.chance", { share: share(chance) })));
}

function done(card) {
  const head = card.best === null ? say("score.tie")
    : say("score.wins", { name: NAMES[card.best], by: number(Math.abs(card.difference)) });
  const sides = put(make("div", "tf-judged"), side(card, 0), side(card, 1));
  root.replaceChildren(make("h3", "", head), bar(card), sides, make("p", "tf-hint", say("score.meaning")));
}

function update() {
  const card = props.value ? JSON.parse(props.value) : { state: "empty" };
  element.dataset.state = root.dataset.state = card.state;
  if (card.state === "done") { done(card); return; }
  const text = card.said || say(`score.${card.state}`);
  root.replaceChildren(make("p", card.state === "error" ? "tf-state tf-bad" : "tf-state", text));
}

root.setAttribute("role", "status");
watch("value", update);
update();
