// Every setting of the monitor, with its meaning.

import { get } from "../kit/api.js";
import { h } from "../kit/dom.js";
import { brief, some } from "../kit/format.js";
import { choiceFilter, empty, filters, textFilter, title } from "../kit/parts.js";
import { table } from "../kit/table.js";

const changed = (one) => JSON.stringify(one.value ?? null) !== JSON.stringify(one.default ?? null);

export default {
  title: "Config",
  open: (page) => ({
    every: 30,
    load: () => get("/api/config", {}, page.signal),
    draw({ items }) {
      const [text, which] = ["q", "which"].map((name) => (page.query.get(name) ?? "").toLowerCase());
      const rows = items.filter((one) => (which !== "changed" || changed(one)) && `${one.name} ${one.meaning} ${one.variable}`.toLowerCase().includes(text));
      return [
        title("Config", h("span", { class: "soft" }, some(rows.length, "setting"))),
        h("p", { class: "soft" }, "As this monitor has it; secrets are hidden. ", h("code", null, "pepperpy config show"), " says where each value comes from."),
        filters(textFilter(page, "q", "Find"), choiceFilter(page, "which", "Which", [["changed", "not the default"]])),
        table({
          name: "Settings", rows, key: (one) => one.name, empty: empty("No setting fits.", "Take a filter away."),
          columns: [
            { title: "Setting", head: true, cell: (one) => h("code", null, one.name) },
            { title: "Value", cell: (one) => h(changed(one) ? "strong" : "span", { class: "cut" }, value(one.value)) },
            { title: "Default", wide: true, cell: (one) => h("span", { class: "soft cut" }, value(one.default)) },
            { title: "Meaning", cell: (one) => h("span", { class: "text" }, one.meaning) },
            { title: "Variable", wide: true, cell: (one) => h("code", null, one.variable ?? "") },
            { title: "Changes", wide: true, cell: (one) => (one.reloadable ? "on SIGHUP" : "at a restart") },
          ],
        }),
      ];
    },
  }),
};

const value = (of) => (of === null || of === undefined || of === "" ? "–" : brief(of, 80));
