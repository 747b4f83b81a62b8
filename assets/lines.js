// Parallel coordinates: an axis a column, a line a run. Knows nothing of where its figures come from. Follows live.js.
// parallel(axes, lines) -> {svg, mark(id)}; axes [{name, values}], lines [{id, label, colour 0..1 or null}].

const SVG = "http://www.w3.org/2000/svg";
const drawn = (tag, attributes, text) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
};
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const figure = (value) => {
  const plain = Number(value.toPrecision(4));
  return plain !== 0 && Math.abs(plain) < 1e-3 ? plain.toExponential() : String(plain);
};
const written = (value) => (isNumber(value) ? figure(value)
  : value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));
const clipped = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// Where each value lies on its axis (0 below, 1 on top), and the values worth a word.
function scale(values) {
  const there = values.filter((value) => value !== null && value !== undefined);
  const each = [...new Set(there.map((value) => written(value)))];
  if (!there.length || !there.every(isNumber)) {
    const at = (value) => (each.length < 2 ? 0.5 : each.indexOf(written(value)) / (each.length - 1));
    return { at, words: each.slice(0, 12).map((text) => [text, each.length < 2 ? 0.5 : each.indexOf(text) / (each.length - 1)]) };
  }
  const [low, high] = [Math.min(...there), Math.max(...there)];
  const turn = low > 0 && high / low >= 20 ? Math.log : (value) => value; // learning rates lie by their ratio
  const at = (value) => (high === low ? 0.5 : (turn(value) - turn(low)) / (turn(high) - turn(low)));
  const told = each.length <= 5 ? [...new Set(there)] : [low, high];
  const words = [];
  for (const value of told.sort((a, b) => a - b)) {
    if (!words.length || at(value) - words.at(-1)[1] > 0.08) words.push([written(value), at(value)]);
  }
  return { at, words };
}

function parallel(axes, lines, { width, height = 250, label, enter, leave, choose }) {
  const [top, bottom, side] = [34, 16, 44];
  const wide = Math.max(width, 2 * side + 84 * (axes.length - 1));
  const x = (index) => (axes.length < 2 ? wide / 2 : side + (index * (wide - 2 * side)) / (axes.length - 1));
  const y = (part) => height - bottom - part * (height - top - bottom);
  const room = Math.max(6, Math.floor((wide - 2 * side) / Math.max(1, axes.length - 1) / 7));
  const svg = drawn("svg", { width: wide, height, viewBox: `0 0 ${wide} ${height}`, role: "img", "aria-label": label });
  const scales = axes.map((axis) => scale(axis.values));
  const paths = new Map();
  const layer = drawn("g", {});
  lines.forEach((line, row) => {
    const points = axes.map((axis, index) => [index, axis.values[row]])
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([index, value]) => `${x(index).toFixed(1)} ${y(scales[index].at(value)).toFixed(1)}`);
    const shape = points.length < 2 ? "" : `M${points.join("L")}`;
    const path = drawn("path", { d: shape, class: line.colour === null ? "tf-para tf-para-none" : "tf-para" });
    if (line.colour !== null) path.style.setProperty("--part", `${Math.round(100 * line.colour)}%`);
    const reach = drawn("path", { d: shape, class: "tf-para-reach" });
    reach.append(drawn("title", {}, line.label));
    reach.addEventListener("pointerenter", () => enter(line.id));
    reach.addEventListener("pointerleave", leave);
    reach.addEventListener("click", () => choose(line.id));
    reach.dataset.run = line.id;
    layer.append(path, reach);
    paths.set(line.id, path);
  });
  svg.append(layer);
  axes.forEach((axis, index) => {
    const end = index === axes.length - 1;
    const anchor = index === 0 ? "start" : end ? "end" : "middle";
    const name = drawn("text", { x: index === 0 ? 4 : end ? wide - 4 : x(index), y: 14, "text-anchor": anchor, class: "tf-para-name" }, clipped(axis.name, room));
    name.append(drawn("title", {}, axis.title || axis.name));
    svg.append(drawn("line", { x1: x(index), x2: x(index), y1: y(0), y2: y(1), class: "tf-para-axis" }), name);
    for (const [text, part] of scales[index].words) {
      const shift = end ? 6 : -6;
      svg.append(drawn("text", { x: x(index) + shift, y: y(part) + 4, "text-anchor": end ? "start" : "end", class: "tf-para-word" }, clipped(text, end || index === 0 ? 8 : room)));
    }
  });
  const mark = (id) => {
    svg.classList.toggle("tf-marking", id !== null);
    for (const [one, path] of paths) path.classList.toggle("tf-marked", one === id);
    if (id !== null && paths.get(id)) layer.append(paths.get(id)); // over the others; it takes no pointer
  };
  return { svg, mark };
}
