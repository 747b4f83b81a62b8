// What the page's own components share: texts, elements and figures. Put before each of their scripts.
// Nothing that comes from a file, a model or a person is ever set as anything but text.

// speak("live")("chip.running", {step: 3}): a text of one section in the visitor's language, else its key.
const speak = (section) => (key, details = {}) => {
  const text = key.split(".").reduce((found, part) => found?.[part], window.TUNEFORK?.words?.[section]);
  return (typeof text === "string" ? text : key).replace(/\{(\w+)\}/g, (_, name) => details[name] ?? "");
};
const make = (tag, className = "", text = "") => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
};
const put = (parent, ...children) => (parent.append(...children), parent);
const show = (node, on) => node.classList.toggle("tf-gone", !on);
const number = (value, digits = 2) => {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-3 || size >= 1e6) return value.toExponential(1).replace("e+", "e");
  if (size >= 100) return Math.round(value).toLocaleString("en");
  return value.toFixed(size < 0.1 ? Math.max(digits, 4) : digits);
};
const duration = (seconds) => {
  if (seconds === null || seconds === undefined) return "–";
  const all = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const pad = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
};
const bytes = (value) => (value === null || value === undefined ? "–"
  : value >= 1e9 ? `${(value / 1e9).toFixed(1)} GB` : `${Math.round(value / 1e6)} MB`);
const clock = (seconds) => new Date(seconds * 1000).toTimeString().slice(0, 8);
const openTab = (name) => document.getElementById(`tab-${name}-button`)?.click();
const linkTo = (name, text) => {
  const button = make("button", "tf-link", text);
  button.type = "button";
  button.addEventListener("click", () => openTab(name));
  return button;
};
const remembered = (key) => { try { return JSON.parse(localStorage.getItem(key)) ?? {}; } catch { return {}; } };
