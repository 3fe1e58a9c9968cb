// Who did what.

import { get } from "../kit/api.js";
import { h } from "../kit/dom.js";
import { brief, count } from "../kit/format.js";
import { empty, filters, moment, taskLink, textFilter, title } from "../kit/parts.js";
import { amount, table } from "../kit/table.js";

const FIELDS = ["text", "by", "action", "target", "since", "until"];

export default {
  title: "Audit log",
  open(page) {
    let older = { asked: "", items: [], next: null };
    const query = () => Object.fromEntries(FIELDS.map((name) => [name, page.query.get(name) ?? ""]));
    return {
      wakes: ["audit"],
      every: 10,
      async load() {
        const asked = JSON.stringify(query());
        const found = await get("/api/audit", query(), page.signal);
        if (asked !== older.asked) older = { asked, items: [], next: found.next };
        return found;
      },
      draw({ items, total }) {
        const first = new Set(items.map((one) => one.seq));
        const rows = [...items, ...older.items.filter((one) => !first.has(one.seq))];
        return [
          title("Audit log", h("span", { class: "soft" }, total === undefined || total === null ? "" : amount(rows.length, total, "entry", "entries"))),
          h("p", { class: "soft" }, "Each entry carries the hash of the one before. ", h("code", null, "pepperpy audit verify"), " checks the whole chain."),
          filters(textFilter(page, "text", "Find"), textFilter(page, "by", "By"), textFilter(page, "action", "Action", "cancel"), textFilter(page, "target", "Target", "task id"), textFilter(page, "since", "Since", "1h, or a time")),
          table({
            name: "Audit log", rows, key: (one) => one.seq,
            empty: FIELDS.some((name) => page.query.get(name)) ? empty("No entry fits these filters.", "Take one away.") : empty("Nothing has been written down yet.", "Cancels, replays, answers, grants and changes of settings are."),
            columns: [
              { title: "Number", num: true, cell: (one) => count(one.seq) },
              { title: "When", cell: (one) => moment(one.at) },
              { title: "By", cell: (one) => (one.by ? (one.claimed ? `${one.by} (says)` : one.by) : "–") },
              { title: "Action", head: true, cell: (one) => one.action },
              { title: "Target", cell: (one) => (one.target ? (TASKS.has(one.action) ? taskLink(one.target) : h("span", { class: "id" }, one.target)) : "–") },
              { title: "Values", cell: (one) => h("span", { class: "cut" }, Object.keys(one.data ?? {}).length ? brief(one.data) : "") },
              { title: "Hash", wide: true, cell: (one) => h("code", { title: one.hash }, (one.hash ?? "").slice(0, 12)) },
            ],
          }),
          older.next ? h("button", { type: "button", onclick: async () => {
            const found = await get("/api/audit", { ...query(), cursor: older.next }, page.signal);
            older.items.push(...found.items);
            older.next = found.next;
            page.redraw();
          } }, "Older entries") : null,
        ];
      },
    };
  },
};

const TASKS = new Set(["submit", "cancel", "answer", "rerun", "task.cancel", "task.answer", "task.rerun", "task.submit"]);
