// What is wrong now, and what people have been told to be left in peace about.

import { get } from "../kit/api.js";
import { act, ask, field } from "../kit/dialogs.js";
import { h } from "../kit/dom.js";
import { short } from "../kit/format.js";
import { choiceFilter, empty, filters, moment, panel, state, title, when } from "../kit/parts.js";
import { table } from "../kit/table.js";

const ORDER = ["firing", "pending", "resolved"];
const SEVERITIES = ["critical", "warning", "info"];

/** Alerts that people should look at: they fire, and nothing hides them. */
export const loud = (alerts) => alerts.filter((one) => one.state === "firing" && !one.silence && !one.inhibited);

export default {
  title: "Alerts",
  open: (page) => ({
    wakes: ["alert", "alerts"],
    every: 5,
    load: () => get("/api/alerts", {}, page.signal),
    draw({ items, silences = [] }) {
      const [wanted, severity] = ["state", "severity"].map((name) => page.query.get(name) ?? "");
      const rows = items.filter((one) => (!wanted || one.state === wanted) && (!severity || (one.severity ?? "warning") === severity))
        .sort((one, other) => ORDER.indexOf(one.state) - ORDER.indexOf(other.state) || SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity));
      return [
        title("Alerts", h("span", { class: "soft" }, `${loud(items).length} firing`)),
        filters(choiceFilter(page, "state", "State", ORDER.map((one) => [one, one])), choiceFilter(page, "severity", "Severity", SEVERITIES.map((one) => [one, one]))),
        table({
          name: "Alerts", rows, key: (one) => one.id,
          empty: items.length ? empty("No alert fits these filters.", "Take one away.") : empty("Nothing is wrong.", "See what is watched for:", "pepperpy alerts ls"),
          columns: [
            { title: "State", cell: (one) => [state(one.state), one.silence ? h("span", { class: "soft" }, " silenced") : null, one.inhibited ? h("span", { class: "soft", title: one.inhibited }, " needless beside another") : null] },
            { title: "Severity", cell: (one) => state(one.severity ?? "warning") },
            { title: "What", head: true, cell: (one) => h("div", null, one.summary || one.rule, one.description ? h("div", { class: "reason" }, one.description) : null) },
            { title: "Rule", wide: true, cell: (one) => h("code", null, one.rule) },
            { title: "Labels", wide: true, cell: (one) => labels(one.labels) },
            { title: "Value", num: true, cell: (one) => short(one.value) },
            { title: "Since", cell: (one) => when(one.resolved ?? one.fired ?? one.since) },
            { title: "", label: "Silence", cell: (one) => (one.state === "resolved" || one.silence ? null
              : h("button", { type: "button", class: "small", "aria-label": `Silence ${one.rule} ${Object.values(one.labels ?? {}).join(" ")}`, onclick: () => silence(one, page) }, "Silence")) },
          ],
        }),
        panel(`Silences (${silences.length})`, table({
          name: "Silences", rows: silences, key: (one) => one.id, empty: h("p", { class: "soft" }, "None."),
          columns: [
            { title: "Of", head: true, cell: (one) => h("span", { class: "labels" }, one.matchers.map(tag)) },
            { title: "Why", cell: (one) => one.comment || "–" },
            { title: "By", cell: (one) => one.by || "–" },
            { title: "Until", cell: (one) => moment(one.ends) },
            { title: "", label: "End", cell: (one) => (new Date(one.ends) < Date.now() ? "over"
              : h("button", { type: "button", class: "small", "aria-label": `End the silence of ${one.matchers.join(" ")}`, onclick: () => end(one, page) }, "End")) },
          ],
        })),
      ];
    },
  }),
};

const labels = (of = {}) => h("span", { class: "labels" }, Object.entries(of).map(([name, value]) => tag(`${name}=${value}`)));
const tag = (text) => h("span", { class: "tag" }, text);

async function end(one, page) {
  if (await act("/api/alerts/silence", { end: one.id }, "The silence is over.")) page.load();
}

async function silence(one, page) {
  const said = await ask({
    title: `Silence ${one.rule}?`,
    text: "Nobody is told of it meanwhile; it stays on this page.",
    fields: [field("For how long", { name: "duration", value: "1h", required: true, pattern: "([0-9.]+(s|m|h|d))+" }), field("Why", { name: "comment", maxlength: 200 })],
    yes: "Silence",
  });
  if (!said) return;
  const matchers = one.labels; // its own name is one of them
  if (await act("/api/alerts/silence", { matchers, ...said }, `${one.rule} is silenced for ${said.duration}.`)) page.load();
}
