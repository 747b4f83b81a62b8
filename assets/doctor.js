// The doctor's card: how far the look at every row is, what was found, and the changes that mend it.
// Asks for nothing by itself: a lever sends {changes}, a button {act}; see studio/ui/doctor.py.
const { say, el, locale } = window.TUNEFORK;
const root = element.querySelector(".tf-doctor");
const [head, bar, error, list, fine] = [".tf-doctor-head", ".tf-bar", ".tf-error", ".tf-findings", ".tf-fine"].map((one) => root.querySelector(one));
const figure = (value) => value.toLocaleString(locale);
const shownOf = new Map(); // finding -> how often "show" was clicked
let done = null; // the last lever: {text, undo}
let source = null;

const link = (text, press, cls = "tf-link") => {
  const button = el("button", cls, text);
  button.type = "button";
  button.addEventListener("click", press);
  return button;
};
const goTo = (at) => window.dispatchEvent(new CustomEvent("tunefork:goto", { detail: { at } }));
const showRow = (finding, button) => {
  const turn = shownOf.get(finding.check + finding.text) ?? 0;
  shownOf.set(finding.check + finding.text, turn + 1);
  const at = finding.positions[turn % finding.positions.length];
  if (finding.positions.length > 1) button.textContent = say("cards.show_next", { at: (turn % finding.positions.length) + 1, of: figure(finding.count) });
  goTo(at);
};
const pull = (lever) => {
  done = { text: lever.text, undo: lever.undo };
  drawDone();
  trigger("select", { changes: lever.changes });
};
const undone = el("p", "tf-undo");
const drawDone = () => {
  undone.replaceChildren();
  undone.classList.toggle("tf-gone", !done);
  if (!done) return;
  const changes = done.undo;
  undone.append(el("span", "", say("cards.lever_done", { what: done.text })), link(say("cards.undo"), () => {
    done = null;
    drawDone();
    trigger("select", { changes });
  }));
};
const item = (finding) => {
  const row = el("li", `tf-finding ${finding.severity}`);
  row.dataset.check = finding.check;
  const words = el("div", "tf-words");
  const title = el("p", "tf-what");
  title.append(el("span", "tf-severity", finding.word), el("b", "", finding.title));
  words.append(title);
  const rest = el("p", "tf-rest", finding.rest);
  if (finding.rows.length) {
    rest.append(finding.rest ? " · " : "", say("cards.rows_are"), " ");
    finding.rows.forEach(({ name, at }, index) => rest.append(index ? ", " : "", link(name, () => goTo(at))));
    if (finding.more) rest.append(`, +${figure(finding.more)}`);
  }
  if (rest.childNodes.length) words.append(rest);
  const levers = el("div", "tf-levers");
  if (finding.positions.length) {
    const button = link(say("cards.show"), () => showRow(finding, button));
    button.title = say("cards.show_help");
    levers.append(button);
  }
  levers.append(...finding.levers.map((lever) => link(lever.text, () => pull(lever))));
  row.append(el("i", "tf-dot"), words, levers);
  return row;
};
const draw = () => {
  if (!props.value) return;
  const card = JSON.parse(props.value);
  root.dataset.state = card.state;
  const going = card.state === "looking" || card.state === "stopped";
  head.replaceChildren(el("h3", "tf-title", say("cards.doctor")), el("span", "", card.text || ""), el("span", "tf-push"));
  if (card.state === "looking") head.append(link(say("cards.cancel"), () => trigger("select", { act: "stop" })));
  if (card.state === "stopped" || card.state === "failed") head.append(link(say("cards.go_on"), () => trigger("select", { act: "go_on" })));
  bar.classList.toggle("tf-gone", !going);
  bar.classList.toggle("tf-endless", card.state === "looking" && !card.total);
  bar.setAttribute("aria-valuenow", card.done || 0);
  bar.setAttribute("aria-valuemax", card.total || 1);
  bar.firstElementChild.style.width = card.total ? `${(100 * card.done) / card.total}%` : "";
  error.textContent = card.error || "";
  root.classList.toggle("tf-old", going && list.childElementCount > 0);
  if (card.source !== undefined && card.source !== source) {
    source = card.source;
    done = null;
    shownOf.clear();
    if (card.state !== "done") list.replaceChildren();
  }
  if (card.state === "done") {
    list.replaceChildren(...card.findings.map(item));
    fine.replaceChildren();
    if (card.fine) {
      fine.append(el("i", "tf-dot"), el("span", "", card.fine));
      fine.title = card.fine_help || "";
    }
  }
  fine.classList.toggle("tf-gone", card.state !== "done" || !card.fine);
  if (!undone.isConnected) list.before(undone);
  drawDone();
  window.dispatchEvent(new CustomEvent("tunefork:doctor", { detail: { done: card.state === "done" } }));
};
watch("value", draw);
draw();
