// The keyboard: g and a letter goes somewhere, / finds, j and k walk the rows, ? tells all this.

import { h } from "./dom.js";

const typing = (target) => target.matches?.("input, textarea, select, [contenteditable]") || target.closest?.("dialog");

/** @param places [[letter, address, name]]; @param go goes to an address. */
export function keyboard(places, go) {
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.matches?.("input[type=search]")) event.target.blur();
    if (typing(event.target) || event.metaKey || event.ctrlKey || event.altKey) return;
    if (Date.now() - going < 1_500) {
      going = 0;
      const place = places.find(([letter]) => letter === event.key);
      if (place) return done(event, () => go(place[1]));
    }
    if (event.key === "g") going = Date.now();
    else if (event.key === "/") done(event, () => find());
    else if (event.key === "j" || event.key === "k") done(event, () => walk(event.key === "j" ? 1 : -1));
    else if (event.key === "?") done(event, () => help(places));
    else dispatchEvent(new CustomEvent("key", { detail: event.key }));
  });
}

function done(event, then) {
  event.preventDefault();
  then();
}

/** The view's own filter when it has one, else the one for tasks. */
function find() {
  const field = document.querySelector("#main input[type=search]") ?? document.getElementById("find-text");
  field.focus();
  field.select();
}

function walk(step) {
  const rows = [...document.querySelectorAll("#main [data-row]")];
  if (!rows.length) return;
  const now = rows.indexOf(document.activeElement.closest?.("[data-row]"));
  const next = rows[now < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, now + step))];
  const target = next.querySelector("a[href], button, input, summary") ?? next;
  if (target === next) next.tabIndex = -1;
  target.focus();
  target.scrollIntoView({ block: "nearest" });
}

/** Shows all keys. */
export function help(places) {
  if (document.querySelector("dialog[open]")) return;
  const line = (keys, what) => h("div", null, h("dt", null, keys.map((key) => h("kbd", null, key))), h("dd", null, what));
  const dialog = h("dialog", { class: "help", "aria-labelledby": "help-title", onclose: () => dialog.remove() },
    h("h2", { id: "help-title" }, "Keyboard"),
    h("dl", null, line(["/"], "find"), line(["j"], "next row"), line(["k"], "row before"), line(["Enter"], "open the row"),
      line(["p"], "pause the live tail"), line(["?"], "this help"), line(["Esc"], "close"),
      places.map(([letter, , name]) => line(["g", letter], name))),
    h("div", { class: "buttons" }, h("button", { type: "button", class: "main", onclick: () => dialog.close() }, "Close")));
  document.body.append(dialog);
  dialog.showModal();
}
