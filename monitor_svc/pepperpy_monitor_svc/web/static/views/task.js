// One task: what happened to it, what it cost, what may be done with it.

import { get } from "../kit/api.js";
import { act, ask, field } from "../kit/dialogs.js";
import { h } from "../kit/dom.js";
import { brief, bytes, clock, count, duration, milliseconds, money, percent, short } from "../kit/format.js";
import { graph } from "../kit/graph.js";
import { code, copy, facts, figure, json, moment, panel, state, taskLink, tasksLink, title, topicLink, when } from "../kit/parts.js";
import { table } from "../kit/table.js";
import { timeline, spans } from "./task-timeline.js";
import { question } from "./question.js";

const ENDED = ["completed", "failed", "canceled", "rejected"];
const TONES = { failed: "bad", rejected: "bad", "input-required": "warn", completed: "good" };

export default {
  title: "Task",
  open: (page) => ({
    wakes: ["task"],
    every: 3,
    load: () => get(`/api/tasks/${encodeURIComponent(page.params.id)}`, {}, page.signal),
    draw(found) {
      const told = found.explanation ?? {};
      const row = found.task ?? {};
      const id = row.id ?? told.id;
      const now = told.state ?? row.state;
      return [
        title(h("span", { class: "id" }, id), state(now), copy(id, "Copy id"), acts(page, id, now)),
        question(page, found.question),
        figures(row, told),
        problem(row, told),
        panel("What it is", about(row, told)),
        panel("Where the time went", spans(told)),
        h("div", { class: "two" },
          panel("Timeline", timeline(found.timeline ?? [])),
          h("div", null,
            panel("Attempts", attempts(told.attempts ?? [])),
            panel("Steps", steps(told.steps ?? [], (n) => again(page, id, n))))),
        family(id, found),
        cost(row, told),
        told.data !== undefined && told.data !== null ? panel("Result", json(told.data, "Result")) : null,
      ];
    },
  }),
};

function acts(page, id, now) {
  return h("div", { class: "buttons" },
    ENDED.includes(now) ? null : h("button", { type: "button", class: "danger", onclick: () => cancel(page, id) }, "Cancel"),
    h("button", { type: "button", onclick: () => again(page, id) }, "Run again"));
}

async function cancel(page, id) {
  const said = await ask({
    title: "Cancel this task?", text: "It and all tasks that it submitted end now; what they have done stays done.",
    fields: [field("Why", { name: "reason", maxlength: 500 })], yes: "Cancel the task", danger: true,
  });
  if (!said) return;
  const done = await act(`/api/tasks/${encodeURIComponent(id)}/cancel`, said, (answer) => (answer.canceled ? "The task is canceled." : "It is asked to end; it has not ended yet."));
  if (done) page.load();
}

async function again(page, id, step) {
  const said = await ask({
    title: step ? `Run again from step ${step}?` : "Run this task again?",
    text: step ? "A new task takes over the steps before this one, and does the rest itself." : "A new task with the same input; this one stays as it is.",
    yes: "Run again",
  });
  if (!said) return;
  const done = await act(`/api/tasks/${encodeURIComponent(id)}/rerun`, step ? { from_step: step } : {}, (answer) => `Submitted as ${answer.id}.`);
  if (done) page.router.go(`/tasks/${encodeURIComponent(done.id)}`);
}

function figures(row, told) {
  const attempt = row.attempt ?? told.attempts?.at(-1)?.number ?? 0;
  const progress = row.progress !== undefined && row.progress !== null && !ENDED.includes(row.state) ? percent(row.progress) : null;
  return h("div", { class: "figures" },
    figure("Submitted", when(row.submitted ?? told.submitted), { note: clock(row.submitted ?? told.submitted) }),
    figure("Queued", milliseconds(row.queued_ms)),
    figure("Took", milliseconds(row.whole_ms ?? row.ms), { note: row.whole_ms === undefined ? "the last attempt" : `the last attempt ${milliseconds(row.ms)}` }),
    figure("Attempt", count(attempt), { note: row.retries ? `${count(row.retries)} repeated` : undefined }),
    progress ? figure("Done", progress) : null,
    figure("Tokens", short((row.input_tokens ?? 0) + (row.output_tokens ?? 0)), { note: `${count(row.calls ?? 0)} requests to models` }),
    figure("Cost", money(row.usd ?? 0)));
}

function problem(row, told) {
  const error = told.error ?? (row.code ? { code: row.code, message: row.message } : null);
  if (!error) return null;
  return h("section", { class: "panel alarm" }, h("h2", null, "What went wrong"),
    h("p", null, code(error.code), " ", error.message ?? ""),
    error.hint ? h("p", { class: "soft" }, error.hint) : null,
    row.fingerprint ? h("p", null, tasksLink({ fingerprint: row.fingerprint }, "Tasks that failed alike")) : null,
    error.data && Object.keys(error.data).length ? json(error.data, "Values of the error") : null,
    told.letter ? h("p", null, h("a", { href: `/dead-letters?q=${encodeURIComponent(told.id)}` }, `Dead letter ${count(told.letter)}`)) : null);
}

function about(row, told) {
  const root = row.root ?? told.root;
  const own = row.id ?? told.id;
  return facts([
    ["Topic", (row.topic || told.topic) && topicLink(row.topic || told.topic)],
    ["Agent", row.agent && h("a", { href: row.instance ? `/agents/${encodeURIComponent(row.agent)}/${encodeURIComponent(row.instance)}` : `/agents?agent=${encodeURIComponent(row.agent)}` }, [row.agent, row.instance].filter(Boolean).join("/"))],
    ["Sent by", row.source || told.source], ["Priority", row.high || told.priority === "high" ? "high" : null], ["Key", told.key],
    ["Submitted", moment(row.submitted ?? told.submitted)], ["Must end by", told.deadline && moment(told.deadline)], ["Due", told.due && moment(told.due)],
    ["Ended", (row.ended || told.ended) && moment(row.ended ?? told.ended)], ["Waits for", row.waits],
    ["Parent", (row.parent || told.parent) && taskLink(row.parent || told.parent)], ["Family", root && root !== own && tasksLink({ root }, root)],
    ["Repeats", told.replay_of && taskLink(told.replay_of)], ["From step", told.from_step || null],
  ]);
}

function attempts(all) {
  return table({
    name: "Attempts", rows: all, key: (one) => one.number, empty: h("p", { class: "soft" }, "None has begun."),
    columns: [
      { title: "Number", head: true, num: true, cell: (one) => one.number },
      { title: "End", cell: (one) => state(one.end || "working") },
      { title: "Started", cell: (one) => moment(one.started) },
      { title: "Took", num: true, cell: (one) => duration(one.started && one.ended ? (new Date(one.ended) - new Date(one.started)) / 1000 : null) },
      { title: "On", cell: (one) => one.instance || "–" },
      { title: "Error", cell: (one) => (one.error ? [code(one.error.code), " ", one.error.message] : "") },
    ],
  });
}

function steps(all, from) {
  return table({
    name: "Steps", rows: all, key: (one) => one.n, empty: h("p", { class: "soft" }, "None is finished. A task whose first attempt goes well keeps no journal, unless its handler has steps."),
    columns: [
      { title: "Place", num: true, cell: (one) => one.n },
      { title: "Step", head: true, cell: (one) => [one.name, one.copied ? h("span", { class: "soft" }, " taken over") : null] },
      { title: "Took", num: true, cell: (one) => milliseconds(one.ms) },
      { title: "Result", num: true, cell: (one) => bytes(one.size) },
      { title: "Attempt", num: true, cell: (one) => one.attempt },
      { title: "", label: "Run again", cell: (one) => h("button", { type: "button", class: "small", "aria-label": `Again from here: step ${one.n}, ${one.name}`, onclick: () => from(one.n) }, "Again from here") },
    ],
  });
}

/** The tasks below this one, by their distance from it. */
function family(id, { children = {} }) {
  const { nodes = [], total = 0 } = children;
  if (nodes.length < 2) return null;
  const depth = new Map([[id, 0]]);
  for (const one of nodes) if (!depth.has(one.id)) depth.set(one.id, (depth.get(one.parent) ?? 0) + 1);
  const shown = nodes.filter((one) => depth.get(one.id) < 6).slice(0, 80);
  return panel(`Children (${count(total - 1)})`,
    graph({
      name: "Picture of the tasks that this one submitted",
      nodes: shown.map((one) => ({ id: one.id, column: depth.get(one.id), label: one.topic || one.id, note: `${one.state || "unknown"}, ${one.id}`, tone: TONES[one.state] ?? "", href: `/tasks/${encodeURIComponent(one.id)}` })),
      edges: shown.filter((one) => one.parent && one.id !== id).map((one) => ({ source: one.parent, target: one.id, label: `${one.parent} submitted ${one.id}` })),
    }),
    table({
      name: "Children", rows: nodes.slice(1), key: (one) => one.id,
      columns: [
        { title: "Task", head: true, cell: (one) => taskLink(one.id) },
        { title: "State", cell: (one) => state(one.state || "unknown") },
        { title: "Topic", cell: (one) => one.topic },
        { title: "Submitted by", wide: true, cell: (one) => taskLink(one.parent) },
      ],
    }));
}

function cost(row, told) {
  const spent = Object.entries(told.cost ?? {});
  if (!spent.length && !row.calls && !row.tools) return null;
  return panel("What it took", facts([
    ["Requests to models", count(row.calls ?? 0)], ["Tokens read", count(row.input_tokens ?? 0)], ["Tokens written", count(row.output_tokens ?? 0)],
    ["Dollars", money(row.usd ?? 0)], ["Calls of tools", count(row.tools ?? 0)], ...spent.map(([name, value]) => [name, brief(value)]),
  ]));
}
