// Runs before anything else on the page: language, light or dark, and the few functions that every card's script uses.
// WORDS is put in by studio/ui/front.py: {"en": {section: {...}}, "zh": {...}}.
(() => {
  const WORDS = /*WORDS*/ {};
  const keep = (name, value) => {
    try { localStorage.setItem(name, value); } catch { /* a private window keeps nothing; the cookie still holds */ }
  };
  const kept = (name) => {
    try { return localStorage.getItem(name); } catch { return null; }
  };
  const cookie = (document.cookie.match(/(?:^|; )tunefork_lang=(en|zh)/) || [])[1];
  const asked = (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en";
  const stored = kept("tunefork_lang");
  const lang = cookie || (stored === "en" || stored === "zh" ? stored : asked);
  const remember = (one) => {
    document.cookie = `tunefork_lang=${one}; path=/; max-age=31536000; samesite=lax`;
  };
  remember(lang);
  if (!/(?:^|; )tunefork_visitor=/.test(document.cookie)) {  // whose page this is: others are not told what it asked for
    const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (one) => one.toString(16).padStart(2, "0")).join("");
    document.cookie = `tunefork_visitor=${id}; path=/; samesite=lax`;
  }
  // The front end takes its language from here.
  const locale = lang === "zh" ? "zh-CN" : "en";
  Object.defineProperty(navigator, "language", { get: () => locale, configurable: true });
  Object.defineProperty(navigator, "languages", { get: () => [locale], configurable: true });
  document.documentElement.lang = locale;

  const words = WORDS[lang] || {};
  const say = (key, details) => {
    const [section, ...rest] = key.split(".");
    const text = (words[section] || {})[rest.join(".")];
    if (text === undefined) return key;
    return details ? text.replace(/\{(\w+)\}/g, (all, name) => (name in details ? String(details[name]) : all)) : text;
  };
  const el = (tag, cls, text) => {
    const node = document.createElement(tag);
    if (cls) node.className = cls;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  };

  // 134515008 -> "134.5 M"; Chinese readers count in 万 and 亿, yet M and B are the field's own units.
  const count = (n) => {
    if (n === null || n === undefined) return "–";
    if (n < 10000) return Number(n).toLocaleString(locale);
    const units = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];
    const [size, unit] = units.find(([one]) => n >= one);
    const value = n / size;
    return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${unit}`;
  };
  const bytes = (n) => {
    if (n === null || n === undefined) return "–";
    const units = [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]];
    const [size, unit] = units.find(([one]) => n >= one) || [1, "B"];
    const value = n / size;
    return `${value >= 100 || size === 1 ? value.toFixed(0) : value.toFixed(1)} ${unit}`;
  };
  const share = (part, whole) => {
    const percent = whole ? (100 * part) / whole : 0;
    return `${percent >= 10 ? percent.toFixed(0) : percent.toPrecision(2)} %`;
  };

  // A tick on a tab: CSS draws it where body[data-ticks] names the tab.
  const ticks = new Set();
  const tick = (name, on) => {
    if (on) ticks.add(name);
    else ticks.delete(name);
    if (document.body) document.body.dataset.ticks = [...ticks].join(" ");
  };
  // A dim note at the right of a field's label: "200 rows", "detected: messages".
  const note = (id, text) => {
    const field = document.getElementById(id);
    if (field) text ? (field.dataset.note = text) : delete field.dataset.note;
  };

  const dark = () => {
    const chosen = kept("tunefork_theme");
    if (chosen === "dark" || chosen === "light") return chosen === "dark";
    return window.matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const paint = () => {
    const on = dark();
    if (document.body && document.body.classList.contains("dark") !== on) document.body.classList.toggle("dark", on);
    document.documentElement.style.colorScheme = on ? "dark" : "light";
  };
  const watchBody = () => {
    paint();
    new MutationObserver(paint).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    new MutationObserver(nameGroups).observe(document.body, { childList: true, subtree: true });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  };
  if (document.body) watchBody();
  else document.addEventListener("DOMContentLoaded", watchBody, { once: true });
  paint();

  // Gradio draws a group of radios as a fieldset without a legend: it is given the name that stands above it.
  const nameGroups = () => {
    for (const group of document.querySelectorAll("fieldset.block:not([aria-label])")) {
      const title = group.querySelector('[data-testid="block-info"]');
      if (title) group.setAttribute("aria-label", title.textContent.trim());
    }
    for (const arrow of document.querySelectorAll("svg.dropdown-arrow:not([aria-hidden])")) arrow.setAttribute("aria-hidden", "true");
  };

  // The tab that was open before a reload; read now, before the first tab says that it is open.
  let lastTab = "";
  try { lastTab = sessionStorage.getItem("tunefork_tab") || ""; } catch { /* begins with the first tab */ }

  // Settings of other methods, or kinds of adapter, than the chosen one are not shown; a class names whose a widget is.
  const chosenOnly = (what, rest) => {
    const style = document.createElement("style");
    return (name) => {
      if (!/^[a-z0-9_]+$/.test(name)) return;
      style.textContent = `[class*="for-${what}-"]:not(.for-${what}-${name}) { display: none !important; }
${rest(name)}`;
      if (!style.isConnected) document.head.append(style);
    };
  };
  const method = chosenOnly("method", (name) => `#train-method:not(:has(.for-method-${name})) { display: none !important; }`);
  const adapter = chosenOnly("adapter", () => "");

  window.TUNEFORK = {
    lastTab, lang, locale, words, say, el, count, bytes, share, tick, note, method, adapter,
    switchLanguage() {
      const other = lang === "zh" ? "en" : "zh";
      keep("tunefork_lang", other);
      remember(other);
      location.reload();
    },
    switchTheme() {
      keep("tunefork_theme", dark() ? "light" : "dark");
      paint();
      window.dispatchEvent(new Event("tunefork:theme"));
    },
  };
})();
