// Graphs in layers, drawn as SVG: columns from left to right, each ordered so that few lines cross.

import { h, svg } from "./dom.js";

const BOX = { width: 158, height: 38 };
const GAP = { across: 50, down: 16 };
const SWEEPS = 6;

/**
 * Places nodes in columns.
 * @param nodes `{ id, column }`; @param edges `{ source, target }` by id.
 * @returns Map of id to `{ x, y }`, and the whole `width` and `height`.
 */
export function place(nodes, edges) {
  const columns = [];
  for (const node of nodes) (columns[node.column] ??= []).push(node.id);
  const filled = columns.filter(Boolean);
  const beside = new Map(nodes.map((node) => [node.id, []]));
  for (const { source, target } of edges) {
    beside.get(source)?.push(target);
    beside.get(target)?.push(source);
  }
  untangle(filled, beside);
  const tallest = Math.max(1, ...filled.map((column) => column.length));
  const height = tallest * (BOX.height + GAP.down) + GAP.down;
  const spots = new Map();
  filled.forEach((column, across) => {
    const top = (height - column.length * (BOX.height + GAP.down) + GAP.down) / 2;
    column.forEach((id, down) => spots.set(id, { x: 8 + across * (BOX.width + GAP.across), y: top + down * (BOX.height + GAP.down) }));
  });
  return { spots, width: 16 + filled.length * (BOX.width + GAP.across) - GAP.across, height };
}

/** Orders each column by the mean place of its neighbours, forth and back. */
function untangle(columns, beside) {
  const at = new Map();
  const number = (column) => column.forEach((id, down) => at.set(id, (down + 0.5) / column.length));
  columns.forEach(number);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const column of sweep % 2 ? [...columns].reverse() : columns) {
      const mean = new Map(column.map((id) => {
        const near = beside.get(id).filter((one) => !column.includes(one));
        return [id, near.length ? near.reduce((sum, one) => sum + at.get(one), 0) / near.length : at.get(id)];
      }));
      column.sort((one, other) => mean.get(one) - mean.get(other));
      number(column);
    }
  }
}

/**
 * @param nodes `{ id, column, label, note, tone, href }`
 * @param edges `{ source, target, label, tone, weight, dashed }`, weight from 0 to 1
 */
export function graph({ name, nodes, edges, describedby }) {
  const known = new Set(nodes.map((node) => node.id));
  const drawn = edges.filter(({ source, target }) => known.has(source) && known.has(target));
  const { spots, width, height } = place(nodes, drawn);
  return h("div", { class: "scroll graph", role: "region", "aria-label": name, tabindex: "0" },
    svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": name, "aria-describedby": describedby },
      svg("defs", null, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerUnits: "userSpaceOnUse", markerWidth: 9, markerHeight: 9, orient: "auto-start-reverse" },
        svg("path", { d: "M0 0L8 4L0 8z", class: "arrowhead" }))),
      drawn.map((edge) => line(edge, spots)),
      nodes.map((node) => box(node, spots.get(node.id)))));
}

function line({ source, target, label, tone = "", weight = 0, dashed }, spots) {
  const [from, to] = [spots.get(source), spots.get(target)];
  // Within a column the line leaves and comes back on the right side.
  const leaves = to.x >= from.x ? 1 : -1;
  const enters = to.x > from.x ? -1 : 1;
  const side = (box, way) => (way > 0 ? box.x + BOX.width : box.x);
  const [x1, y1, x2, y2] = [side(from, leaves), from.y + BOX.height / 2, side(to, enters), to.y + BOX.height / 2];
  const bend = Math.max(28, Math.abs(x2 - x1) / 2);
  return svg("path", {
    class: `edge ${tone} ${dashed ? "dashed" : ""}`, key: `${source} ${target} ${label}`,
    d: `M${x1} ${y1}C${x1 + leaves * bend} ${y1} ${x2 + enters * bend} ${y2} ${x2} ${y2}`,
    style: { "stroke-width": String(1 + 3 * weight) }, "marker-end": "url(#arrow)",
  }, svg("title", null, label ?? ""));
}

function box({ id, label, note, tone = "", href }, { x, y }) {
  const inner = [
    svg("title", null, `${label}${note ? `, ${note}` : ""}`),
    svg("rect", { width: BOX.width, height: BOX.height, rx: 6 }),
    svg("text", { x: 10, y: note ? 16 : 23, class: "label" }, cut(label, 19)),
    note ? svg("text", { x: 10, y: 30, class: "note" }, cut(note, 25)) : null,
  ];
  const spot = { class: `node ${tone}`, transform: `translate(${x} ${y})`, key: id };
  return href ? svg("a", { ...spot, href }, inner) : svg("g", spot, inner);
}

const cut = (text, limit) => (text.length > limit ? `${text.slice(0, limit - 1)}…` : text);
