// Charts over time, by uPlot; and sparklines, which need no more than a path.

import { h, svg } from "./dom.js";
import { bytes, clock, duration, instant, money, percent, rate, short } from "./format.js";

const WRITE = {
  "1/s": rate, "%": (value) => percent(value === null ? null : value / 100), bytes, usd: money, "usd/h": (value) => (value === null ? money(value) : `${money(value)}/h`),
  ms: (value) => duration(value === null ? null : value / 1000), s: duration,
};

/** Writes a value in the unit of its series. */
export const written = (unit) => WRITE[unit] ?? short;

const paint = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
// Canvas knows no light-dark(): a probe's computed colour is plain.
function colour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

const FEWEST = 10; // values of a chart, however little has happened

const drawn = new Set();
/** Draws every chart anew, in the colours of the theme. */
export const repaint = () => drawn.forEach((chart) => chart.repaint());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

/**
 * A chart of some `Series` on one axis.
 * @param title what it shows; read out together with the newest values.
 * @param lines [[series, label, colour name]]; the first one's unit is the axis'.
 */
export function chart({ key, title, lines, height = 150 }) {
  const known = recent(lines.filter(([series]) => series && series.values.length > 1));
  const box = h("figure", { class: "chart", key, widget: {} });
  const state = { title, lines: known, height };
  const canvas = h("div", { class: "canvas", role: "img" });
  const legend = h("figcaption");
  box.append(legend, canvas);
  let plot = null;
  let shape = "";

  const data = () => {
    const { start, step_s: step, values } = state.lines[0][0];
    const from = instant(start).getTime() / 1000;
    return [values.map((_, place) => from + place * step), ...state.lines.map(([series]) => series.values)];
  };
  const draw = () => {
    const unit = state.lines[0]?.[0].unit;
    write(legend, state, unit);
    canvas.setAttribute("aria-label", spoken(state, unit));
    const wanted = state.lines.map(([series, label]) => `${series.name} ${label} ${series.values.length}`).join();
    if (!state.lines.length) {
      plot?.destroy();
      plot = null;
      canvas.replaceChildren(h("p", { class: "soft" }, "Nothing was measured yet."));
    } else if (plot && wanted === shape) {
      plot.setData(data());
    } else if (canvas.clientWidth) {
      plot?.destroy();
      canvas.replaceChildren();
      plot = new uPlot(options(state, unit, canvas.clientWidth), data(), canvas);
      shape = wanted;
    }
  };
  const size = new ResizeObserver(() => {
    if (!plot) draw();
    else plot.setSize({ width: canvas.clientWidth, height: state.height });
  });
  size.observe(canvas);
  const entry = { repaint: () => { shape = ""; draw(); } };
  drawn.add(entry);
  box.widget = {
    state,
    adopt(wanted) {
      Object.assign(state, wanted.state);
      wanted.close();
      draw();
    },
    close() {
      drawn.delete(entry);
      size.disconnect();
      plot?.destroy();
    },
  };
  draw();
  return box;
}

/** The lines without what lies before anything happened: an hour of nothing hides the minutes of now. */
function recent(lines) {
  if (!lines.length) return lines;
  const length = lines[0][0].values.length;
  const first = Math.min(...lines.map(([{ values }]) => values.findIndex((value) => value)).map((place) => (place < 0 ? length : place)));
  const from = Math.max(0, Math.min(first - 1, length - FEWEST));
  return lines.map(([series, ...rest]) => {
    const start = new Date(instant(series.start).getTime() + from * series.step_s * 1000).toISOString();
    return [{ ...series, start, values: series.values.slice(from) }, ...rest];
  });
}

function write(legend, { title, lines }, unit) {
  legend.replaceChildren(h("span", { class: "title" }, title), ...lines.map(([series, label, name]) =>
    h("span", { class: "entry" }, h("i", { style: { background: `var(${name})` }, "aria-hidden": "true" }), `${label} `,
      h("b", null, written(unit)(last(series.values))))));
}

const spoken = ({ title, lines }, unit) =>
  `${title}: ${lines.map(([series, label]) => `${label} ${written(unit)(last(series.values))}`).join(", ") || "nothing yet"}`;

const last = (values) => {
  for (let place = values.length - 1; place >= 0; place -= 1) if (values[place] !== null) return values[place];
  return null;
};

function options({ lines, height }, unit, width) {
  const [ink, line] = [colour("--soft"), colour("--line")];
  const font = `11px ${paint("--sans") || "sans-serif"}`;
  const axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
  return {
    width, height, legend: { show: false }, cursor: { drag: { x: false, y: false }, points: { size: 6 } }, padding: [8, 8, 0, 0],
    scales: { x: { time: true }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.1 : 1] } },
    axes: [
      { ...axis, size: 24, gap: 4, space: 70, values: (_, ticks, axisAt, space, step) => ticks.map((tick) => clock(tick).slice(-8, step < 60 ? undefined : -3)) },
      { ...axis, size: 66, space: 36, values: (_, ticks) => ticks.map((tick) => written(unit)(tick)) },
    ],
    series: [{}, ...lines.map(([, label, name]) => ({ label, stroke: colour(name), width: 1.5, points: { show: false }, spanGaps: false }))],
  };
}

/** A small line beside a figure; it says nothing that the figure does not. */
export function spark(series, name = "--accent") {
  const values = series?.values.filter((value) => value !== null) ?? [];
  if (values.length < 2) return null;
  const high = Math.max(...values, 1e-9);
  const points = values.map((value, place) =>
    `${((place / (values.length - 1)) * 100).toFixed(1)},${(23 - (value / high) * 22).toFixed(1)}`);
  return svg("svg", { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("polyline", { points: points.join(" "), fill: "none", style: { stroke: `var(${name})` } }));
}
