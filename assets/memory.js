// What is in memory now, from the header's poll; nothing here asks the server itself.
const { say, el, count, bytes } = window.TUNEFORK;
const root = element.querySelector(".tf-memory");
const draw = (state) => {
  const found = [];
  if (state.loading) {
    const bar = el("div", "tf-bar");
    const fill = el("i");
    if (state.loading.fraction === null) bar.classList.add("tf-endless");
    else fill.style.width = `${Math.round(100 * state.loading.fraction)}%`;
    bar.append(fill);
    bar.setAttribute("role", "progressbar");
    bar.setAttribute("aria-label", say("app.loading"));
    found.push(el("p", "", state.loading.sentence || say("app.loading")), bar);
  } else if (state.error) {
    found.push(el("p", "tf-error", state.error));
  }
  if (state.model) {
    const line = el("p", "tf-line");
    const one = state.model;
    line.append(el("b", "", one.name), ` · ${one.dtype} · ${one.device} · ${count(one.parameters)} `,
      say("cards.parameters"), ` · ${bytes(one.bytes)}`);
    found.push(line);
    if (one.adapters) found.push(el("p", "dim", say("app.adapters", { count: one.adapters })));
  } else if (!state.loading) {
    found.push(el("p", "dim", say("cards.nothing_loaded")));
  }
  root.replaceChildren(...found);
  const unload = document.getElementById("model-unload");
  if (unload) unload.disabled = !state.model;
};
// Once a model is there, its files are too: what waited for them is asked again.
let known = null;
const news = (state) => {
  const now = state.model ? state.model.source : "";
  if (known !== null && now && now !== known) trigger("submit");
  known = now;
};
const listen = (event) => element.isConnected ? (draw(event.detail), news(event.detail)) : window.removeEventListener("tunefork:status", listen);
window.addEventListener("tunefork:status", listen);
draw(window.TUNEFORK.status || {});
