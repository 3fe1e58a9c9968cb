// Dialogs, and acts: what changes something is confirmed, and needs a browser that has signed in.

import { Refusal, login, post, session } from "./api.js";
import { h } from "./dom.js";
import { tell } from "./notices.js";

/** Shows a dialog; resolves with the form's data, or null when it was left. */
export function ask({ title, text, fields = [], yes = "OK", danger = false, check }) {
  const problem = h("p", { class: "problem", role: "alert" });
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" },
    h("form", { method: "dialog" },
      h("h2", { id: "dialog-title" }, title), text ? h("p", null, text) : null, fields, problem,
      h("div", { class: "buttons" },
        h("button", { type: "button", onclick: () => dialog.close() }, "Leave it"),
        h("button", { type: "submit", class: danger ? "danger" : "main" }, yes))));
  return new Promise((resolve) => {
    let result = null;
    const form = dialog.firstChild;
    form.onsubmit = async (event) => {
      event.preventDefault();
      const data = Object.fromEntries(new FormData(form));
      try {
        await check?.(data);
      } catch (error) {
        problem.textContent = error.message;
        return;
      }
      result = data;
      dialog.close();
    };
    dialog.onclose = () => {
      dialog.remove();
      resolve(result);
    };
    document.body.append(dialog);
    dialog.showModal();
  });
}

export const field = (label, props, tag = "input", ...children) =>
  h("label", { class: "field" }, h("span", null, label), h(tag, props, ...children));

/** Asks for the token; resolves with whether this browser has signed in. */
export async function signIn(why = "") {
  const done = await ask({
    title: "Sign in",
    text: why || "Acting needs the monitor's token: the setting monitor.token, or the file that monitor.token_file names.",
    fields: [field("Token", { name: "token", type: "password", autocomplete: "current-password", required: true })],
    yes: "Sign in",
    check: ({ token }) => login(token),
  });
  return done !== null;
}

/**
 * Does something at the monitor, and says how it went.
 * @returns the answer, or null when it was refused or left.
 */
export async function act(path, body, done) {
  if (!session.csrf && session.can_log_in && !(await signIn())) return null;
  try {
    const answer = await post(path, body);
    tell(typeof done === "function" ? done(answer) : done);
    return answer ?? {};
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.status === 401 && (await signIn("The session has ended."))) return act(path, body, done);
    if (error.status !== 401) tell(error.message, "bad", error.hint);
    return null;
  }
}
