// How everything was: taken, kept, and two of them compared.

import { get } from "../kit/api.js";
import { act, ask, field } from "../kit/dialogs.js";
import { h } from "../kit/dom.js";
import { brief, bytes, count, short, some } from "../kit/format.js";
import { empty, json, moment, panel, title } from "../kit/parts.js";
import { table } from "../kit/table.js";

export default {
  title: "Snapshots",
  open: (page) => ({
    wakes: ["snapshot"],
    every: 15,
    async load() {
      const [a, b, id] = ["a", "b", "id"].map((name) => page.query.get(name));
      const [list, compared, one] = await Promise.all([
        get("/api/snapshots", {}, page.signal),
        a && b ? get("/api/snapshots/compare", { a, b }, page.signal) : null,
        id ? get(`/api/snapshots/${encodeURIComponent(id)}`, {}, page.signal) : null,
      ]);
      return { items: list.items, compared, one };
    },
    draw({ items, compared, one }) {
      const [a, b] = [page.query.get("a"), page.query.get("b")];
      const pick = (name, id) => h("input", { type: "radio", name, checked: page.query.get(name) === id, "aria-label": `${name === "a" ? "Compare" : "With"} ${id}`, onchange: () => page.filter({ [name]: id }) });
      return [
        title("Snapshots", h("button", { type: "button", class: "main", onclick: () => take(page) }, "Take one now")),
        table({
          name: "Snapshots", rows: items, key: (row) => row.id,
          empty: empty("No snapshot has been taken yet.", "They are taken from time to time (monitor.snapshot_every), and on demand:", "pepperpy monitor snapshots take"),
          columns: [
            { title: "Compare", tight: true, cell: (row) => pick("a", row.id) },
            { title: "With", tight: true, cell: (row) => pick("b", row.id) },
            { title: "Taken", head: true, cell: (row) => moment(row.at) },
            { title: "Why", cell: (row) => row.reason ?? "periodic" },
            { title: "By", wide: true, cell: (row) => row.by || "–" },
            { title: "Tasks", num: true, cell: (row) => count(row.tasks ?? 0) },
            { title: "Alerts firing", num: true, cell: (row) => count(row.firing ?? 0) },
            { title: "Size", num: true, cell: (row) => bytes(row.bytes ?? 0) },
            { title: "", label: "See", cell: (row) => h("div", { class: "buttons" }, h("button", { type: "button", class: "small", "aria-label": `Show ${row.id}`, onclick: () => page.filter({ id: row.id }) }, "Show"),
              h("a", { href: `/api/snapshots/${encodeURIComponent(row.id)}`, download: `${row.id}.json`, "aria-label": `Save ${row.id} as a file` }, "Save")) },
          ],
        }),
        a || b ? null : items.length > 1 ? h("p", { class: "soft" }, "Choose two to compare them.") : null,
        compared ? panel("What is different", difference(compared)) : null,
        one ? panel(`Snapshot ${page.query.get("id")}`, h("button", { type: "button", class: "small", onclick: () => page.filter({ id: "" }) }, "Close"), json(one, "Snapshot")) : null,
      ];
    },
  }),
};

async function take(page) {
  const said = await ask({ title: "Take a snapshot?", text: "The fleet as it is now is kept in the object store.", fields: [field("Why", { name: "reason", maxlength: 200, placeholder: "before the release" })], yes: "Take it" });
  if (said && (await act("/api/snapshots", said, (row) => `Snapshot ${row.id} is kept.`))) page.load();
}

/** What is another value in the later of the two. */
function difference({ a, b, changes, equal }) {
  return [
    h("p", { class: "soft" }, "From ", moment(a.at), " to ", moment(b.at), `: ${some(changes.length, "value")} changed, ${count(equal)} did not.`),
    table({
      name: "Differences", rows: changes, key: (one) => `${one.section} ${one.name}`, empty: h("p", { class: "soft" }, "Nothing is different."),
      columns: [
        { title: "Section", cell: (one) => one.section },
        { title: "What", head: true, cell: (one) => one.name },
        { title: "Before", num: true, cell: (one) => shown(one.before) },
        { title: "After", num: true, cell: (one) => shown(one.after) },
        { title: "Change", num: true, cell: (one) => (one.delta === undefined ? "–" : `${one.delta > 0 ? "+" : ""}${short(one.delta)}`) },
        { title: "Percent", num: true, wide: true, cell: (one) => (one.percent === undefined ? "–" : `${one.percent > 0 ? "+" : ""}${short(one.percent)} %`) },
      ],
    }),
  ];
}

const shown = (value) => (typeof value === "number" ? short(value) : value === undefined || value === null ? "–" : brief(value, 80));
