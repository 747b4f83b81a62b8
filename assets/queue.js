// The queue card: what trains, what waits, and the buttons that move it. Runs inside gr.HTML. Follows live.js.
// It asks the server only when the header's status brings another `queue` text; see studio/ui/queue.py.

const say = speak("train");
const root = element.querySelector(".tf-queue");
let mark = null;
let rows = { training: [], waiting: [], more: 0 };

function act(run, what, sign, label) {
  const button = make("button", "tf-act", sign);
  button.type = "button";
  button.title = label;
  button.setAttribute("aria-label", `${label}: ${run.name}`);
  button.addEventListener("click", () => {
    for (const one of root.querySelectorAll("button")) one.disabled = true; // until the next state is drawn
    trigger("select", { do: what, run: run.run });
  });
  return button;
}

function line(run, place, ...buttons) {
  const text = put(make("span", "tf-queued"), make("b", "", run.name));
  const more = [run.method, run.goes_on, run.elsewhere ? say("queue.elsewhere") : ""].filter(Boolean).join(" · ");
  if (more) text.append(make("span", "", more));
  return put(make("li"), make("span", "tf-place", place), text, put(make("span", "tf-acts"), ...buttons));
}

function draw() {
  const { training, waiting, more } = rows;
  show(root, training.length || waiting.length);
  const now = make("ul", "", "");
  for (const run of training) {
    now.append(line(run, "▸", ...(run.elsewhere ? [act(run, "stop", say("queue.stop"), say("queue.stop_title"))] : [])));
  }
  const order = make("ol");
  waiting.forEach((run, index) => {
    const up = act(run, "up", "↑", say("queue.up"));
    const down = act(run, "down", "↓", say("queue.down"));
    up.disabled = index === 0;
    down.disabled = index === waiting.length - 1 && !more;
    order.append(line(run, String(index + 1), up, down, act(run, "cancel", "×", say("queue.cancel"))));
  });
  const parts = [];
  if (training.length) parts.push(make("h3", "", say("queue.now")), now);
  parts.push(make("h3", "", waiting.length ? say("queue.waiting", { count: waiting.length + more }) : say("queue.none")));
  if (waiting.length) parts.push(order);
  if (more) parts.push(make("p", "", say("queue.more", { count: more })));
  root.replaceChildren(...parts);
  element.dataset.waiting = waiting.length + more;
}

async function read(status) {
  if (status.queue === mark) return;
  const asked = mark = status.queue;
  const found = await server.queue();
  if (asked !== mark) return; // a later answer is on its way, or there already
  if (!found) { // gradio's client swallows a failed call
    mark = null;
    setTimeout(() => element.isConnected && mark === null && read(window.TUNEFORK.status), 2000);
    return;
  }
  rows = found;
  draw();
}

const listen = (event) => element.isConnected
  ? read(event.detail) : window.removeEventListener("tunefork:status", listen);
window.addEventListener("tunefork:status", listen);
if (window.TUNEFORK.status) read(window.TUNEFORK.status);
