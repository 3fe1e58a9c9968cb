// Models and money: by model, agent and tenant.

import { get } from "../kit/api.js";
import { h } from "../kit/dom.js";
import { count, milliseconds, money, percent, short } from "../kit/format.js";
import { choiceFilter, empty, figure, filters, title, when } from "../kit/parts.js";
import { ordering, table } from "../kit/table.js";

const GROUPS = [["model", "model"], ["agent", "agent"], ["tenant", "tenant"], ["provider", "provider"]];

export default {
  title: "Models and money",
  open(page) {
    const order = ordering(3, true, () => page.redraw());
    return {
      wakes: ["overview"],
      every: 5,
      load: () => get("/api/models", {}, page.signal),
      draw({ items }) {
        const by = page.query.get("by") ?? "";
        const rows = by ? grouped(items, by) : items;
        const sum = (name) => items.reduce((all, one) => all + (one[name] ?? 0), 0);
        const requests = sum("requests");
        return [
          title("Models and money"),
          h("div", { class: "figures" },
            figure("Spent", money(sum("usd")), { note: "since the monitor sees" }),
            figure("Now", `${money(sum("usd_rate"))}/h`, { note: "over 1 h" }),
            figure("Requests", count(requests), { note: `${percent(requests ? sum("failed") / requests : null)} failed` }),
            figure("Tokens read", short(sum("input_tokens")), { note: `${short(sum("cached_tokens"))} of them cached` }),
            figure("Tokens written", short(sum("output_tokens")))),
          filters(choiceFilter(page, "by", "Add up by", GROUPS)),
          table({
            name: "Models", rows, key: (one) => `${one.provider} ${one.model} ${one.agent ?? ""} ${one.tenant ?? ""}`, order,
            empty: empty("No model has been asked.", "Ask one through the provider service:", "pepperpy chat 'Say hello'"),
            columns: [
              { title: "Model", head: true, cell: (one) => [one.model || "–", one.provider ? h("span", { class: "soft" }, ` ${one.provider}`) : null], sort: (one) => one.model },
              { title: "Agent", cell: (one) => one.agent || "–", sort: (one) => one.agent ?? "" },
              { title: "Tenant", cell: (one) => one.tenant || "–", sort: (one) => one.tenant ?? "" },
              { title: "Cost", num: true, cell: (one) => money(one.usd ?? 0), sort: (one) => one.usd ?? 0 },
              { title: "Per hour", num: true, cell: (one) => money(one.usd_rate ?? 0), sort: (one) => one.usd_rate ?? 0 },
              { title: "Requests", num: true, cell: (one) => count(one.requests ?? 0), sort: (one) => one.requests ?? 0 },
              { title: "Failed", num: true, cell: failed, sort: (one) => one.failed ?? 0 },
              { title: "Read", num: true, cell: (one) => short(one.input_tokens ?? 0), sort: (one) => one.input_tokens ?? 0 },
              { title: "Cached", num: true, wide: true, cell: (one) => short(one.cached_tokens ?? 0), sort: (one) => one.cached_tokens ?? 0 },
              { title: "Written", num: true, cell: (one) => short(one.output_tokens ?? 0), sort: (one) => one.output_tokens ?? 0 },
              { title: "p95", num: true, cell: (one) => milliseconds(one.latency?.m5?.p95_ms ?? one.latency?.h1?.p95_ms), sort: (one) => one.latency?.h1?.p95_ms },
              { title: "First piece", num: true, wide: true, cell: (one) => milliseconds(one.first?.p50_ms), sort: (one) => one.first?.p50_ms },
              { title: "Last", wide: true, cell: (one) => when(one.last), sort: (one) => one.last },
            ],
          }),
        ];
      },
    };
  },
};

const SUMS = ["requests", "failed", "canceled", "input_tokens", "output_tokens", "cached_tokens", "usd", "usd_rate"];

/** Adds rows up by one field; percentiles cannot be added, and are left out. */
function grouped(items, by) {
  const groups = new Map();
  for (const one of items) {
    const name = one[by] ?? "";
    const group = groups.get(name) ?? { provider: "", model: "", [by]: name, codes: {} };
    for (const sum of SUMS) group[sum] = (group[sum] ?? 0) + (one[sum] ?? 0);
    for (const [word, number] of Object.entries(one.codes ?? {})) group.codes[word] = (group.codes[word] ?? 0) + number;
    if ((one.last ?? "") > (group.last ?? "")) group.last = one.last;
    groups.set(name, group);
  }
  return [...groups.values()];
}

function failed(one) {
  const codes = Object.entries(one.codes ?? {}).map(([name, number]) => `${name} ${number}`).join(", ");
  return h("span", { class: one.failed ? "bad-text" : null, title: codes || null }, count(one.failed ?? 0));
}
