// A small table that one fills in: value is a JSON list of records. Fields: FIELDS is put in by studio/ui/table.py.
const { say, el } = window.TUNEFORK;
const root = element.querySelector(".tf-table");
const { fields, add, name, least } = FIELDS;
let records = [];

const tell = () => {
  props.value = JSON.stringify(records);
  trigger("input");
};
const cell = (record, field) => {
  const box = el(field.kind === "select" ? "select" : "input", `tf-cell tf-cell-${field.name}`);
  box.setAttribute("aria-label", say(`cards.${field.label}`));
  if (field.kind === "select") {
    for (const value of field.options) {
      const one = el("option", "", value === "auto" ? say("cards.auto") : value);
      one.value = value;
      box.append(one);
    }
  } else {
    box.type = field.kind;
    box.placeholder = field.placeholder || say(`cards.${field.label}`);
    if (field.kind === "number") Object.assign(box, { min: 0, step: "any" });
  }
  box.value = record[field.name] ?? field.first ?? "";
  box.addEventListener("change", () => {
    record[field.name] = field.kind === "number" ? (box.value === "" ? null : Number(box.value)) : box.value;
    tell();
  });
  return box;
};
const line = (record, index) => {
  const row = el("div", "tf-record");
  row.append(...fields.map((field) => (field.later && !index ? el("span", "tf-below", say("cards.below")) : cell(record, field))));
  const gone = el("button", "tf-remove", "×");
  gone.type = "button";
  gone.title = say("cards.remove");
  gone.setAttribute("aria-label", say("cards.remove"));
  gone.disabled = records.length <= least;
  gone.addEventListener("click", () => {
    records.splice(index, 1);
    draw();
    tell();
  });
  row.append(gone);
  return row;
};
const draw = () => {
  const more = el("button", "tf-link", say(`cards.${add}`));
  more.type = "button";
  more.addEventListener("click", () => {
    records.push(Object.fromEntries(fields.map((field) => [field.name, field.first ?? ""])));
    draw();
    root.querySelectorAll(".tf-record:last-of-type .tf-cell")[0]?.focus();
  });
  root.replaceChildren(el("div", "tf-tablename", say(`cards.${name}`)), ...records.map(line), more);
};
const read = () => {
  let given = [];
  try { given = JSON.parse(props.value || "[]"); } catch { /* what is no list is shown as an empty one */ }
  if (JSON.stringify(given) === JSON.stringify(records)) return;
  records = Array.isArray(given) ? given : [];
  draw();
};
watch("value", read);
draw();
read();
