// Each component with its status and the reason; and what the monitor itself could not see.

import { get } from "../kit/api.js";
import { h } from "../kit/dom.js";
import { brief, bytes, count, some } from "../kit/format.js";
import { empty, facts, panel, state, title, when } from "../kit/parts.js";
import { table } from "../kit/table.js";

const WORST = ["down", "degraded", "unknown", "ok"];

export default {
  title: "Health",
  open: (page) => ({
    wakes: ["overview", "agent", "health"],
    every: 5,
    async load() {
      const [health, { overview, leads }] = await Promise.all([get("/api/health", {}, page.signal), get("/api/overview", {}, page.signal)]);
      return { items: health.items ?? [], counts: overview.counts, leads };
    },
    draw({ items, counts, leads }) {
      const rows = [...items].sort((one, other) => WORST.indexOf(one.status) - WORST.indexOf(other.status) || one.name.localeCompare(other.name));
      const bad = rows.filter((one) => one.status !== "ok").length;
      return [
        title("Health", h("span", { class: "soft" }, rows.length ? (bad ? `${bad} of ${some(rows.length, "component")} not well` : "all is well") : "")),
        table({
          name: "Components", rows, key: (one) => `${one.kind} ${one.name}`, empty: empty("No component has been looked at yet.", "The monitor looks every few seconds."),
          columns: [
            { title: "Component", head: true, cell: (one) => one.name },
            { title: "Kind", cell: (one) => one.kind },
            { title: "Status", cell: (one) => state(one.status) },
            { title: "Why", cell: (one) => one.reason || h("span", { class: "soft" }, "all is well") },
            { title: "Since", cell: (one) => when(one.since) },
            { title: "Looked at", wide: true, cell: (one) => when(one.at) },
            { title: "Details", wide: true, cell: (one) => h("span", { class: "cut soft" }, Object.entries(one.details ?? {}).map(([name, value]) => `${name} ${brief(value, 40)}`).join(", ")) },
          ],
        }),
        panel("What the monitor has taken in", facts([
          ["This replica", leads ? "leads: it tells of alerts and takes snapshots" : "follows: another one leads"], ["Events", count(counts.events ?? 0)], ["There before", count(counts.repeated ?? 0)], ["Results", count(counts.results ?? 0)], ["Dead letters", count(counts.letters ?? 0)],
          ["Newest event", [count(counts.last_seq ?? 0), ", ", when(counts.last)]], ["Kept", `${some(counts.tasks ?? 0, "task")} in ${bytes(counts.bytes ?? 0)} of ${bytes(counts.limit_bytes)}`],
          ["Ended ones that had to go", counts.evicted ? `${count(counts.evicted)}, ${count(counts.evicted_failures ?? 0)} of them failures` : null],
          ["Unfinished ones that had to go", counts.evicted_open ? count(counts.evicted_open) : null],
          ["Could not be read", named(counts.bad)], ["Contradictions", named(counts.odd)], ["Names that had to go", named(counts.dropped)],
        ])),
        panel(`Gaps (${some(counts.missed ?? 0, "message")} never seen)`, table({
          name: "Gaps", rows: counts.gaps ?? [], key: (one) => `${one.stream} ${one.first_seq}`, empty: h("p", { class: "soft" }, "None: every message was seen."),
          columns: [
            { title: "Stream", head: true, cell: (one) => one.stream },
            { title: "From", num: true, cell: (one) => count(one.first_seq) },
            { title: "To", num: true, cell: (one) => count(one.last_seq) },
            { title: "Messages", num: true, cell: (one) => count(one.last_seq - one.first_seq + 1) },
            { title: "Why", cell: (one) => one.reason ?? "lost" },
            { title: "Found", cell: (one) => when(one.at) },
          ],
        })),
      ];
    },
  }),
};

const named = (counts = {}) => Object.entries(counts).map(([name, number]) => `${name} ${count(number)}`).join(", ");
