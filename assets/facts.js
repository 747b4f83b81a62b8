// A card of figures: value is one JSON string {state, tiles: [{value, word, kind}], lines, error}.
const { say, el } = window.TUNEFORK;
const root = element.querySelector(".tf-facts");
const draw = () => {
  if (!props.value) return;
  const card = JSON.parse(props.value);
  root.dataset.state = card.error ? "error" : card.state || "ok";
  if (card.error) {
    root.querySelector(".tf-error").textContent = card.error;
    return; // the last good figures stay, dimmed
  }
  root.querySelector(".tf-error").textContent = "";
  if (card.state === "warming") {
    root.querySelector(".tf-tiles").replaceChildren();
    root.querySelector(".tf-lines").replaceChildren(el("p", "tf-wait", say("cards.warming")));
    return;
  }
  root.querySelector(".tf-tiles").replaceChildren(...(card.tiles || []).map((one) => {
    const tile = el("div", "tf-tile");
    const kind = one.kind || "text";
    const shown = kind === "count" ? window.TUNEFORK.count(one.value)
      : kind === "bytes" ? window.TUNEFORK.bytes(one.value) : one.value;
    tile.append(el("b", "", shown), el("span", "", one.word));
    if (kind === "count" && one.value >= 10000) tile.title = Number(one.value).toLocaleString(window.TUNEFORK.locale);
    return tile;
  }));
  root.querySelector(".tf-lines").replaceChildren(...(card.lines || []).map((one) => el("p", one.cls || "", one.text)));
};
watch("value", draw);
draw();
