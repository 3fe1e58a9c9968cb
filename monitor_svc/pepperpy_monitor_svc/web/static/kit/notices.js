// Short messages about what somebody did.

import { h } from "./dom.js";

/** Says something in the corner, and to screen readers; it goes by itself. */
export function tell(text, tone = "good", hint = "") {
  const box = document.getElementById("notices");
  const note = h("div", { class: `notice ${tone}` }, h("p", null, text), hint ? h("p", { class: "soft" }, hint) : null,
    h("button", { type: "button", class: "small", "aria-label": "Dismiss", onclick: () => note.remove() }, "×"));
  box.append(note);
  while (box.children.length > 4) box.firstChild.remove();
  setTimeout(() => note.remove(), tone === "good" ? 5_000 : 15_000);
}
