// How one row is drawn: raw cells, rendered text, and its lanes of tokens. Everything is set as text, never as markup.
const { say, el, note, locale } = window.TUNEFORK;

const shown = (text) => text.replaceAll("\r", "␍").replaceAll("\n", "↵\n").replaceAll("\t", "→\t");
const figure = (value) => value.toLocaleString(locale);

// What was searched for, marked where it stands.
const found = (text, needle) => {
  const made = document.createDocumentFragment();
  const [whole, wanted] = [text.toLowerCase(), (needle || "").toLowerCase()];
  let from = 0;
  // Lower case can be longer than what it was made of; then nothing is marked rather than the wrong letters.
  while (wanted && whole.length === text.length) {
    const at = whole.indexOf(wanted, from);
    if (at < 0) break;
    made.append(text.slice(from, at), el("mark", "", text.slice(at, at + wanted.length)));
    from = at + wanted.length;
  }
  made.append(text.slice(from));
  return made;
};

// Copies where the browser lets us; else the text is shown, selected, to be copied by hand.
const copy = async (button, text) => {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = say("cards.copied");
    setTimeout(() => { button.textContent = before; }, 1600);
  } catch {
    const box = el("textarea", "tf-ids");
    box.readOnly = true;
    box.value = text;
    box.rows = 3;
    box.setAttribute("aria-label", say("cards.copy_by_hand"));
    const hint = el("p", "tf-hand", say("cards.copy_by_hand"));
    button.parentElement.querySelectorAll(".tf-ids, .tf-hand").forEach((one) => one.remove());
    button.parentElement.append(hint, box);
    box.focus();
    box.select();
  }
};

// Which tokens hold a part of what was searched for.
const hits = (texts, needle) => {
  const wanted = (needle || "").toLowerCase();
  const whole = texts.join("").toLowerCase();
  const marked = new Set();
  if (!wanted || whole.length !== texts.reduce((total, text) => total + text.length, 0)) return marked;
  const spans = [];
  for (let at = whole.indexOf(wanted); at >= 0; at = whole.indexOf(wanted, at + wanted.length)) spans.push([at, at + wanted.length]);
  let [from, span] = [0, 0];
  texts.forEach((text, index) => {
    const to = from + text.length;
    while (span < spans.length && spans[span][1] <= from) span += 1;
    if (span < spans.length && spans[span][0] < to && text) marked.add(index);
    from = to;
  });
  return marked;
};
const rest = (text, more) => {
  const button = el("button", "tf-link tf-more", text);
  button.type = "button";
  button.title = say("cards.more_help");
  button.addEventListener("click", more);
  return button;
};

const tokens = (part, label, { needle, more }) => {
  const line = el("div", "tf-row tf-mono");
  if (label) line.setAttribute("aria-label", label);
  const marked = hits(part.t, needle);
  if (part.before) line.append(rest(`${say("cards.more_before", { count: figure(part.before) })} … `, more));
  part.t.forEach((text, index) => {
    const letter = part.c[index];
    const cut = part.x[index] === "x";
    const kinds = [letter.toLowerCase() === "t" ? "t" : "m"];
    if (letter !== letter.toLowerCase()) kinds.push("s");
    if (cut) kinds.push("x");
    if (marked.has(index)) kinds.push("hit");
    const border = part.borders ? part.borders.indexOf(index) : -1;
    if (border >= 0) line.append(el("b", "tf-border", say("cards.packed_row", { row: part.names[border] })));
    const token = el("i", kinds.join(" "), shown(text));
    const kind = cut ? "cut" : kinds[0] === "t" ? "supervised" : "masked";
    token.title = say("cards.token_title", {
      id: part.i[index], text: JSON.stringify(text),
      kind: [say(`cards.${kind}`), ...(kinds.includes("s") ? [say("cards.special")] : [])].join(", "),
    });
    line.append(token);
  });
  if (part.more) line.append(rest(` … ${say("cards.more_tokens", { count: figure(part.more) })}`, more));
  return line;
};

const copier = (lane) => {
  const whole = lane.ids.length === lane.kept;
  const button = el("button", "tf-link tf-copy", whole ? say("cards.copy_ids") : say("cards.copy_some", { count: figure(lane.ids.length) }));
  button.type = "button";
  button.addEventListener("click", () => copy(button, JSON.stringify(lane.ids)));
  return button;
};
const laneName = (lane, alone) => {
  const head = el("div", "tf-lanename");
  const name = say(`cards.lane_${lane.name}`);
  if (!alone) head.append(el("b", "", name === `cards.lane_${lane.name}` ? lane.name : name));
  head.append(el("span", "", say("cards.lane_counts", { kept: figure(lane.kept), supervised: figure(lane.supervised) })));
  if (lane.ids) head.append(copier(lane));
  return head;
};

const tokenView = (row, how) => {
  const box = el("div", "tf-lanes");
  box.dataset.lanes = row.lanes.length;
  if (row.shared) {
    const common = el("div", "tf-shared");
    const head = el("div", "tf-lanename");
    head.append(el("b", "", say("cards.shared")), el("span", "", say("cards.shared_tokens", { count: figure(row.shared.count) })));
    common.append(head, tokens(row.shared, say("cards.shared"), how));
    box.append(common);
  }
  for (const lane of row.lanes) {
    const one = el("div", `tf-lane tf-lane-${lane.name}`);
    one.append(tokens(lane, lane.name, how));
    // What one lane of one row counts stands under the card already.
    if (row.lanes.length > 1) one.prepend(laneName(lane, false));
    else if (how.several) one.append(laneName(lane, true));
    box.append(one);
  }
  return box;
};

const textView = (row, { needle }) => {
  const box = el("div", "tf-lanes");
  box.dataset.lanes = row.text.length;
  if (row.textShared) {
    const common = el("div", "tf-shared");
    common.append(el("div", "tf-lanename", say("cards.shared")));
    const text = el("div", "tf-row tf-mono tf-text");
    text.append(found(row.textShared, needle));
    common.append(text);
    box.append(common);
  }
  row.text.forEach((one, index) => {
    const lane = el("div", "tf-lane");
    if (row.text.length > 1) {
      const name = row.lanes[index] ? row.lanes[index].name : "";
      lane.append(el("div", "tf-lanename", say(`cards.lane_${name}`)));
    }
    const text = el("div", "tf-row tf-mono tf-text");
    text.append(found(one, needle));
    lane.append(text);
    box.append(lane);
  });
  return box;
};

const rawView = (row, { needle }) => {
  const list = el("dl", "tf-row tf-raw");
  for (const [column, cell] of Object.entries(row.raw || {})) {
    const value = el("dd");
    value.append(found(typeof cell === "string" ? cell : JSON.stringify(cell, null, 1), needle));
    list.append(el("dt", "", column), value);
  }
  return list;
};

// What is worth knowing of the row beside its tokens: its label, that it is held out, what a reward compares with.
const rowHead = (row, several) => {
  const head = el("div", "tf-rowname");
  if (several || row.where) head.append(el("span", "", row.where || say("cards.row", { row: figure(row.row) })));
  const chip = (cls, key) => head.append(el("span", `tf-mark ${cls}`, say(`cards.${key}`)));
  if (row.label !== null && row.label !== undefined) chip(row.label ? "good" : "bad", row.label ? "desirable" : "undesirable");
  if (row.held) chip("", "held_out");
  if (!row.kept) chip("bad", "not_trained");
  if (row.block) chip("", "packed_block");
  return head;
};
const views = { raw: rawView, text: textView, tokens: tokenView };
const rowBox = (row, how) => {
  const { view, several } = how;
  const box = el("div", "tf-rowbox");
  const head = rowHead(row, several);
  if (head.childNodes.length) box.append(head);
  if (row.problem) {
    box.append(el("p", "tf-error", row.problem));
    if (view === "tokens" || view === "text") return box;
  }
  const names = row.block ? ["tokens"] : view === "all" ? ["raw", "text", "tokens"] : [view];
  const side = el("div", names.length > 1 ? "tf-side" : "");
  for (const name of names) {
    const part = el("section", `tf-view-${name}`);
    if (names.length > 1) part.append(el("h4", "tf-sidename", say(`cards.views_${name}`)));
    if (!(row.problem && name !== "raw")) part.append(views[name](row, how));
    side.append(part);
  }
  box.append(side);
  if (row.reference) {
    const kept = el("details", "tf-reference");
    kept.open = true;
    kept.append(el("summary", "", say("cards.reference")), rawView({ raw: row.reference }, how));
    box.append(kept);
  }
  return box;
};
