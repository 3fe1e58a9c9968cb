// One instance of an agent, over time.

import { get } from "../kit/api.js";
import { chart } from "../kit/chart.js";
import { h } from "../kit/dom.js";
import { bytes, clock, count, duration, milliseconds } from "../kit/format.js";
import { empty, facts, figure, moment, panel, state, taskLink, tasksLink, title, topicLink } from "../kit/parts.js";

const CHARTS = [
  ["CPU", [["cpu_percent", "of one core", "--accent"]]],
  ["Resident memory", [["rss_bytes", "RSS", "--accent"]]],
  ["Loop lag", [["loop_lag_ms", "lag", "--accent"]]],
  ["Time of attempts", [["response_ms", "mean", "--accent"]]],
  ["Tasks in hand", [["in_flight", "tasks", "--accent"]]],
  ["Tasks that ended", [["done", "all", "--accent"], ["failed", "failed", "--bad"]]],
];
const FRESH = ["up", "starting", "paused", "draining", "error"];

export default {
  title: "Agent",
  open: (page) => ({
    wakes: ["agent"],
    every: 2,
    load: () => get(`/api/agents/${encodeURIComponent(page.params.agent)}/${encodeURIComponent(page.params.instance)}`, {}, page.signal),
    draw(answer) {
      const one = answer.row ?? answer.agent ?? answer;
      const series = Object.fromEntries((answer.series?.series ?? answer.series ?? []).map((each) => [each.name, each]));
      const fresh = FRESH.includes(one.state);
      const old = fresh ? undefined : "at its last heartbeat";
      return [
        title(`${one.agent}/${one.instance}`, state(one.state), one.idle ? h("span", { class: "soft" }, "idle") : null),
        one.reason ? h("p", { class: fresh ? "soft" : "caveat" }, one.reason) : null,
        h("div", { class: "figures" },
          figure("Heartbeat", `${duration(one.beat_s ?? 0)} ago`, { tone: fresh ? "" : "bad" }),
          figure("In hand", `${one.in_flight ?? 0} of ${one.slots ?? 0}`, { note: old }),
          figure("CPU", `${Math.round(one.cpu_percent ?? 0)} %`, { note: old ?? "of one core" }),
          figure("RSS", bytes(one.rss_bytes ?? 0), { note: old }),
          figure("Loop lag", milliseconds(one.loop_lag_ms ?? 0), { note: old }),
          figure("p95", milliseconds(one.latency?.p95_ms), { note: "5 min" }),
          figure("Done", count(one.done ?? 0), { note: `${count(one.failed ?? 0)} failed` })),
        h("div", { class: "two" }, CHARTS.map(([name, lines]) =>
          h("section", { class: "panel", key: name }, chart({ key: name, title: name, lines: lines.map(([key, ...rest]) => [series[key], ...rest]) })))),
        panel("Tasks that it has now", (one.tasks ?? []).length
          ? h("ul", { class: "plain" }, one.tasks.map((id) => h("li", { key: id }, taskLink(id))))
          : empty("None.", one.idle ? "It waits for tasks." : "")),
        panel("What it is", facts([
          ["Version", one.version], ["Topics", (one.topics ?? []).map((each, place) => [place ? ", " : "", topicLink(each)])], ["Can", (one.capabilities ?? []).join(", ")],
          ["Machine", one.host && `${one.host}, process ${one.pid ?? "?"}`], ["Started", one.started && moment(one.started)],
          ["Last heartbeat", one.seen && clock(one.seen)], ["Its clock is ahead by", one.skew_s ? duration(one.skew_s) : null],
          ["Shards", one.shards ? count(one.shards) : null], ["All its tasks", tasksLink({ agent: `${one.agent}/${one.instance}` }, "list")],
        ])),
      ];
    },
  }),
};
