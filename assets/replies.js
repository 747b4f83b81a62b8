// Two replies side by side. Runs inside gr.HTML, which gives element, props and watch. Follows live.js.
// The value is a growing text: one JSON list a line, [what, ...details]; see studio/ui/replies.py.

const say = speak("chat");
const root = element.querySelector(".tf-panes");
const status = make("p", "tf-state tf-gone"); // what is being done, or why there is no answer
status.setAttribute("role", "status");
const panes = {};
let shown = "";

function build() {
  root.replaceChildren();
  for (const side of ["base", "adapter"]) {
    const pane = { name: make("h3", "", say(side)), proof: make("span"), talk: make("div"), reply: null };
    pane.talk.setAttribute("role", "log");
    pane.talk.setAttribute("aria-label", say(side));
    pane.hint = make("p", "tf-hint", say(`empty_${side}`));
    const box = make("section", `tf-panel tf-pane tf-${side === "base" ? "left" : "right"}`);
    box.setAttribute("aria-label", say(side));
    pane.box = put(box, put(make("header"), pane.name, pane.proof), pane.talk);
    pane.talk.append(pane.hint);
    panes[side] = pane;
    root.append(box);
  }
  tell("");
  root.append(status);
}

const follow = (pane) => { pane.box.scrollTop = pane.box.scrollHeight; };
const both = (act) => Object.values(panes).forEach(act);

function forget(pane) { // nobody answered: the question is in the message box again
  pane.reply.remove();
  pane.said.remove();
  if (!pane.talk.childElementCount) pane.talk.append(pane.hint);
}

function tell(text, bad = false) {
  status.textContent = text;
  status.classList.toggle("tf-bad", bad);
  show(status, Boolean(text));
}

const steps = {
  ask(question) {
    tell("");
    both((pane) => {
      pane.hint.remove();
      pane.said = make("p", "tf-said", question);
      pane.reply = make("p", "tf-reply tf-live");
      pane.talk.append(pane.said, pane.reply);
      follow(pane);
    });
  },
  piece(side, text) {
    const pane = panes[side];
    tell("");
    const near = pane.box.scrollHeight - pane.box.scrollTop - pane.box.clientHeight < 60;
    pane.reply?.append(text);
    if (near) follow(pane);
  },
  done(side, tokens, seconds, ended) {
    const pane = panes[side];
    const rate = seconds > 0 ? Math.round(tokens / seconds) : tokens;
    const near = pane.box.scrollHeight - pane.box.scrollTop - pane.box.clientHeight < 60;
    const why = ended === "end" ? "" : ` · ${say(`ended.${ended}`)}`;
    pane.reply?.after(make("p", "tf-measure", say("rate", { tokens, rate }) + why));
    pane.reply?.classList.remove("tf-live");
    if (near) follow(pane);
  },
  head(side, name, proof) {
    const pane = panes[side];
    pane.name.textContent = name ? `${say(side)} · ${name}` : say(side);
    pane.proof.textContent = proof ? say(proof) : "";
    pane.proof.classList.toggle("tf-bad", proof === "broken");
  },
  state(key) { tell(key && say(key)); },
  note(sentence) { tell(sentence); },
  settle() {
    both((pane) => {
      if (pane.reply?.classList.contains("tf-live")) { // it did not come to its end
        pane.reply.classList.remove("tf-live");
        if (pane.reply.textContent) pane.reply.after(make("p", "tf-measure", say("ended.stopped")));
        else forget(pane);
      }
      pane.reply = null;
    });
    tell("");
  },
  error(sentence) { tell(sentence, true); },
};

function update() {
  const value = props.value ?? "";
  if (!value.startsWith(shown)) { build(); shown = ""; }
  const fresh = value.slice(shown.length);
  const whole = fresh.slice(0, fresh.lastIndexOf("\n") + 1);
  shown += whole;
  for (const line of whole.split("\n")) {
    if (!line) continue;
    const [what, ...details] = JSON.parse(line);
    steps[what]?.(...details);
  }
  element.dataset.turns = root.querySelectorAll(".tf-pane:first-child .tf-said").length;
}

build();
watch("value", update);
update();
