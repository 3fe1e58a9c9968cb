// The fleet at a glance.

import { get } from "../kit/api.js";
import { chart } from "../kit/chart.js";
import { h } from "../kit/dom.js";
import { bytes, count, duration, milliseconds, money, percent, rate, some } from "../kit/format.js";
import { empty, figure, moment, panel, state, tasksLink, title, when } from "../kit/parts.js";
import { table } from "../kit/table.js";
import { loud } from "./alerts.js";

const ORDER = ["submitted", "working", "input-required", "completed", "failed", "canceled", "rejected"];
const WINDOWS = [["m1", "1 min"], ["m5", "5 min"], ["h1", "1 h"]];

export default {
  title: "Overview",
  open: (page) => ({
    wakes: ["overview", "alert"],
    every: 5,
    async load() {
      const { overview, alerts, complete } = await get("/api/overview", {}, page.signal);
      return { ...overview, firing: loud(alerts), complete };
    },
    draw,
  }),
};

function draw(fleet) {
  const seen = Object.values(fleet.states).reduce((sum, one) => sum + one, 0);
  return [
    title("Overview", h("span", { class: "soft" }, "since ", moment(fleet.since)), h("span", { class: "inline" }, h("span", { class: "soft" }, "health"), state(fleet.health))),
    fleet.complete === false ? h("p", { class: "caveat", role: "status" }, "The history is still being read: the figures grow until it is all there.") : null,
    firing(fleet.firing),
    gaps(fleet.counts),
    figures(fleet),
    seen ? null : empty("No task has come by yet.", "Submit one, for example to a worker of yours that works on `hello`:",
      "pepperpy publish hello --data '\"world\"' --wait"),
    states(fleet.states, seen),
    h("div", { class: "two" }, charts(fleet)),
    h("div", { class: "two" }, latency(fleet), panel("Broker", broker(fleet.broker, fleet.counts))),
  ];
}

function firing(alerts) {
  if (!alerts.length) return null;
  return h("section", { class: "panel alarm", "aria-label": "Firing alerts" },
    h("h2", null, `${some(alerts.length, "alert")} firing`),
    h("ul", { class: "plain" }, alerts.slice(0, 5).map((one) =>
      h("li", { key: one.id }, state(one.severity), " ", h("a", { href: "/alerts" }, one.summary || one.rule), h("span", { class: "soft" }, " since ", when(one.fired ?? one.since))))));
}

function gaps({ missed = 0, evicted_open: dropped = 0, bad = {} }) {
  const unread = Object.values(bad).reduce((sum, one) => sum + one, 0);
  const notes = [
    missed && `${some(missed, "message")} never seen: the figures below leave them out`,
    unread && `${some(unread, "message")} could not be read (${Object.keys(bad).join(", ")})`,
    dropped && `${some(dropped, "unfinished task")} forgotten for want of memory`,
  ].filter(Boolean);
  return notes.length ? h("p", { class: "caveat" }, notes.join("; "), ". ", h("a", { href: "/health" }, "Details")) : null;
}

function figures(fleet) {
  const lost = (fleet.agents.lost ?? 0) + (fleet.agents.stale ?? 0);
  const here = ["starting", "up", "paused", "draining"].reduce((sum, one) => sum + (fleet.agents[one] ?? 0), 0);
  const errors = fleet.error_ratio.m5;
  return h("div", { class: "figures" },
    figure("Submitted", rate(fleet.rates.submitted ?? 0), { note: "over 1 min", href: "/tasks" }),
    figure("Completed", rate(fleet.rates.completed ?? 0), { note: "over 1 min", href: "/tasks?state=completed" }),
    figure("Failed", rate(fleet.rates.failed ?? 0), { note: `${percent(errors)} of ends, 5 min`, tone: errors > 0.05 ? "bad" : "", href: "/errors" }),
    figure("Waiting", count(fleet.waiting), { note: `oldest ${duration(fleet.oldest_s)}`, href: "/topics" }),
    figure("p95", milliseconds(fleet.latency.m5.p95_ms), { note: "of attempts, 5 min" }),
    figure("Agents", count(here), { note: lost ? `${lost} stale or lost` : "all answer", tone: lost ? "bad" : "", href: "/agents" }),
    figure("Questions", count(fleet.questions), { note: "wait for people", tone: fleet.questions ? "warn" : "", href: "/tasks?state=input-required" }),
    figure("Dead letters", count(fleet.letters), { note: "to look at", tone: fleet.letters ? "warn" : "", href: "/dead-letters" }),
    figure("Money", money(fleet.usd_rate), { note: `per hour; ${money(fleet.usd)} in all`, href: "/models" }));
}

function states(known, seen) {
  if (!seen) return null;
  return panel("Tasks by state",
    h("div", { class: "stack", "aria-hidden": "true" }, ORDER.filter((one) => known[one]).map((one) =>
      h("i", { class: one, style: { "flex-grow": String(known[one]) } }))),
    h("ul", { class: "inline" }, ORDER.filter((one) => known[one]).map((one) =>
      h("li", { key: one }, state(one), " ", tasksLink({ state: one }, count(known[one]))))));
}

/** Groups the series by what they mean; one that nobody knows yet gets a chart of its own. */
function charts(fleet) {
  const series = Object.fromEntries(fleet.charts.map((one) => [one.name, one]));
  const take = (...names) => names.filter(([name]) => series[name]).map(([name, label, colour]) => {
    const found = series[name];
    delete series[name];
    return [found, label, colour];
  });
  const groups = [
    ["Tasks per second", take(["submitted", "submitted", "--soft"], ["completed", "completed", "--accent"], ["failed", "failed", "--bad"])],
    ["Time of attempts", take(["p50", "p50", "--accent"], ["p95", "p95", "--soft"], ["p99", "p99", "--warn"])],
    ["Waiting tasks", take(["waiting", "waiting", "--accent"])],
    ["Money", take(["usd", "dollars", "--accent"])],
  ];
  for (const one of Object.values(series)) groups.push([one.name, [[one, one.name, "--accent"]]]);
  return groups.filter(([, lines]) => lines.length).map(([name, lines]) => h("section", { class: "panel", key: name }, chart({ key: name, title: name, lines })));
}

function latency({ latency: took, queued }) {
  const rows = WINDOWS.flatMap(([key, name]) => [["attempts", took[key], name], ["in the queue", queued[key], name]]);
  return panel("How long tasks take", table({
    name: "How long tasks take", rows, key: ([what, , name]) => `${what} ${name}`,
    columns: [
      { title: "Window", cell: ([, , name]) => name, head: true },
      { title: "What", cell: ([what]) => what },
      { title: "p50", num: true, cell: ([, one]) => milliseconds(one.p50_ms) },
      { title: "p95", num: true, cell: ([, one]) => milliseconds(one.p95_ms) },
      { title: "p99", num: true, cell: ([, one]) => milliseconds(one.p99_ms) },
      { title: "Number", num: true, cell: ([, one]) => count(one.count ?? 0) },
    ],
  }));
}

function broker(server, counts) {
  if (!server) return h("p", { class: "soft" }, "It was not asked yet.");
  return h("dl", { class: "facts" }, [
    ["Server", `${server.server ?? ""} ${server.version ?? ""}`],
    ["Connection", server.connected === false ? state("lost") : `up, ${milliseconds(server.rtt_ms)}`],
    ["Clients", count(server.connections)],
    ["Too slow, cut off", count(server.slow_consumers)],
    ["Storage", `${bytes(server.storage_bytes)} of ${bytes(server.storage_limit)}`],
    ["Memory", bytes(server.memory_bytes)],
    ["Events read", count(counts.events ?? 0)],
    ["Kept", `${bytes(counts.bytes ?? 0)} of ${bytes(counts.limit_bytes)}`],
  ].map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
}
