// All tasks that the monitor keeps: filtered and paged by the monitor, only those in sight drawn.

import { get } from "../kit/api.js";
import { h } from "../kit/dom.js";
import { count, milliseconds, money } from "../kit/format.js";
import { choiceFilter, empty, filters, marks, state, taskLink, textFilter, title, when } from "../kit/parts.js";
import { amount, longTable } from "../kit/table.js";

const STATES = ["submitted", "working", "input-required", "completed", "failed", "canceled", "rejected"];
const FIELDS = ["q", "state", "topic", "agent", "code", "fingerprint", "source", "root", "parent", "since", "until"];
const PAGE = 200;

const COLUMNS = [
  { title: "Task", head: true, cell: (one) => taskLink(one.id) },
  { title: "State", cell: (one) => state(one.state), tight: true },
  { title: "Topic", cell: (one) => one.topic || "–" },
  { title: "Agent", cell: (one) => one.agent || "–" },
  { title: "Came", cell: (one) => when(one.submitted ?? one.started), tight: true },
  { title: "Queued", num: true, cell: (one) => milliseconds(one.queued_ms) },
  { title: "Attempt", num: true, cell: (one) => milliseconds(one.ms) },
  { title: "Whole", num: true, wide: true, cell: (one) => milliseconds(one.whole_ms) },
  { title: "Cost", num: true, wide: true, cell: (one) => (one.usd ? money(one.usd) : "–") },
  { title: "What", cell: what },
];

export default {
  title: "Tasks",
  open(page) {
    // Pages beyond the first stay as they were read; the first is read again when something changes.
    let rest = { asked: "", items: [], next: null, loading: false };
    const query = () => Object.fromEntries(FIELDS.map((name) => [name, page.query.get(name) ?? ""]));

    async function more(first) {
      if (rest.loading || rest.next === null || page.stale) return;
      rest.loading = true;
      const mine = rest;
      try {
        const found = await get("/api/tasks", { ...query(), limit: PAGE, cursor: mine.next }, page.signal);
        const known = new Set([...first, ...mine.items].map((one) => one.id));
        mine.items.push(...found.items.filter((one) => !known.has(one.id)));
        mine.next = found.next;
      } catch (error) {
        if (error.name !== "AbortError") mine.next = null;
      } finally {
        mine.loading = false;
      }
      if (mine === rest) page.redraw();
    }

    return {
      wakes: ["task"],
      every: 5,
      async load() {
        const asked = JSON.stringify(query());
        const found = await get("/api/tasks", { ...query(), limit: PAGE }, page.signal);
        const scrolled = asked === rest.asked && rest.items.length > 0 && document.querySelector("#main .long")?.scrollTop > 0;
        if (scrolled) {
          // What slid from the first page to the second is kept: nothing is lost from sight.
          const fresh = new Set(found.items.map((one) => one.id));
          const slid = (rest.first ?? []).filter((one) => !fresh.has(one.id));
          const there = new Set(rest.items.map((one) => one.id));
          rest.items = [...slid.filter((one) => !there.has(one.id)), ...rest.items.filter((one) => !fresh.has(one.id))];
        } else {
          rest = { asked, items: [], next: found.next, loading: false };
        }
        rest.first = found.items;
        return found;
      },
      draw({ items, total, by_state: states = {} }) {
        const rows = [...items, ...rest.items];
        return [
          title("Tasks", h("span", { class: "soft" }, amount(rows.length, total, "task"))),
          filters(
            textFilter(page, "q", "Find", "id, topic, agent, code, text"),
            choiceFilter(page, "state", "State", STATES.map((one) => [one, states[one] ? `${one} (${count(states[one])})` : one])),
            textFilter(page, "topic", "Topic", "orders*"),
            textFilter(page, "agent", "Agent"),
            textFilter(page, "code", "Error code", "handler_error"),
          ),
          h("div", { class: "marks" }, marks(page, ["fingerprint", "source", "root", "parent", "since", "until"])),
          rows.length ? longTable({ name: "Tasks", columns: COLUMNS, rows, total, key: (one) => one.id, more: () => more(items) }) : nothing(page),
        ];
      },
    };
  },
};

function what(one) {
  if (one.asks) return h("span", { class: "cut" }, h("strong", null, "asks: "), one.asks);
  if (one.code) return h("span", { class: "cut" }, h("code", null, one.code), ` ${one.message ?? ""}`);
  if (one.waits) return `waits for ${one.waits === "time" ? "a time" : one.waits === "answer" ? "an answer" : "children"}`;
  if (one.progress !== undefined && one.progress !== null && one.state === "working") return `${Math.round(one.progress * 100)} % done`;
  return "";
}

function nothing(page) {
  if (FIELDS.some((name) => page.query.get(name))) {
    return h("div", { class: "empty" }, h("p", null, "No task fits these filters."),
      h("button", { type: "button", onclick: () => page.filter(Object.fromEntries(FIELDS.map((name) => [name, ""]))) }, "Show all tasks"));
  }
  return empty("No task has come by yet.", "Submit a first one:", "pepperpy publish hello --data '\"world\"' --wait");
}
