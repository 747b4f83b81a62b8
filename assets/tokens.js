// The rows as the trainer sees them. Everything is set as text; nothing a file holds is ever markup.
const { say, el, note } = window.TUNEFORK;
const root = element.querySelector(".tf-tokens");
const [error, rows, counts, lines] = [".tf-error", ".tf-rows", ".tf-counts", ".tf-lines"].map((one) => root.querySelector(one));
let card = null;

const shown = (text) => text.replaceAll("\r", "␍").replaceAll("\n", "↵\n").replaceAll("\t", "→\t");
const tokenRow = (row) => {
  const line = el("div", "tf-row tf-mono");
  row.t.forEach((text, index) => {
    const letter = row.c[index];
    const kinds = [letter.toLowerCase() === "t" ? "t" : "m"];
    if (letter !== letter.toLowerCase()) kinds.push("s");
    if (index >= row.kept) kinds.push("x");
    const token = el("i", kinds.join(" "), shown(text));
    const kind = kinds.includes("x") ? "cut" : kinds[0] === "t" ? "supervised" : "masked";
    token.title = say("cards.token_title", {
      id: row.i[index], text: JSON.stringify(text),
      kind: [say(`cards.${kind}`), ...(kinds.includes("s") ? [say("cards.special")] : [])].join(", "),
    });
    line.append(token);
  });
  if (row.more) line.append(el("span", "tf-more", ` … ${say("cards.more_tokens", { count: row.more })}`));
  return line;
};
const rawRow = (raw) => {
  const list = el("dl", "tf-row tf-raw");
  for (const [column, cell] of Object.entries(raw)) {
    list.append(el("dt", "", column), el("dd", "", typeof cell === "string" ? cell : JSON.stringify(cell, null, 1)));
  }
  return list;
};
const drawRows = () => {
  const view = window.TUNEFORK.rowView || "tokens";
  const made = document.createDocumentFragment();
  card.rows.forEach((row, index) => {
    const box = el("div", "tf-rowbox");
    if (card.rows.length > 1) box.append(el("div", "tf-rowname", say("cards.row", { row: row.row })));
    if (view === "raw") box.append(rawRow(card.raw[index] || {}));
    else if (view === "text") box.append(el("div", "tf-row tf-mono tf-text", card.text[index] || ""));
    else box.append(tokenRow(row));
    made.append(box);
  });
  rows.replaceChildren(made);
};
const count = (cls, key, value) => {
  const one = el("span", "tf-count");
  one.append(el("span", cls, say(`cards.${key}`)), ` ${value.toLocaleString(window.TUNEFORK.locale)}`);
  return one;
};
const drawCounts = () => {
  const sum = (name) => card.rows.reduce((total, row) => total + row[name], 0);
  const digest = el("span", "tf-digest", say("cards.digest", { digest: card.digest }));
  digest.title = say("cards.digest_help");
  counts.replaceChildren(
    count("t", "supervised", sum("supervised")), count("", "masked", sum("kept") - sum("supervised")),
    count("s", "special", sum("special")), count("x", "cut", sum("cut")), el("span", "tf-push"), digest,
  );
  lines.replaceChildren(...card.notes.map((one) => el("p", "", one)));
};
const draw = () => {
  if (!props.value) return;
  const next = JSON.parse(props.value);
  root.dataset.state = next.state;
  root.classList.toggle("tf-stale", next.state !== "ok" && card !== null);
  error.textContent = next.error || "";
  if (next.state === "warming") {
    lines.replaceChildren(el("p", "tf-wait", say("cards.warming")));
    return;
  }
  if (next.state !== "ok") {
    note("data-meaning-card", "");
    note("data-source-card", "");
    if (card === null) lines.replaceChildren(el("p", "dim", say("cards.empty")));
    return;
  }
  card = next;
  root.dataset.digest = card.digest;
  drawRows();
  drawCounts();
  note("data-meaning-card", card.reason);
  note("data-source-card", card.source);
  window.dispatchEvent(new CustomEvent("tunefork:preview", { detail: { start: card.start, of: card.of } }));
};
const redraw = () => {
  if (!element.isConnected) window.removeEventListener("tunefork:view", redraw);
  else if (card) drawRows();
};
window.addEventListener("tunefork:view", redraw);
watch("value", draw);
draw();
