// The small pieces that views share: states, links, figures, filters, empty states.

import { h } from "./dom.js";
import { ago, clock, instant, pretty } from "./format.js";
import { tell } from "./notices.js";

/** How a state looks: the word says it, the mark's shape and colour repeat it. */
const TONES = {
  completed: "good", up: "good", live: "good", ok: "good", resolved: "good",
  working: "busy", starting: "busy", connecting: "busy", draining: "busy", info: "busy",
  "input-required": "warn", paused: "warn", stale: "warn", degraded: "warn", pending: "warn", warning: "warn", suspended: "warn",
  failed: "bad", lost: "bad", refused: "bad", error: "bad", down: "bad", firing: "bad", critical: "bad",
};

export const state = (word) =>
  h("span", { class: `state ${TONES[word] ?? "calm"}` }, h("i", { "aria-hidden": "true" }), word || "unknown");

export const title = (text, ...beside) => h("div", { class: "heading" }, h("h1", null, text), beside);

export const panel = (name, ...children) => h("section", { class: "panel" }, name ? h("h2", null, name) : null, children);

/** A figure with its name; a link when there is more to see. */
export function figure(name, value, { note, tone, href, line } = {}) {
  return h(href ? "a" : "div", { class: `figure ${tone ?? ""}`, href },
    h("span", { class: "name" }, name), h("b", null, value), note ? h("span", { class: "note" }, note) : null, line ?? null);
}

export const code = (text) => h("code", null, text);
export const taskLink = (id) => h("a", { class: "id", href: `/tasks/${encodeURIComponent(id)}`, title: id }, id);
export const agentLink = (agent, instance) =>
  h("a", { class: "id", href: `/agents/${encodeURIComponent(agent)}/${encodeURIComponent(instance)}` }, `${agent}/${instance}`);
export const topicLink = (topic) => h("a", { href: `/tasks?topic=${encodeURIComponent(topic)}` }, topic);

/** A link that keeps no more than the fields it is given. */
export const tasksLink = (query, text) => h("a", { href: `/tasks?${new URLSearchParams(query)}` }, text);

/** A moment, as its distance from now; the exact time on hover. */
export const when = (value) => {
  const date = instant(value);
  return date ? h("time", { datetime: date.toISOString(), title: date.toISOString() }, ago(value)) : "–";
};
export const moment = (value) => {
  const date = instant(value);
  return date ? h("time", { datetime: date.toISOString(), title: date.toISOString() }, clock(value)) : "–";
};

/** What to show where there is nothing yet: what this is, and what to do next. */
export function empty(what, next, command) {
  return h("div", { class: "empty" }, h("p", null, what), next ? h("p", { class: "soft" }, next) : null,
    command ? h("div", { class: "command" }, h("code", { tabindex: "0" }, command), copy(command)) : null);
}

export function copy(text, label = "Copy") {
  return h("button", { type: "button", class: "small", onclick: async () => {
    try {
      await navigator.clipboard.writeText(typeof text === "function" ? text() : text);
      tell("Copied.");
    } catch {
      tell("The browser does not let this page copy: select the text instead.", "warn");
    }
  } }, label);
}

/** A value as indented JSON, as text. */
export const json = (value, name = "JSON") => h("pre", { class: "json", tabindex: "0", role: "region", "aria-label": name }, pretty(value));

export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
    .map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
}

/** Bars that share one scale, as a table cell shows them. */
export const bar = (share, tone = "") =>
  h("span", { class: `bar ${tone}`, "aria-hidden": "true" }, h("i", { style: { width: `${Math.min(100, Math.max(0, share * 100)).toFixed(1)}%` } }));

// --- filters that live in the address ---

export const filters = (...fields) => h("form", { class: "filters", onsubmit: (event) => event.preventDefault() }, fields);

/** A field whose text is `page.query`'s `name`. */
export function textFilter(page, name, label, placeholder = "") {
  let timer = 0;
  return h("label", { key: name }, h("span", null, label), h("input", {
    type: "search", name, value: page.query.get(name) ?? "", placeholder, autocomplete: "off", spellcheck: "false",
    oninput: (event) => {
      const { value } = event.target;
      clearTimeout(timer);
      timer = setTimeout(() => page.filter({ [name]: value.trim() }), 200);
    },
  }));
}

export function choiceFilter(page, name, label, choices) {
  const chosen = page.query.get(name) ?? "";
  const known = choices.some(([value]) => value === chosen) || !chosen ? choices : [...choices, [chosen, chosen]];
  return h("label", { key: name }, h("span", null, label), h("select", {
    name, value: chosen, onchange: (event) => page.filter({ [name]: event.target.value }),
  }, h("option", { value: "" }, "all"), known.map(([value, text]) => h("option", { value }, text))));
}

/** Filters that have no field of their own, as marks that can be taken away. */
export const marks = (page, names) => names.filter((name) => page.query.get(name)).map((name) =>
  h("button", { type: "button", class: "mark", key: `mark ${name}`, onclick: () => page.filter({ [name]: "" }) },
    h("span", { class: "hidden" }, "Take away the filter "), `${name}: ${page.query.get(name)} `, h("span", { "aria-hidden": "true" }, "×")));
