// The rows as the trainer sees them: state, rows, counts, notes. Follows lanes.js, which draws a row.
const root = element.querySelector(".tf-tokens");
const [error, offers, rows, counts, lines] = [".tf-error", ".tf-offers", ".tf-rows", ".tf-counts", ".tf-lines"].map((one) => root.querySelector(one));
let card = null;

let drawnOf = "";

const drawRows = () => {
  const view = window.TUNEFORK.rowView || "tokens";
  root.dataset.view = view;
  const how = { view, needle: card.needle, several: card.rows.length > 1, more: askMore };
  rows.replaceChildren(...card.rows.map((row) => rowBox(row, how)));
  const of = JSON.stringify([view, card.source, card.rows.map((row) => row.at)]);
  if (of !== drawnOf) rows.scrollTop = 0;
  drawnOf = of;
};
// Eight times as many tokens of each lane, of the same rows.
const askMore = () => window.dispatchEvent(new CustomEvent("tunefork:tokens", { detail: { tokens: 8 * card.tokens } }));
const count = (cls, key, value) => {
  const one = el("span", "tf-count");
  one.append(el("span", cls, say(`cards.${key}`)), ` ${figure(value)}`);
  return one;
};
const drawCounts = () => {
  const lanes = card.rows.flatMap((row) => row.lanes);
  const sum = (name) => lanes.reduce((total, lane) => total + lane[name], 0);
  const made = [
    count("t", "supervised", sum("supervised")), count("", "masked", sum("kept") - sum("supervised")),
    count("s", "special", sum("special")), count("x", "cut", sum("cut")),
  ];
  if (lanes.length === 1) made.push(copier(lanes[0]));
  made.push(el("span", "tf-push"));
  if (card.digest) {
    const digest = el("span", "tf-digest", say("cards.digest", { digest: card.digest }));
    digest.title = say("cards.digest_help");
    made.push(digest);
  }
  counts.replaceChildren(...made);
  lines.replaceChildren(...card.notes.map((one) => el("p", "", one)));
};
// One click that mends what stands in the way, such as another method.
const drawOffers = (some) => {
  offers.replaceChildren(...some.map((one) => {
    const button = el("button", "tf-offer", one.text);
    button.type = "button";
    button.addEventListener("click", () => trigger("select", { changes: one.changes }));
    return button;
  }));
};
const draw = () => {
  if (!props.value) return;
  const next = JSON.parse(props.value);
  root.dataset.state = next.state;
  root.classList.toggle("tf-stale", next.state !== "ok" && card !== null);
  error.textContent = next.error || "";
  drawOffers(next.offers || []);
  if (next.state === "warming") {
    lines.replaceChildren(el("p", "tf-wait", say("cards.warming")));
    return;
  }
  if (next.state !== "ok") {
    note("data-format", "");
    note("data-source-card", "");
    if (card === null) lines.replaceChildren(el("p", "dim", say("cards.empty")));
    return;
  }
  card = next;
  root.dataset.digest = card.digest;
  root.dataset.at = card.at;
  drawRows();
  drawCounts();
  note("data-format", card.reason);
  note("data-source-card", card.source);
  const { at, row, of, nth, pick, said, after, left, packing, block, first, tokens } = card;
  const detail = { at, row, of, nth: nth || 0, pick, said, after, left, packing, block, first, tokens };
  window.dispatchEvent(new CustomEvent("tunefork:preview", { detail }));
};
const redraw = () => {
  if (!element.isConnected) window.removeEventListener("tunefork:view", redraw);
  else if (card) drawRows();
};
window.addEventListener("tunefork:view", redraw);
watch("value", draw);
draw();
