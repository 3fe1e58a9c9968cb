// What agents remember: how much, in which languages, and with what it is searched.

import { get } from "../kit/api.js";
import { h } from "../kit/dom.js";
import { count, percent, short } from "../kit/format.js";
import { bar, empty, facts, figure, panel, title } from "../kit/parts.js";
import { ordering, table } from "../kit/table.js";

export default {
  title: "Memory",
  open(page) {
    const order = ordering(1, true, () => page.redraw());
    return {
      every: 15,
      load: () => get("/api/memory", {}, page.signal),
      draw({ memory: { status, error } }) {
        if (!status) {
          return [title("Memory"), empty("The memory service does not answer.", error ? `${error.message}. ${error.hint ?? ""}` : "It may not be started:", "pepperpy memory run")];
        }
        const spaces = status.namespaces ?? [];
        const sum = (name) => spaces.reduce((all, one) => all + (one[name] ?? 0), 0);
        const looked = (status.cache_hits ?? 0) + (status.cache_misses ?? 0);
        return [
          title("Memory"),
          h("div", { class: "figures" },
            figure("Entries", count(sum("entries"))), figure("Namespaces", count(spaces.length)), figure("Conversations", count(sum("sessions"))),
            figure("Characters", short(sum("characters"))), figure("Vectors found kept", percent(looked ? (status.cache_hits ?? 0) / looked : null), { note: `of ${count(looked)} texts` }),
            figure("Requests now", count(status.running ?? 0))),
          panel("Namespaces", table({
            name: "Namespaces", rows: spaces, key: (one) => one.namespace, order,
            empty: empty("Nothing is remembered yet.", "Put something in:", "pepperpy memory put 'The bus is called PepperPy'"),
            columns: [
              { title: "Namespace", head: true, cell: (one) => one.namespace, sort: (one) => one.namespace },
              { title: "Entries", num: true, cell: (one) => count(one.entries ?? 0), sort: (one) => one.entries ?? 0 },
              { title: "Share", cell: (one) => bar((one.entries ?? 0) / Math.max(1, sum("entries"))) },
              { title: "Conversations", num: true, cell: (one) => count(one.sessions ?? 0), sort: (one) => one.sessions ?? 0 },
              { title: "Characters", num: true, cell: (one) => short(one.characters ?? 0), sort: (one) => one.characters ?? 0 },
              { title: "Expired", num: true, wide: true, cell: (one) => count(one.expired ?? 0) },
              { title: "Languages", wide: true, cell: (one) => named(one.langs) },
              { title: "Terms", wide: true, cell: (one) => named(one.terms) },
              { title: "Scopes", wide: true, cell: (one) => named(one.scopes) },
            ],
          })),
          panel("What it works with", facts([["Store", status.store], ["Embedder", status.embedder && `${status.embedder}, ${count(status.dims ?? 0)} numbers`], ["Analyser", status.analyser], ["Replica", status.replica], ["Vectors kept", count(status.cached ?? 0)]])),
        ];
      },
    };
  },
};

const named = (counts = {}) => Object.entries(counts).sort(([, a], [, b]) => b - a).slice(0, 6).map(([name, number]) => `${name || "–"} ${count(number)}`).join(", ") || "–";
