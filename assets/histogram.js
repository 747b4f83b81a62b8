// Tokens per row: two histograms and the max_length line, which can be dragged. What a length would cost is worked out
// here from the report's table, without asking the server; letting go sets it. See studio/ui/histogram.py.
const { say, el, locale } = window.TUNEFORK;
const root = element.querySelector(".tf-histogram");
const NS = "http://www.w3.org/2000/svg";
const [HEIGHT, TOP, FOOT, SHORTEST] = [118, 20, 16, 8];
let card = null;
let at = null; // the length under the line; null: no limit
let held = false;

const svg = (tag, attributes, text) => {
  const node = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
};
const figure = (value) => value.toLocaleString(locale);
const plot = el("div", "tf-hist");
const picture = svg("svg", { role: "img" });
const handle = el("div", "tf-limit");
handle.tabIndex = 0;
handle.setAttribute("role", "slider");
handle.setAttribute("aria-label", say("cards.length_line"));
const label = el("span", "tf-linename");
handle.append(label);
plot.append(picture, handle);
const cost = el("p", "tf-cost");
cost.setAttribute("role", "status");
const totals = el("p", "tf-totals");
const empty = el("p", "dim", say("cards.histogram_empty"));
const head = el("div", "tf-histhead");
const key = el("span", "tf-histkey");
key.append(el("span", "all", say("cards.all_tokens")), el("span", "some", say("cards.supervised")));
const hint = el("span", "tf-histkey tf-gone", say("cards.drag"));
head.append(el("h3", "tf-title", say("cards.per_row")), hint);
root.replaceChildren(head, empty, key, plot, cost, totals);

const width = () => plot.clientWidth || 306;
const last = () => card.edges[card.edges.length - 1];
const most = () => Math.max(last(), SHORTEST);
const toX = (length) => (Math.min(length, most()) / most()) * width();
const limit = () => (at === null ? most() : Math.min(at, most()));

// The table holds exact figures at some lengths; between two of them they lie between.
const costs = (length) => {
  const { at: grid, cut, dropped } = card.curve;
  if (length === null || !grid.length || length >= grid[grid.length - 1]) return { cut: 0, dropped: 0, exact: true };
  let low = 0;
  while (low + 1 < grid.length && grid[low + 1] <= length) low += 1;
  const high = Math.min(low + 1, grid.length - 1);
  const exact = grid[low] === length || (cut[low] === cut[high] && dropped[low] === dropped[high]);
  const share = exact || grid[high] === grid[low] ? 0 : (length - grid[low]) / (grid[high] - grid[low]);
  const between = (values) => Math.max(0, Math.round(values[low] + share * (values[high] - values[low])));
  return { cut: between(cut), dropped: between(dropped), exact };
};
const tell = () => {
  const { cut, dropped, exact } = costs(at);
  const length = at === null ? say("cards.no_limit") : figure(at);
  label.textContent = at !== null && at > most() ? `${length} →` : length;
  label.classList.toggle("tf-left", toX(limit()) > width() / 2);
  handle.style.left = `${toX(limit())}px`;
  const about = exact ? "" : "≈ ";
  const said = say("cards.length_cost", { cut: about + figure(cut), dropped: about + figure(dropped) });
  cost.textContent = said;
  cost.classList.toggle("amber", cut + dropped > 0);
  handle.setAttribute("aria-valuemin", SHORTEST);
  handle.setAttribute("aria-valuemax", most());
  handle.setAttribute("aria-valuenow", limit());
  handle.setAttribute("aria-valuetext", `${length}: ${said}`);
  picture.querySelectorAll("rect.all").forEach((bar) => bar.classList.toggle("over", at !== null && Number(bar.dataset.from) >= at));
};
const paint = () => {
  if (!card || !plot.clientWidth) return;
  const wide = width();
  const tallest = Math.max(1, ...card.total, ...card.supervised);
  const tall = HEIGHT - TOP - FOOT;
  const scale = (count) => (count ? Math.max(1.5, (count / tallest) * tall) : 0);
  picture.setAttribute("viewBox", `0 0 ${wide} ${HEIGHT}`);
  picture.setAttribute("width", wide);
  picture.setAttribute("height", HEIGHT);
  picture.setAttribute("aria-label", card.aria);
  const bars = [];
  const add = (counts, cls, inset) => counts.forEach((count, index) => {
    const [x, right] = [toX(card.edges[index]), toX(card.edges[index + 1])];
    const height = scale(count);
    if (!height) return;
    const size = { x: x + inset, y: HEIGHT - FOOT - height, width: Math.max(1, right - x - 2 * inset), height, class: cls };
    const bar = svg("rect", { ...size, rx: 1 });
    bar.dataset.from = card.edges[index];
    const to = card.beyond && index === counts.length - 1 ? card.beyond : card.edges[index + 1] - 1;
    bar.append(svg("title", {}, say("cards.bar", {
      from: figure(card.edges[index]), to: figure(to), rows: figure(count), what: say(`cards.${cls === "all" ? "all_tokens" : "supervised"}`),
    })));
    bars.push(bar);
  });
  add(card.total, "all", 0.5);
  add(card.supervised, "some", Math.min(2, wide / card.edges.length / 4));
  const ground = svg("line", { x1: 0, x2: wide, y1: HEIGHT - FOOT + 0.5, y2: HEIGHT - FOOT + 0.5, class: "ground" });
  const ends = [svg("text", { x: 0, y: HEIGHT - 3 }, "0"), svg("text", { x: wide, y: HEIGHT - 3, "text-anchor": "end" }, (card.beyond ? "≥ " : "") + figure(card.beyond ? card.edges[card.edges.length - 2] : last()))];
  picture.replaceChildren(...bars, ground, ...ends);
  handle.style.height = `${HEIGHT - FOOT}px`;
  tell();
};

const put = (length) => {
  at = Math.round(Math.min(Math.max(length, SHORTEST), most()));
  tell();
};
const settle = () => {
  if (card && at !== card.max_length) trigger("select", { length: at });
};
handle.addEventListener("pointerdown", (event) => {
  held = true;
  handle.setPointerCapture(event.pointerId);
  handle.focus();
  event.preventDefault();
});
handle.addEventListener("pointermove", (event) => {
  if (!held) return;
  const box = plot.getBoundingClientRect();
  const rough = ((event.clientX - box.left) / box.width) * most();
  put(most() > 256 ? Math.round(rough / 8) * 8 : rough);
});
const letGo = () => {
  if (!held) return;
  held = false;
  settle();
};
handle.addEventListener("pointerup", letGo);
handle.addEventListener("pointercancel", () => { held = false; at = card.max_length; tell(); });
let typed = 0;
handle.addEventListener("keydown", (event) => {
  const small = event.shiftKey ? 1 : Math.max(1, Math.round(most() / 100));
  const by = { ArrowLeft: -small, ArrowDown: -small, ArrowRight: small, ArrowUp: small, PageDown: -10 * small, PageUp: 10 * small }[event.key];
  if (event.key === "Escape") at = card.max_length;
  else if (event.key === "Home") put(SHORTEST);
  else if (event.key === "End") put(most());
  else if (by !== undefined) put(limit() + by);
  else return;
  event.preventDefault();
  tell();
  clearTimeout(typed);
  typed = setTimeout(settle, 500);
});

const draw = () => {
  if (!props.value) return;
  let next = JSON.parse(props.value);
  // While the same rows are looked at again, what was counted stays, dimmed; that of other rows goes.
  if (next.state === "looking" && (!card || card.source !== next.source)) next = { state: "empty" };
  root.dataset.state = next.state;
  for (const one of [key, hint, plot, cost, totals]) one.classList.toggle("tf-gone", next.state === "empty");
  empty.classList.toggle("tf-gone", next.state !== "empty");
  if (next.state !== "ok") return;
  card = next;
  if (!held) at = card.max_length;
  key.lastChild.classList.toggle("tf-gone", !card.supervised.length);
  totals.textContent = card.lines.join(" · ");
  paint();
};
new ResizeObserver(paint).observe(plot);
watch("value", draw);
draw();
