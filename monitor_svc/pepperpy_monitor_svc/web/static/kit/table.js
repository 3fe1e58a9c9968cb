// Tables. A column is { title, cell(row), num, wide, key, sort(row) }: `num` aligns figures, `wide`
// ones are left out on narrow screens, `head` makes its cells name their rows.

import { h, show } from "./dom.js";
import { some } from "./format.js";

/**
 * A table with all its rows.
 * @param options.order { by, down, set(by, down) }: makes columns with `sort` sortable.
 */
export function table({ name, columns, rows, key, empty, order, row: props = () => ({}) }) {
  if (!rows.length && empty) return empty;
  const ordered = sorted(rows, columns, order);
  return h("div", { class: "scroll", role: "region", "aria-label": name, tabindex: "0" },
    h("table", null,
      h("thead", null, h("tr", null, columns.map((column, place) => heading(column, place, order)))),
      h("tbody", null, ordered.map((row) => line(columns, row, { key: key(row), ...props(row) })))));
}

function sorted(rows, columns, order) {
  const column = order && columns[order.by];
  if (!column?.sort) return rows;
  const sign = order.down ? -1 : 1;
  return [...rows].sort((one, other) => {
    const [a, b] = [column.sort(one) ?? -Infinity, column.sort(other) ?? -Infinity];
    return (a < b ? -1 : a > b ? 1 : 0) * sign;
  });
}

function heading(column, place, order) {
  const chosen = order?.by === place;
  const label = order && column.sort
    ? h("button", { type: "button", class: "sort", onclick: () => order.set(place, chosen ? !order.down : true) },
      column.title, h("span", { class: "arrow", "aria-hidden": "true" }, chosen ? (order.down ? "↓" : "↑") : ""))
    : column.title;
  return h("th", {
    scope: "col",
    class: classes(column),
    "aria-sort": chosen ? (order.down ? "descending" : "ascending") : null,
  }, label || h("span", { class: "hidden" }, column.label ?? "Act"));
}

function line(columns, row, props) {
  return h("tr", { "data-row": true, ...props },
    columns.map((column) => h(column.head ? "th" : "td", { class: classes(column), scope: column.head ? "row" : null }, column.cell(row))));
}

const classes = ({ num, wide, tight }) =>
  [num && "num", wide && "wide", tight && "tight"].filter(Boolean).join(" ") || null;

/** Keeps which column orders a table; give its result as `order`. */
export function ordering(by, down, changed) {
  const order = { by, down, set(column, falling) {
    Object.assign(order, { by: column, down: falling });
    changed();
  } };
  return order;
}

/**
 * A table of very many rows: only those in sight are in the document. It scrolls by itself, so the
 * page stays short; `more` is called when the end of what is loaded comes near.
 */
export function longTable({ name, columns, rows, total, key, more, height = 34 }) {
  const state = { columns, rows, total, key, more, height, name };
  const body = h("tbody");
  const frame = h("div", { class: "scroll long", role: "region", "aria-label": name, tabindex: "0", widget: {} },
    h("table", { "aria-rowcount": total + 1 },
      h("thead", null, h("tr", { "aria-rowindex": 1 }, columns.map((column, place) => heading(column, place)))), body));
  frame.widget = {
    state,
    adopt(wanted) {
      Object.assign(state, wanted.state);
      wanted.close();
      frame.setAttribute("aria-label", state.name);
      frame.firstChild.setAttribute("aria-rowcount", state.total + 1);
      fillWindow(frame, body, state);
    },
    close: () => sight.disconnect(),
  };
  const sight = new ResizeObserver(() => fillWindow(frame, body, state));
  sight.observe(frame);
  let asked = 0;
  frame.onscroll = () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(() => fillWindow(frame, body, state));
  };
  return frame;
}

function fillWindow(frame, body, { columns, rows, key, more, height }) {
  const spare = 12;
  const from = Math.max(0, Math.floor(frame.scrollTop / height) - spare);
  const to = Math.min(rows.length, Math.ceil((frame.scrollTop + frame.clientHeight) / height) + spare);
  // A row that has the focus stays, or the keyboard would lose its place.
  const focused = body.contains(document.activeElement) ? document.activeElement.closest("tr")?.key : undefined;
  const wanted = [spacer("before", from * height, columns.length)];
  for (let place = from; place < to; place += 1) {
    wanted.push(line(columns, rows[place], { key: key(rows[place]), "aria-rowindex": place + 2, style: { height: `${height}px` } }));
  }
  wanted.push(spacer("after", (rows.length - to) * height, columns.length));
  show(body, wanted);
  if (focused !== undefined && !body.contains(document.activeElement)) frame.focus({ preventScroll: true });
  if (more && to + 4 * spare > rows.length) more();
}

const spacer = (name, height, width) =>
  h("tr", { key: ` ${name}`, class: "spacer", "aria-hidden": "true" }, h("td", { colspan: width, style: { height: `${height}px` } }));

/** How many rows there are, in words for a caption. */
export const amount = (shown, total, word, words = `${word}s`) =>
  shown < total ? `${some(total, word, words)}, ${shown} loaded` : some(total, word, words);
