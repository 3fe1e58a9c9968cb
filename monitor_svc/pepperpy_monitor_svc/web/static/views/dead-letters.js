// Tasks that failed for good: looked at, chosen, submitted again.

import { get } from "../kit/api.js";
import { act, ask } from "../kit/dialogs.js";
import { h } from "../kit/dom.js";
import { bytes, count, some } from "../kit/format.js";
import { code, copy, empty, filters, json, moment, taskLink, textFilter, title, topicLink, when } from "../kit/parts.js";
import { amount, table } from "../kit/table.js";

const PAGE = 50;
const MOST = 100; // that the monitor replays at once

export default {
  title: "Dead letters",
  open(page) {
    const chosen = new Set();
    let more = { asked: "", items: [], next: null };
    const query = () => ({ topic: page.query.get("topic") ?? "", q: page.query.get("q") ?? "" });

    const choose = (seqs, yes) => {
      for (const seq of seqs) if (yes) chosen.add(seq); else chosen.delete(seq);
      page.redraw();
    };

    async function replay() {
      const ids = [...chosen].slice(0, MOST);
      const said = await ask({
        title: `Replay ${some(ids.length, "dead letter")}?`,
        text: "Each task is submitted again under a new id. Mend the handler first, or it fails again.",
        fields: [h("label", { class: "check" }, h("input", { type: "checkbox", name: "drop" }), " Remove the letters that were replayed")],
        yes: "Replay",
      });
      if (!said) return;
      const done = await act("/api/dead-letters/replay", { ids, drop: "drop" in said }, (answer) =>
        `${some(answer.replayed.length, "task")} submitted again${answer.failed.length ? `, ${answer.failed.length} refused: ${answer.failed[0].error.message}` : ""}.`);
      if (!done) return;
      for (const one of done.replayed) chosen.delete(one.seq);
      page.load();
    }

    return {
      wakes: ["overview"],
      every: 5,
      async load() {
        const asked = JSON.stringify(query());
        const found = await get("/api/dead-letters", { ...query(), limit: PAGE }, page.signal);
        if (asked !== more.asked) more = { asked, items: [], next: found.next };
        return found;
      },
      draw({ items, total }) {
        const first = new Set(items.map((one) => one.seq));
        const rows = [...items, ...more.items.filter((one) => !first.has(one.seq))];
        const all = rows.length > 0 && rows.every((one) => chosen.has(one.seq));
        return [
          title("Dead letters", h("span", { class: "soft" }, amount(rows.length, total, "letter"))),
          filters(textFilter(page, "q", "Find", "id, error, body"), textFilter(page, "topic", "Topic"),
            h("div", { class: "buttons" }, h("button", { type: "button", class: "main", disabled: chosen.size === 0, onclick: replay }, chosen.size ? `Replay ${count(chosen.size)}` : "Replay"))),
          table({
            name: "Dead letters", rows, key: (one) => one.seq,
            empty: total ? empty("No letter fits these filters.", "Take one away.") : empty("There are no dead letters.", "A task that fails for good is kept here with everything that is needed to repeat it."),
            columns: [
              { title: h("input", { type: "checkbox", "aria-label": "Choose all", checked: all, onchange: (event) => choose(rows.map((one) => one.seq), event.target.checked) }), tight: true,
                cell: (one) => h("input", { type: "checkbox", "aria-label": `Choose the letter of ${one.task}`, checked: chosen.has(one.seq), onchange: (event) => choose([one.seq], event.target.checked) }) },
              { title: "Task", head: true, cell: (one) => taskLink(one.task) },
              { title: "Topic", cell: (one) => topicLink(one.topic) },
              { title: "Error", cell: (one) => letter(one) },
              { title: "Attempts", num: true, cell: (one) => count((one.attempts ?? []).length || one.deliveries) },
              { title: "Given up", cell: (one) => when(one.at) },
              { title: "Sent by", wide: true, cell: (one) => one.source || "–" },
            ],
          }),
          more.next ? h("button", { type: "button", onclick: async () => {
            const found = await get("/api/dead-letters", { ...query(), limit: PAGE, cursor: more.next }, page.signal);
            more.items.push(...found.items);
            more.next = found.next;
            page.redraw();
          } }, "Older letters") : null,
        ];
      },
    };
  },
};

function letter(one) {
  return h("details", { key: one.seq },
    h("summary", null, code(one.reason), " ", h("span", { class: "cut" }, one.error?.message ?? "")),
    (one.attempts ?? []).length ? h("ol", { class: "plain" }, one.attempts.map((each) =>
      h("li", null, `Attempt ${each.attempt}, `, moment(each.ts), each.instance ? ` on ${each.instance}` : "", each.error ? [": ", code(each.error.code), ` ${each.error.message}`] : null))) : null,
    h("p", { class: "soft" }, one.binary ? "Body, base64" : "Body", one.body_size > one.body.length ? `, the first ${count(one.body.length)} of ${bytes(one.body_size)}` : ""),
    json(readable(one.body), "Body"), h("div", { class: "buttons" }, copy(one.body, "Copy the body"), copy(`pepperpy dlq show ${one.seq}`, "Copy as command")));
}

function readable(body) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
