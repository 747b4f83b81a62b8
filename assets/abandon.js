// Gives a run up: a quiet button that asks once more. Runs inside gr.HTML. Follows live.js. A second click within a few
// seconds is told to the server as `select`.

const say = speak("train");
const ASKS = 4000; // milliseconds
const button = make("button", "tf-link tf-quiet", say("abandon"));
button.type = "button";
button.title = say("abandon_title");
let asking = null;

function calm() {
  clearTimeout(asking);
  asking = null;
  button.textContent = say("abandon");
  button.classList.remove("tf-danger");
}

button.addEventListener("click", () => {
  if (asking !== null) {
    calm();
    trigger("select", { abandon: true });
    return;
  }
  button.textContent = say("abandon_sure");
  button.classList.add("tf-danger");
  asking = setTimeout(calm, ASKS);
});
element.querySelector(".tf-abandon").replaceChildren(button);
watch("value", calm); // the next run has begun
