// The question of a task, and the form that answers it.

import { act } from "../kit/dialogs.js";
import { h } from "../kit/dom.js";
import { brief } from "../kit/format.js";
import { json, moment } from "../kit/parts.js";
import { tell } from "../kit/notices.js";

/** Draws what a task asks; nothing when it asks nothing. */
export function question(page, asked) {
  if (!asked) return null;
  const { wait, task_id: id } = asked;
  if (asked.answered) return h("section", { class: "panel asks", key: "question" }, h("h2", null, "Answered"), h("p", null, wait.text), h("p", { class: "soft" }, "A worker takes the answer now."));
  const give = async (answer) => {
    const done = await act(`/api/tasks/${encodeURIComponent(id)}/answer`, { question: wait.question ?? 0, answer }, "The answer is given.");
    if (done) page.load();
  };
  const choices = wait.choices ?? [];
  return h("section", { class: "panel asks", key: `question ${wait.question}` },
    h("h2", null, "It asks"), h("p", { class: "question" }, wait.text || "for an answer"),
    wait.deadline ? h("p", { class: "soft" }, "Until ", moment(wait.deadline), wait.has_default ? `; then the answer is ${brief(wait.default)}.` : "; then the question fails.") : null,
    choices.length
      ? h("div", { class: "buttons" }, choices.map((one) => h("button", { type: "button", class: "main", onclick: () => give(one) }, brief(one))))
      : free(wait, give));
}

function free(wait, give) {
  return h("form", { class: "answer", onsubmit: (event) => {
    event.preventDefault();
    const { text, as } = event.target.elements;
    try {
      give(as.checked ? JSON.parse(text.value) : text.value);
    } catch (error) {
      tell(`That is no JSON: ${error.message}`, "bad");
    }
  } },
  wait.schema ? h("details", null, h("summary", null, "What fits"), json(wait.schema, "Schema of the answer")) : null,
  h("label", { class: "field" }, h("span", null, "Answer"), h("textarea", { name: "text", rows: 3, required: true })),
  h("label", { class: "check" }, h("input", { type: "checkbox", name: "as", checked: Boolean(wait.schema) && wait.schema.type !== "string" }), " It is JSON"),
  h("div", { class: "buttons" }, h("button", { type: "submit", class: "main" }, "Answer")));
}
