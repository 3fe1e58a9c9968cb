// The topics of tasks, and the streams that keep everything.

import { get } from "../kit/api.js";
import { spark } from "../kit/chart.js";
import { h } from "../kit/dom.js";
import { bytes, count, duration, milliseconds, percent, rate, some } from "../kit/format.js";
import { bar, empty, panel, title, topicLink, when } from "../kit/parts.js";
import { ordering, table } from "../kit/table.js";

const TOPICS = [
  { title: "Topic", head: true, cell: (one) => topicLink(one.topic), sort: (one) => one.topic },
  { title: "Waiting", num: true, cell: (one) => count(one.waiting), sort: (one) => one.waiting },
  { title: "Oldest", num: true, cell: (one) => duration(one.oldest_s), sort: (one) => one.oldest_s },
  { title: "In hand", num: true, cell: (one) => count(one.in_hand), sort: (one) => one.in_hand },
  { title: "Workers", num: true, cell: workers, sort: (one) => one.workers ?? 0 },
  { title: "In", num: true, cell: (one) => rate(one.submitted_rate ?? 0), sort: (one) => one.submitted_rate ?? 0 },
  { title: "Done", num: true, cell: (one) => rate(one.ended_rate ?? 0), sort: (one) => one.ended_rate ?? 0 },
  { title: "Last hour", wide: true, cell: (one) => spark((one.chart ?? [])[0]) ?? "–" },
  { title: "Errors, 5 min", num: true, cell: (one) => percent(one.error_ratio), sort: (one) => one.error_ratio },
  { title: "p50", num: true, wide: true, cell: (one) => milliseconds(one.latency?.m5?.p50_ms), sort: (one) => one.latency?.m5?.p50_ms },
  { title: "p95", num: true, cell: (one) => milliseconds(one.latency?.m5?.p95_ms), sort: (one) => one.latency?.m5?.p95_ms },
  { title: "Redelivered", num: true, wide: true, cell: (one) => count(one.redelivered ?? 0), sort: (one) => one.redelivered ?? 0 },
  { title: "Dead letters", num: true, cell: letters, sort: (one) => one.letters ?? 0 },
  { title: "Last", wide: true, cell: (one) => when(one.last), sort: (one) => one.last },
];

const STREAMS = [
  { title: "Stream", head: true, cell: (one) => one.name },
  { title: "Messages", num: true, cell: (one) => count(one.messages ?? 0) },
  { title: "Size", num: true, cell: (one) => bytes(one.bytes ?? 0) },
  { title: "Full", cell: full },
  { title: "In", num: true, cell: (one) => rate(one.rate ?? 0) },
  { title: "Oldest", num: true, cell: (one) => duration(one.oldest_s) },
  { title: "Numbers", num: true, wide: true, cell: (one) => `${count(one.first_seq ?? 0)}–${count(one.last_seq ?? 0)}` },
  { title: "Replicas up to date", num: true, wide: true, cell: (one) => count(one.replicas) },
];

const CONSUMERS = [
  { title: "Consumer", head: true, cell: (one) => one.name },
  { title: "Stream", cell: (one) => one.stream },
  { title: "Behind", num: true, cell: (one) => count(one.pending ?? 0), sort: (one) => one.pending ?? 0 },
  { title: "In hand", num: true, cell: (one) => count(one.in_hand ?? 0), sort: (one) => one.in_hand ?? 0 },
  { title: "Redelivered", num: true, cell: (one) => count(one.redelivered ?? 0), sort: (one) => one.redelivered ?? 0 },
  { title: "Oldest", num: true, cell: (one) => duration(one.oldest_s), sort: (one) => one.oldest_s },
  { title: "Waiting pulls", num: true, wide: true, cell: (one) => count(one.pulls ?? 0) },
];

export default {
  title: "Topics and streams",
  open(page) {
    const order = ordering(1, true, () => page.redraw());
    const lag = ordering(2, true, () => page.redraw());
    return {
      wakes: ["overview"],
      every: 5,
      async load() {
        const [topics, streams] = await Promise.all([get("/api/topics", {}, page.signal), get("/api/streams", {}, page.signal)]);
        return { topics: topics.items, streams: streams.items };
      },
      draw({ topics, streams }) {
        const consumers = streams.flatMap((one) => (one.consumers ?? []).map((each) => ({ ...each, stream: one.name })));
        return [
          title("Topics and streams"),
          panel(`Topics (${topics.length})`, table({
            name: "Topics", columns: TOPICS, rows: topics, key: (one) => one.topic, order,
            empty: empty("No topic is known yet.", "A topic appears with its first task or worker. Start a worker:", "pepperpy worker hello.py:agent"),
          })),
          panel(`Streams (${streams.length})`, table({ name: "Streams", columns: STREAMS, rows: streams, key: (one) => one.name,
            empty: empty("The broker has told nothing of its streams.", "The page of health says why.") })),
          consumers.length ? panel(`Consumers (${consumers.length})`, table({ name: "Consumers", columns: CONSUMERS, rows: consumers, key: (one) => `${one.stream}/${one.name}`, order: lag })) : null,
        ];
      },
    };
  },
};

function workers(one) {
  if (!one.workers && one.waiting) return h("strong", { class: "bad-text" }, "nobody");
  return count(one.workers ?? 0);
}

function letters(one) {
  return one.letters ? h("a", { href: `/dead-letters?topic=${encodeURIComponent(one.topic)}` }, count(one.letters)) : "0";
}

function full(one) {
  const shares = [one.max_bytes && (one.bytes ?? 0) / one.max_bytes, one.max_messages && (one.messages ?? 0) / one.max_messages].filter((share) => share !== null && share !== undefined);
  if (!shares.length) return h("span", { class: "soft" }, "no limit");
  const share = Math.max(...shares);
  return h("span", { title: some(one.messages ?? 0, "message") }, bar(share, share > 0.9 ? "bad" : share > 0.7 ? "warn" : ""), ` ${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`);
}
