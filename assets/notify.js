// Says that a run has ended: in the page's title, and where the visitor asked for it as a notification of the browser.
// Follows header.js, whose status it hears; runs inside the same gr.HTML. Nothing is sent anywhere but to the browser.

const notify = (() => {
  const hush = (key, details) => window.TUNEFORK.say(`notify.${key}`, details);
  const plain = document.title || "Tunefork";
  const can = "Notification" in window && window.isSecureContext;
  const kept = () => { try { return localStorage.getItem("tunefork_notify") === "yes"; } catch { return false; } };
  const keep = (on) => { try { localStorage.setItem("tunefork_notify", on ? "yes" : "no"); } catch { /* for this page only */ } };
  let on = can && kept() && Notification.permission === "granted";
  let watched = null; // the run in training, as the last status said
  let marked = false;

  const button = bar.querySelector(".tf-notify");
  const draw = () => {
    button.hidden = !can || (!watched && !on);
    button.textContent = hush(on ? "on" : "ask");
    button.setAttribute("aria-pressed", on);
    button.title = can && Notification.permission === "denied" ? hush("denied") : hush("title");
  };
  button.addEventListener("click", async () => {
    on = !on && (await Notification.requestPermission()) === "granted";
    keep(on);
    draw();
  });

  const unmark = () => {
    if (!marked || document.hidden) return;
    document.title = plain;
    marked = false;
  };
  for (const event of ["pointerdown", "keydown"]) window.addEventListener(event, unmark);
  document.addEventListener("visibilitychange", () => setTimeout(unmark, 1500));

  async function ended(run) {
    const told = await server.ended(run);
    if (!told || !told.status) return;
    document.title = `(${hush(told.status)}) Tunefork`;
    marked = true;
    if (!on) return;
    const text = hush("said", { name: told.name, status: hush(told.status) });
    try { new Notification("Tunefork", { body: told.message || text, tag: `tunefork-${run}` }); } catch { /* a phone's browser wants a worker */ }
  }

  draw();
  return {
    // Called with each new status; a run that is no longer in training has ended.
    hear(state) {
      const run = state.training?.run ?? null;
      const before = watched;
      watched = run;
      if (before && before !== run) ended(before);
      draw();
    },
    // Whether a page in the background goes on asking.
    waits: () => watched !== null,
  };
})();
