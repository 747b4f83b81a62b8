// Title, view switch and row navigation of the token card. A click puts {start, rows} into the value and submits it.
const { say, el } = window.TUNEFORK;
const root = element.querySelector(".tf-rowbar");
const sizes = ROWS_SHOWN;
let view = { start: 0, rows: sizes[1] };
let of = 0;

const segment = (label, items) => {
  const group = el("div", "tf-seg");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  for (const { text, name, press, id } of items) {
    const button = el("button", "", text);
    button.type = "button";
    if (id) button.id = id;
    if (name) {
      button.setAttribute("aria-label", name);
      button.title = name;
    }
    button.addEventListener("click", () => press(button));
    group.append(button);
  }
  return group;
};
const go = (start, rows = view.rows) => {
  const last = Math.max(0, of - 1);
  view = { start: Math.min(Math.max(0, start), last), rows };
  props.value = JSON.stringify(view);
  trigger("submit");
};

const where = el("span", "tf-where");
const views = segment(say("cards.view"), ["raw", "text", "tokens"].map((name) => ({
  text: say(`cards.views_${name}`), id: `view-${name}`,
  press: () => {
    window.TUNEFORK.rowView = name;
    mark();
    window.dispatchEvent(new Event("tunefork:view"));
  },
})));
const steps = segment(say("cards.rows_shown"), [
  { text: "‹", name: say("cards.previous"), id: "row-previous", press: () => go(view.start - view.rows) },
  { text: "›", name: say("cards.next"), id: "row-next", press: () => go(view.start + view.rows >= of ? 0 : view.start + view.rows) },
  { text: say("cards.random"), id: "row-random", press: () => go(Math.floor(Math.random() * of)) },
  ...sizes.map((size) => ({ text: String(size), name: say("cards.show_rows", { rows: size }), id: `rows-${size}`, press: () => go(view.start, size) })),
]);
const mark = () => {
  const current = window.TUNEFORK.rowView || "tokens";
  views.querySelectorAll("button").forEach((one) => one.setAttribute("aria-pressed", String(one.id === `view-${current}`)));
  sizes.forEach((size) => steps.querySelector(`#rows-${size}`).setAttribute("aria-pressed", String(size === view.rows)));
  const end = Math.min(view.start + view.rows, of);
  where.textContent = of ? say("cards.row_of", { row: end - view.start > 1 ? `${view.start + 1}–${end}` : view.start + 1, of: of.toLocaleString(window.TUNEFORK.locale) }) : "";
};
root.replaceChildren(el("h3", "tf-title", say("cards.preview")), views, el("span", "tf-push"), where, steps);
mark();
const listen = (event) => {
  if (!element.isConnected) return window.removeEventListener("tunefork:preview", listen);
  of = event.detail.of;
  view = { ...view, start: event.detail.start };
  mark();
};
window.addEventListener("tunefork:preview", listen);
