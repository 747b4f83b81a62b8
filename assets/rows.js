// Title, view switch, row navigation and search of the token card. A click puts what is asked for into the value and
// submits it: {rows} with one of {at}, {row}, {pick, nth}, {seed}, {search, after}; see studio/ui/view.py.
const { say, el, locale } = window.TUNEFORK;
const root = element.querySelector(".tf-rowbar");
const sizes = ROWS_SHOWN;
const PICKS = ["longest", "shortest", "most_cut", "worst"];
let [rows, now, packed] = [sizes[0], { at: 0, row: 1, of: 0, nth: 0, after: null }, false];
let pick = "";

const ask = (what) => {
  props.value = JSON.stringify({ rows, packed, ...what });
  trigger("submit");
};
const segment = (label, items) => {
  const group = el("div", "tf-seg");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  for (const { text, name, press, id } of items) {
    const button = el("button", "", text);
    button.type = "button";
    button.id = id;
    if (name) {
      button.setAttribute("aria-label", name);
      button.title = name;
    }
    button.addEventListener("click", () => press(button));
    group.append(button);
  }
  return group;
};
const step = (by) => ask({ at: now.of ? (((now.at + by) % now.of) + now.of) % now.of : 0 });

// ---- first line: which view, which row
const views = segment(say("cards.view"), ["raw", "text", "tokens", "all"].map((name) => ({
  text: say(`cards.views_${name}`), id: `view-${name}`,
  press: () => {
    window.TUNEFORK.rowView = name;
    mark();
    window.dispatchEvent(new Event("tunefork:view"));
  },
})));
const box = el("input", "tf-jump");
box.id = "row-number";
Object.assign(box, { type: "number", min: 1, step: 1, inputMode: "numeric" });
box.setAttribute("aria-label", say("cards.jump"));
box.addEventListener("change", () => {
  const row = Math.round(Number(box.value));
  if (row >= 1) ask(packed ? { at: Math.min(row, now.of) - 1 } : { row });
  else box.value = now.row;
});
const of = el("span", "tf-where");
const where = el("span", "tf-wherebox");
const arrow = (text, key, id, by) => {
  const button = el("button", "", text);
  Object.assign(button, { type: "button", id, title: say(`cards.${key}`) });
  button.setAttribute("aria-label", say(`cards.${key}`));
  button.addEventListener("click", () => step(by * rows));
  return button;
};
const back = el("div", "tf-seg");
back.append(arrow("‹", "previous", "row-previous", -1), arrow("›", "next", "row-next", 1));
const word = el("span", "tf-where");
where.append(word, box, of, back);

// ---- second line: search, and rows worth a look
const search = el("input", "tf-search");
Object.assign(search, { type: "search", id: "row-search", placeholder: say("cards.search") });
search.setAttribute("aria-label", say("cards.search"));
search.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !search.value.trim()) return;
  event.preventDefault();
  ask({ search: search.value, after: now.after ?? now.at - 1, left: now.left ?? null, at: now.at });
});
search.addEventListener("input", () => { Object.assign(now, { after: null, left: null }); });
const told = el("span", "tf-where tf-told");
told.setAttribute("role", "status");
const picks = segment(say("cards.rows_worth"), [
  { text: say("cards.random"), id: "row-random", press: () => ask(packed
    ? { at: Math.floor(Math.random() * now.of) }
    : { seed: Math.floor(Math.random() * 2 ** 31), at: now.at }) },
  ...PICKS.map((name) => ({
    text: say(`cards.${name}`), id: `row-${name}`, name: say(`cards.${name}_help`),
    press: () => {
      const nth = pick === name ? now.nth + rows : 0;
      ask({ pick: name, nth, at: now.at });
    },
  })),
]);
const many = segment(say("cards.rows_shown"), sizes.map((size) => ({
  text: String(size), name: say("cards.show_rows", { rows: size }), id: `rows-${size}`,
  press: () => { rows = size; mark(); ask({ at: now.at }); },
})));
const blocks = segment(say("cards.packed"), [{
  text: say("cards.packed"), name: say("cards.packed_help"), id: "row-packed",
  press: () => {
    packed = !packed;
    ask({ at: packed ? 0 : now.first ?? 0 });
  },
}]);

const mark = () => {
  const current = window.TUNEFORK.rowView || "tokens";
  views.querySelectorAll("button").forEach((one) => one.setAttribute("aria-pressed", String(one.id === `view-${current}`)));
  sizes.forEach((size) => many.querySelector(`#rows-${size}`).setAttribute("aria-pressed", String(size === rows)));
  PICKS.forEach((name) => picks.querySelector(`#row-${name}`).setAttribute("aria-pressed", String(name === pick)));
  blocks.firstChild.setAttribute("aria-pressed", String(packed));
  blocks.classList.toggle("tf-gone", !now.packing);
  word.textContent = say(packed ? "cards.block_word" : "cards.row_word");
  of.textContent = now.of ? say(packed ? "cards.of_blocks" : "cards.of_rows", { of: now.of.toLocaleString(locale) }) : "";
  if (document.activeElement !== box || !now.typing) box.value = now.of ? now.row : "";
  told.textContent = now.said || "";
};
const looked = (done) => PICKS.forEach((name) => { picks.querySelector(`#row-${name}`).disabled = !done; });

const head = el("div", "tf-rowline");
head.append(el("h3", "tf-title", say("cards.preview")), views, el("span", "tf-push"), where);
const tools = el("div", "tf-rowline tf-rowtools");
tools.append(search, told, el("span", "tf-push"), picks, blocks, many);
root.replaceChildren(head, tools);
looked(false);
mark();

const listeners = {
  "tunefork:preview": (event) => {
    now = { after: null, left: null, ...event.detail };
    packed = Boolean(now.packing && now.block);
    pick = now.pick || "";
    // What the form asks for next, of its own: the rows that are shown, not the search or the pick that led to them.
    props.value = JSON.stringify({ rows, packed, at: now.at, tokens: now.tokens });
    mark();
  },
  "tunefork:doctor": (event) => looked(event.detail.done),
  "tunefork:tokens": (event) => ask({ at: now.at, tokens: event.detail.tokens }),
  "tunefork:goto": (event) => {
    packed = false;
    ask({ at: event.detail.at });
    const card = element.closest(".card");
    if (card && card.getBoundingClientRect().top < 0) card.scrollIntoView({ block: "start" });
  },
};
for (const [name, act] of Object.entries(listeners)) {
  const listen = (event) => {
    if (!element.isConnected) window.removeEventListener(name, listen);
    else act(event);
  };
  window.addEventListener(name, listen);
}
