// A task's story: as a list of moments, and as bars over time.

import { h } from "../kit/dom.js";
import { brief, clock, duration, instant, milliseconds } from "../kit/format.js";
import { code, taskLink } from "../kit/parts.js";

const NEXT = { answer: "an answer", children: "its children", time: "a time" };

const SAYS = {
  submitted: (of) => ["Submitted", of.source ? ` by ${of.source}` : ""],
  started: (of) => [`Attempt ${of.number} started`, of.instance ? ` on ${of.instance}` : ""],
  attempt_ended: (of) => [`Attempt ${of.number} ${of.end || "ended"}`, of.error ? [": ", code(of.error.code), ` ${of.error.message}`] : "", of.again_after ? `; again after ${duration(of.again_after)}` : ""],
  step: (of) => ["Step ", code(of.name), ` took ${milliseconds(of.ms)}`, of.copied ? ", taken over" : ""],
  child: (of) => ["Submitted ", taskLink(of.id), ` to ${of.topic}`],
  waits: (of) => [`Waits for ${NEXT[of.what] ?? of.what}`, of.text ? `: ${of.text}` : ""],
  waited: (of) => [`Goes on by ${of.how === "answer" ? "an answer" : of.how}`, of.answer === undefined || of.answer === null ? "" : `: ${brief(of.answer)}`, of.by ? ` of ${of.by}` : ""],
  happened: (of) => [code(of.name), Object.keys(of.data ?? {}).length ? ` ${brief(of.data)}` : ""],
  ended: (of) => [`Ended: ${of.state ?? "unknown"}`],
};
const TONE = { ended: "strong", attempt_ended: "", waits: "warn" };

/** The moments in order, each with its distance from the one before. */
export function timeline(moments) {
  if (!moments.length) return h("p", { class: "soft" }, "Nothing is told of it any more.");
  let before = null;
  return h("ol", { class: "timeline" }, moments.map(({ at, what, of }, place) => {
    const time = instant(at);
    const apart = before && time ? (time - before) / 1000 : 0;
    before = time ?? before;
    const bad = what === "attempt_ended" && of.error;
    return h("li", { key: `${place} ${what}`, class: bad ? "bad" : (TONE[what] ?? "") },
      h("span", { class: "at" }, clock(at, { millis: true }), apart > 0 ? h("span", { class: "soft" }, ` +${duration(apart)}`) : null),
      h("span", { class: "what" }, (SAYS[what] ?? (() => [what]))(of ?? {})));
  }));
}

/** The queue, attempts, steps and waits as bars from the first moment to the last. */
export function spans(told) {
  const end = instant(told.ended)?.getTime() ?? Date.now();
  const begun = Math.min(...(told.attempts ?? []).map((one) => time(one.started)).filter(Boolean));
  const came = time(told.submitted);
  const bars = [
    ...(came && begun > came && begun < Infinity ? [["in the queue", came, begun, "queue"]] : []),
    ...(told.attempts ?? []).map((one) => [`Attempt ${one.number}`, time(one.started), time(one.ended) ?? end, one.error ? "bad" : "attempt"]),
    ...(told.steps ?? []).filter((one) => !one.copied).map((one) => [one.name, time(one.ts) - one.ms, time(one.ts), "step"]),
    ...(told.waits ?? []).filter((one) => !one.copied).map((one) => [`waits for ${NEXT[one.what] ?? one.what}`, time(one.began), time(one.ended) ?? end, "wait"]),
  ].filter(([, from]) => from).sort(([, one], [, other]) => one - other);
  if (!bars.length) return h("p", { class: "soft" }, "No attempt has begun.");
  const first = Math.min(time(told.submitted) ?? Infinity, ...bars.map(([, from]) => from));
  const whole = Math.max(1, ...bars.map(([, , to]) => to - first));
  const share = (value) => `${((value / whole) * 100).toFixed(2)}%`;
  return h("ol", { class: "spans" }, bars.slice(0, 200).map(([name, from, to, tone], place) => h("li", { key: place },
    h("span", { class: "name" }, name),
    h("span", { class: "track", "aria-hidden": "true" }, h("i", { class: tone, style: { left: share(from - first), width: share(Math.max(to - from, whole / 400)) } })),
    h("span", { class: "took" }, duration(Math.max(0, to - from) / 1000)))));
}

const time = (value) => instant(value)?.getTime() ?? null;
