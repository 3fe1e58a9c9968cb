// Who talks to whom, and who waits.

import { get } from "../kit/api.js";
import { h } from "../kit/dom.js";
import { count, rate, some } from "../kit/format.js";
import { graph } from "../kit/graph.js";
import { choiceFilter, empty, filters, panel, state, taskLink, title, topicLink, when } from "../kit/parts.js";
import { ordering, table } from "../kit/table.js";

const COLUMNS = { client: 0, topic: 1, agent: 2, service: 3, model: 4 };
const MOST = 120;
const KINDS = [["submits", "submits to"], ["pulls", "works on"], ["asks", "asks"], ["waits", "waits for"]];
const SAYS = Object.fromEntries(KINDS);
const TONES = { lost: "bad", down: "bad", error: "bad", stale: "warn", degraded: "warn", paused: "warn" };

export default {
  title: "Topology",
  open(page) {
    const order = ordering(3, true, () => page.redraw());
    return {
      wakes: ["overview"],
      every: 5,
      load: () => get("/api/topology", {}, page.signal),
      draw({ nodes, edges, waiting }) {
        if (!nodes.length) return [title("Topology"), empty("Nobody has talked to anybody yet.", "Clients, topics, agents and services appear here with the first task:", "pepperpy publish hello --data '\"world\"' --wait")];
        const kind = page.query.get("kind") ?? "";
        const shown = kind ? edges.filter((edge) => edge.kind === kind) : edges;
        const spoken = new Set(shown.flatMap((edge) => [edge.source, edge.target]));
        // Whoever does nothing is in the picture only when something is wrong with it.
        const seen = nodes.filter((one) => spoken.has(one.id) || TONES[one.state]);
        const busy = [...seen].sort((one, other) => weight(other, shown) - weight(one, shown)).slice(0, MOST);
        const names = new Map(nodes.map((node) => [node.id, node]));
        return [
          title("Topology", h("span", { class: "soft" }, `${some(nodes.length, "node")}, ${some(edges.length, "line")}`)),
          filters(choiceFilter(page, "kind", "Lines", KINDS)),
          seen.length > busy.length ? h("p", { class: "caveat" }, `The picture shows the ${MOST} busiest of ${some(seen.length, "node")}; the table has all.`) : null,
          panel("Who talks to whom", h("p", { class: "soft", id: "topology-key" }, "From left to right: clients, topics, agents, services, models. Thick lines are busy, red ones fail, dashed ones wait. The table below says the same."),
            graph({ name: "Picture of who talks to whom", describedby: "topology-key", nodes: busy.map(node), edges: shown.map(line(shown)) })),
          panel("As a table", table({
            name: "Who talks to whom", rows: shown, key: (one) => `${one.source} ${one.kind} ${one.target}`, order,
            columns: [
              { title: "Who", head: true, cell: (one) => end(names.get(one.source), one.source), sort: (one) => one.source },
              { title: "Does", cell: (one) => SAYS[one.kind] ?? one.kind },
              { title: "With", cell: (one) => end(names.get(one.target), one.target), sort: (one) => one.target },
              { title: "Rate, 5 min", num: true, cell: (one) => rate(one.rate ?? 0), sort: (one) => one.rate ?? 0 },
              { title: "In all", num: true, cell: (one) => count(one.count ?? 0), sort: (one) => one.count ?? 0 },
              { title: "Failed", num: true, cell: (one) => count(one.failed ?? 0), sort: (one) => one.failed ?? 0 },
              { title: "Last", wide: true, cell: (one) => when(one.last), sort: (one) => one.last },
            ],
          })),
          panel(`Who waits (${waiting.length})`, table({
            name: "Tasks that wait", rows: waiting, key: (one) => one.task, empty: h("p", { class: "soft" }, "No task waits for an answer, for children or for a time."),
            columns: [
              { title: "Task", head: true, cell: (one) => taskLink(one.task) },
              { title: "Topic", cell: (one) => topicLink(one.topic) },
              { title: "Waits for", cell: (one) => (one.waits === "children" ? some(one.children ?? 0, "child", "children") : one.waits) },
              { title: "Since", cell: (one) => when(one.since) },
              { title: "Until", wide: true, cell: (one) => when(one.deadline) },
              { title: "Question", cell: (one) => h("span", { class: "cut" }, one.text ?? "") },
            ],
          })),
        ];
      },
    };
  },
};

const weight = ({ id }, edges) => edges.reduce((sum, edge) => sum + (edge.source === id || edge.target === id ? 1 + (edge.rate ?? 0) : 0), 0);

function node({ id, kind, name, state: how = "", size = 0 }) {
  const note = { topic: `${count(size)} waiting`, agent: `${some(size, "instance")}${how ? `, ${how}` : ""}` }[kind] ?? (how ? `${kind}, ${how}` : kind);
  return { id, column: COLUMNS[kind] ?? 3, label: name || id, note, tone: `${kind} ${TONES[how] ?? ""}`, href: address(kind, name) };
}

const address = (kind, name) => ({
  topic: `/tasks?topic=${encodeURIComponent(name)}`, agent: `/agents?agent=${encodeURIComponent(name)}`,
  client: `/tasks?source=${encodeURIComponent(name)}`, model: "/models", service: "/health",
})[kind];

function line(edges) {
  const most = Math.max(1e-9, ...edges.map((edge) => edge.rate ?? 0));
  return ({ source, target, kind, rate: often = 0, failed = 0, count: all = 0 }) => ({
    source, target, dashed: kind === "waits", tone: failed && failed / Math.max(1, all) > 0.1 ? "bad" : "", weight: often / most,
    label: `${source} ${SAYS[kind] ?? kind} ${target}: ${rate(often)}, ${count(all)} in all, ${count(failed)} failed`,
  });
}

function end(known, id) {
  if (!known) return id;
  const href = address(known.kind, known.name);
  return [h("span", { class: "soft" }, `${known.kind} `), href ? h("a", { href }, known.name || id) : known.name, known.state ? [" ", state(known.state)] : null];
}
