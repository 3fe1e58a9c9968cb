// Events as they happen: filtered by the monitor, paused and picked here.

import { get } from "../kit/api.js";
import { copy, empty, filters, json, state as stateMark, taskLink, textFilter, title } from "../kit/parts.js";
import { h } from "../kit/dom.js";
import { brief, clock, count, some } from "../kit/format.js";
import { connection, follow } from "../kit/live.js";

const KEPT = 1_000;
const SHOWN = 200;

export default {
  title: "Live tail",
  open(page) {
    let events = [];
    let held = null; // what came while paused
    let [how, why, missed, seen] = ["connecting", "", 0, 0];
    let opened = null;
    let [asked, end, drawing] = ["", () => {}, 0];
    let prefix = "pp";
    get("/api/config", {}, page.signal).then(({ items }) => {
      prefix = items.find((one) => one.name === "prefix")?.value ?? prefix;
    }, () => {});

    const redraw = () => {
      if (drawing) return;
      drawing = setTimeout(() => {
        drawing = 0;
        page.redraw();
      }, 100);
    };
    const query = () => ({ pattern: page.query.get("pattern") ?? "", where: page.query.get("where") ?? "", since: page.query.get("since") ?? "" });

    function restart() {
      asked = JSON.stringify(query());
      end();
      [events, how, why, missed, seen] = [[], "connecting", "", 0, 0];
      end = follow(query(), {
        take({ events: fresh = [], dropped = 0 }) {
          seen += fresh.length;
          missed += dropped;
          (held ?? events).push(...fresh);
          const list = held ?? events;
          if (list.length > KEPT) list.splice(0, list.length - KEPT);
          redraw();
        },
        state(word, reason = "") {
          [how, why] = [word, reason];
          redraw();
        },
      });
    }
    const pause = () => {
      if (held) {
        events = [...events, ...held].slice(-KEPT);
        held = null;
      } else {
        held = [];
      }
      page.redraw();
    };
    const toggle = (seq) => {
      opened = opened === seq ? null : seq;
      page.redraw();
    };
    const onKey = ({ detail }) => detail === "p" && pause();
    addEventListener("key", onKey);

    return {
      draw() {
        if (JSON.stringify(query()) !== asked) restart();
        const lost = how === "lost" || connection.state === "lost";
        return [
          title("Live tail", stateMark(lost ? "lost" : how), h("span", { class: "soft" },
            `${some(seen, "event")}${missed ? `, ${count(missed)} left out: more came than a page can take` : ""}`)),
          why ? h("p", { class: "caveat", role: "alert" }, why) : null,
          lost ? h("p", { class: "stale-note", role: "alert" }, h("strong", null, "Not live. "), "The monitor cannot be reached; what is missing comes when it is back.") : null,
          filters(
            textFilter(page, "pattern", "Events", "task.failed.*"),
            textFilter(page, "where", "Where", "data.code == 'timeout'"),
            textFilter(page, "since", "Since", "now, or 15m"),
            h("div", { class: "buttons" },
              h("button", { type: "button", class: held ? "main" : "", "aria-pressed": String(held !== null), onclick: pause }, held ? `Go on (${count(held.length)} waiting)` : "Pause"),
              h("button", { type: "button", onclick: () => { events = []; page.redraw(); } }, "Clear"))),
          events.length
            ? h("ol", { class: "events", "aria-label": "Events, the newest first" }, events.slice(-SHOWN).reverse().map((one) => line(one, { open: opened === one.seq, prefix, toggle })))
            : empty(how === "live" ? "Nothing has happened since you came." : "Waiting for the monitor.", "Events appear here as they happen. Have one happen:", "pepperpy publish hello --data '\"world\"'"),
        ];
      },
      close() {
        end();
        clearTimeout(drawing);
        removeEventListener("key", onKey);
      },
    };
  },
};

const TONES = { failed: "bad", rejected: "bad", lost: "bad", crashed: "bad", retry: "warn", input_required: "warn", canceled: "calm", completed: "good" };

function line(one, { open, prefix, toggle }) {
  return h("li", { key: one.seq, class: TONES[one.verb] ?? "", "data-row": true },
    h("button", { type: "button", class: "event", "aria-expanded": String(open), onclick: () => toggle(one.seq) },
      h("span", { class: "at" }, clock(one.ts, { millis: true })), h("span", { class: "what" }, `${one.entity}.${one.verb}`),
      h("span", { class: "of" }, [one.scope, one.id].filter(Boolean).join(" ")), h("span", { class: "data" }, Object.keys(one.data ?? {}).length ? brief(one.data) : "")),
    open ? h("div", { class: "more" },
      json(one, `Event ${one.seq}`),
      one.truncated ? h("p", { class: "caveat" }, `Its values are left out: ${count(one.truncated)} bytes.`) : null,
      h("div", { class: "buttons" }, copy(() => JSON.stringify(one, null, 2), "Copy JSON"), copy(() => publish(one, prefix), "Copy as publish"),
        one.entity === "task" && one.id ? h("span", null, "Task ", taskLink(one.id)) : null)) : null);
}

/** The command, for NATS' own command line, that publishes the same event again. */
function publish(one, prefix) {
  const { entity, verb, scope, id, event, ts, correlation, causation, attempt, priority, data } = one;
  const subject = [`${prefix}.event${priority === "high" ? "-hi" : ""}`, entity, verb, scope, id].join(".");
  return `nats pub ${quoted(subject)} ${quoted(JSON.stringify({ id: event, ts, correlation, causation, attempt, priority, data }))}`;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
