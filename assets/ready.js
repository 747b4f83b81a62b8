// The Ready card: what a run would do, or what is missing and where. Runs inside gr.HTML. Follows live.js.
// The value is one JSON string {title, lines: [{kind, text, tab, go}]}; see studio/ui/ready.py.

const root = element.querySelector(".tf-ready");

function draw() {
  if (!props.value) return;
  const card = JSON.parse(props.value);
  root.dataset.state = card.state;
  root.setAttribute("aria-busy", card.state === "checking");
  root.replaceChildren(make("h3", "", card.title), ...card.lines.map((line) => {
    const text = make("p", `tf-${line.kind}-line`, line.text);
    return line.tab ? put(text, " ", linkTo(line.tab, line.go)) : text;
  }));
}

watch("value", draw);
draw();
