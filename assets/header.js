// The header: asks the server what is in memory and what runs, and tells the other cards.
const { say, el, lang } = window.TUNEFORK;
const bar = element.querySelector(".tf-header");
const model = bar.querySelector(".tf-model");
const running = bar.querySelector(".tf-running");
const langButton = bar.querySelector(".tf-lang");
const notices = element.querySelector(".tf-notices");
const themeButton = bar.querySelector(".tf-theme");

bar.querySelector(".tf-chips").setAttribute("aria-label", say("app.status"));
langButton.append(
  el("span", lang === "en" ? "tf-now" : "", "EN"), document.createTextNode(" / "),
  el("span", lang === "zh" ? "tf-now" : "", "中文"),
);
langButton.title = say("app.language");
langButton.setAttribute("aria-label", `EN / 中文 · ${say("app.language")}`);
langButton.addEventListener("click", () => window.TUNEFORK.switchLanguage());
themeButton.title = say("app.theme");
themeButton.setAttribute("aria-label", say("app.theme"));
themeButton.addEventListener("click", () => window.TUNEFORK.switchTheme());

const busyWord = (state) => {
  if (state.training) {
    const { percent, elsewhere } = state.training;
    const key = percent === null ? "app.training_starts" : elsewhere ? "app.training_elsewhere" : "app.training";
    const waiting = state.waiting ? ` · ${say("app.waiting", { count: state.waiting })}` : "";
    return [say(key, { percent }) + waiting, "good"];
  }
  if (state.loading) {
    const part = state.loading.fraction;
    return [say("app.loading") + (part ? ` ${Math.round(100 * part)} %` : ""), "good"];
  }
  if (state.holder) return [state.holder === "chat" ? say("app.chatting") : say("app.busy", state), "good"];
  if (!state.warm) return [say("app.warming"), ""];
  if (state.model && state.model.adapters) return [say("app.adapters", { count: state.model.adapters }), ""];
  return ["", ""];
};

const draw = (state) => {
  bar.dataset.state = state.training ? "training" : state.loading ? "loading" : state.warm ? "ready" : "warming";
  if (state.model) {
    model.replaceChildren(el("b", "", state.model.name), ` · ${state.model.dtype} · ${state.model.device}`);
  } else {
    model.replaceChildren(say("app.no_model"));
  }
  const told = (state.notices || []).join("\n");
  if (notices.textContent !== told) notices.textContent = told;
  const [text, kind] = busyWord(state);
  running.textContent = text;
  running.className = `tf-chip tf-running ${kind}`;
};

/*NOTIFY*/

const page = Math.random().toString(36).slice(2, 12); // so that the server knows how many pages ask
let last = "";
let timer = 0;
const tick = async () => {
  clearTimeout(timer);
  if (!element.isConnected) return;
  let pause = 2000;
  if (!document.hidden || notify.waits()) {
    try {
      const { pause: spell = 0, ...state } = await server.status(page);
      const text = JSON.stringify(state);
      if (text !== last) {
        last = text;
        draw(state);
        notify.hear(state);
        window.TUNEFORK.status = state;
        window.dispatchEvent(new CustomEvent("tunefork:status", { detail: state }));
      }
      pause = document.hidden ? 3000 : state.training || state.loading || !state.warm ? 700 : 2000;
      pause = Math.max(pause, 1000 * spell);
    } catch {
      last = "";
      bar.dataset.state = "offline";
      running.textContent = say("app.offline");
      running.className = "tf-chip tf-running bad";
      for (const toast of document.querySelectorAll(".toast-body")) { // Gradio's own: English, over the header
        if (toast.textContent.includes("Connection to the server was lost")) toast.style.display = "none";
      }
      pause = 4000;
    }
  }
  timer = setTimeout(tick, pause);
};
window.TUNEFORK.refreshStatus = tick;
document.addEventListener("visibilitychange", () => document.hidden || tick());
model.textContent = say("app.no_model");
tick();
