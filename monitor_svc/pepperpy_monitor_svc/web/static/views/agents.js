// Every instance of every agent, and how it is: a lost one never looks idle.

import { get } from "../kit/api.js";
import { h } from "../kit/dom.js";
import { bytes, count, duration, milliseconds } from "../kit/format.js";
import { agentLink, bar, choiceFilter, empty, filters, state, textFilter, title } from "../kit/parts.js";
import { ordering, table } from "../kit/table.js";

const STATES = ["up", "starting", "paused", "draining", "stale", "lost", "error", "stopped"];
const gone = (one) => ["stale", "lost", "stopped"].includes(one.state);
/** A figure of the last heartbeat: of an instance that no longer beats it is no figure of now. */
const now = (one, text) => (gone(one) ? h("span", { class: "soft", title: "from its last heartbeat" }, "(", text, ")") : text);

const COLUMNS = [
  { title: "Instance", head: true, cell: (one) => agentLink(one.agent, one.instance), sort: (one) => `${one.agent}/${one.instance}` },
  { title: "State", cell: how, sort: (one) => STATES.length - STATES.indexOf(one.state) },
  { title: "Heartbeat", num: true, cell: (one) => `${duration(one.beat_s ?? 0)} ago`, sort: (one) => one.beat_s ?? 0 },
  { title: "Load", tight: true, cell: load, sort: (one) => (one.in_flight ?? 0) / (one.slots || 1) },
  { title: "Topics", wide: true, cell: (one) => h("span", { class: "cut" }, (one.topics ?? []).join(", ")) },
  { title: "Shards", num: true, wide: true, cell: (one) => (one.shards ? now(one, count(one.shards)) : "–"), sort: (one) => one.shards ?? 0 },
  { title: "CPU", num: true, cell: (one) => now(one, `${Math.round(one.cpu_percent ?? 0)} %`), sort: (one) => one.cpu_percent ?? 0 },
  { title: "RSS", num: true, cell: (one) => now(one, bytes(one.rss_bytes ?? 0)), sort: (one) => one.rss_bytes ?? 0 },
  { title: "Loop lag", num: true, cell: (one) => now(one, milliseconds(one.loop_lag_ms ?? 0)), sort: (one) => one.loop_lag_ms ?? 0 },
  { title: "p95", num: true, wide: true, cell: (one) => milliseconds(one.latency?.p95_ms), sort: (one) => one.latency?.p95_ms },
  { title: "Done", num: true, cell: (one) => count(one.done ?? 0), sort: (one) => one.done ?? 0 },
  { title: "Failed", num: true, cell: (one) => count(one.failed ?? 0), sort: (one) => one.failed ?? 0 },
  { title: "Version", wide: true, cell: (one) => one.version ?? "" },
];

export default {
  title: "Agents",
  open(page) {
    const order = ordering(0, false, () => page.redraw());
    return {
      wakes: ["agent"],
      every: 2,
      load: () => get("/api/agents", {}, page.signal),
      draw({ items }) {
        const [text, wanted, agent] = ["q", "state", "agent"].map((name) => page.query.get(name) ?? "");
        const fits = (one) => (!wanted || one.state === wanted) && (!agent || one.agent === agent)
          && `${one.agent}/${one.instance} ${one.host ?? ""} ${(one.topics ?? []).join(" ")} ${one.version ?? ""}`.toLowerCase().includes(text.toLowerCase());
        const rows = items.filter(fits);
        const names = [...new Set(items.map((one) => one.agent))].sort();
        return [
          title("Agents", h("ul", { class: "inline" }, STATES.map((one) => [one, items.filter((row) => row.state === one).length])
            .filter(([, number]) => number).map(([one, number]) => h("li", { key: one }, state(one), ` ${number}`)))),
          filters(textFilter(page, "q", "Find", "agent, host, topic"), choiceFilter(page, "state", "State", STATES.map((one) => [one, one])),
            choiceFilter(page, "agent", "Agent", names.map((one) => [one, one]))),
          items.length === 0
            ? empty("No agent has been seen.", "Start a worker; it shows within a heartbeat:", "pepperpy worker hello.py:agent")
            : table({ name: "Agents", columns: COLUMNS, rows, key: (one) => `${one.agent}/${one.instance}`, order, empty: empty("No instance fits these filters.", "Take one away.") }),
        ];
      },
    };
  },
};

function how(one) {
  return h("span", null, state(one.state), one.idle ? h("span", { class: "soft" }, " idle") : null,
    one.reason ? h("span", { class: "reason" }, one.reason) : null);
}

function load(one) {
  if (!one.slots) return "–";
  const busy = one.in_flight ?? 0;
  return now(one, h("span", null, gone(one) ? null : [bar(busy / one.slots, busy >= one.slots ? "warn" : ""), " "], `${busy}/${one.slots}`));
}
