// Errors that are one: grouped by code and fingerprint.

import { get } from "../kit/api.js";
import { h } from "../kit/dom.js";
import { count, rate, some } from "../kit/format.js";
import { choiceFilter, code, empty, filters, taskLink, tasksLink, textFilter, title, topicLink, when } from "../kit/parts.js";
import { ordering, table } from "../kit/table.js";

export default {
  title: "Errors",
  open(page) {
    const order = ordering(5, true, () => page.redraw());
    return {
      wakes: ["overview"],
      every: 5,
      load: () => get("/api/errors", {}, page.signal),
      draw({ items }) {
        const [text, wanted] = ["q", "code"].map((name) => (page.query.get(name) ?? "").toLowerCase());
        const rows = items.filter((one) => (!wanted || one.code === wanted)
          && `${one.code} ${one.message ?? ""} ${one.sample ?? ""} ${(one.topics ?? []).join(" ")} ${(one.agents ?? []).join(" ")}`.toLowerCase().includes(text));
        const codes = [...new Set(items.map((one) => one.code))].sort();
        return [
          title("Errors", h("span", { class: "soft" }, some(rows.length, "group"))),
          filters(textFilter(page, "q", "Find", "message, topic, agent"), choiceFilter(page, "code", "Code", codes.map((one) => [one, one]))),
          table({
            name: "Errors", rows, key: (one) => one.fingerprint, order,
            empty: items.length ? empty("No error fits these filters.", "Take one away.") : empty("No task has failed.", "Failures appear here, those that are alike as one."),
            columns: [
              { title: "Code", head: true, cell: (one) => code(one.code), sort: (one) => one.code },
              { title: "Message", cell: message },
              { title: "Count", num: true, cell: (one) => tasksLink({ fingerprint: one.fingerprint }, count(one.count ?? 0)), sort: (one) => one.count ?? 0 },
              { title: "5 min", num: true, cell: (one) => rate(one.rate ?? 0), sort: (one) => one.rate ?? 0 },
              { title: "First seen", wide: true, cell: (one) => when(one.first), sort: (one) => one.first },
              { title: "Last seen", cell: (one) => when(one.last), sort: (one) => one.last },
              { title: "Topics", cell: (one) => (one.topics ?? []).map((each, place) => [place ? ", " : "", topicLink(each)]) },
              { title: "Agents", wide: true, cell: (one) => (one.agents ?? []).join(", ") },
            ],
          }),
        ];
      },
    };
  },
};

function message(one) {
  return h("details", { key: one.fingerprint },
    h("summary", null, h("span", { class: "cut" }, one.message || one.sample || "–")),
    one.sample ? h("pre", { class: "json", tabindex: "0", "aria-label": "The last of them" }, one.sample) : null,
    (one.tasks ?? []).length ? h("p", null, "Last tasks: ", one.tasks.map((id, place) => [place ? ", " : "", taskLink(id)])) : null);
}
