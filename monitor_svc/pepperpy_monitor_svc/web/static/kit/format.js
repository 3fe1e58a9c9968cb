// How figures, times and amounts are written. Everything takes null and writes a dash.

const NONE = "–";
const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

const absent = (value) => value === null || value === undefined || Number.isNaN(value);

/** A whole number with its thousands apart: 12,345. */
export const count = (value) => (absent(value) ? NONE : plain.format(value));

/** Three significant digits and a unit: 12.3 k. */
export function short(value) {
  if (absent(value)) return NONE;
  const size = Math.abs(value);
  for (const [limit, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= limit) return `${digits(value / (unit === "k" ? 1e3 : limit))} ${unit}`;
  }
  return digits(value);
}

function digits(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 100) return plain.format(value);
  if (size >= 10) return value.toFixed(1).replace(/\.0$/, "");
  return size >= 0.01 ? value.toFixed(2).replace(/\.?0+$/, "") : value.toPrecision(2);
}

/** Events a second. */
export const rate = (value) => (absent(value) ? NONE : `${short(value)}/s`);

/** A share of one as percent. */
export const percent = (value) => (absent(value) ? NONE : `${digits(value * 100)} %`);

export function bytes(value) {
  if (absent(value)) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let place = 0;
  while (Math.abs(value) >= 1024 && place < units.length - 1) {
    value /= 1024;
    place += 1;
  }
  return `${digits(value)} ${units[place]}`;
}

/** A duration, given in seconds: 850 µs, 12 ms, 3.2 s, 4 min 5 s, 2 h 10 min, 3 d 4 h. */
export function duration(seconds) {
  if (absent(seconds)) return NONE;
  const size = Math.abs(seconds);
  if (size === 0) return "0 s";
  if (size < 0.001) return `${digits(seconds * 1e6)} µs`;
  if (size < 1) return `${digits(seconds * 1e3)} ms`;
  if (size < 60) return `${digits(seconds)} s`;
  if (size < 3600) return pair(size, 60, "min", 1, "s");
  if (size < 86400) return pair(size, 3600, "h", 60, "min");
  return pair(size, 86400, "d", 3600, "h");
}

function pair(size, large, largeUnit, small, smallUnit) {
  const rest = Math.floor((size % large) / small);
  return `${Math.floor(size / large)} ${largeUnit}${rest ? ` ${rest} ${smallUnit}` : ""}`;
}

export const milliseconds = (value) => (absent(value) ? NONE : duration(value / 1000));

/** Dollars, with as many digits as small amounts need. */
export function money(value) {
  if (absent(value)) return NONE;
  if (value === 0) return "$0";
  return `$${Math.abs(value) >= 1 ? value.toFixed(2) : value.toPrecision(2)}`;
}

/** An instant, whichever way it came: seconds since 1970, or RFC 3339; null for none. */
export function instant(value) {
  if (absent(value) || value === "" || value === 0) return null;
  const date = new Date(typeof value === "number" ? value * 1000 : value);
  return Number.isNaN(date.getTime()) ? null : date;
}

const two = (value) => String(value).padStart(2, "0");

/** The time of day, with the date when that is another day. */
export function clock(value, { millis = false } = {}) {
  const date = instant(value);
  if (!date) return NONE;
  const day = date.toDateString() === new Date().toDateString()
    ? "" : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} `;
  const rest = millis ? `.${String(date.getMilliseconds()).padStart(3, "0")}` : "";
  return `${day}${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}${rest}`;
}

/** How long ago: "12 s ago"; a time ahead of this clock is "now". */
export function ago(value) {
  const date = instant(value);
  if (!date) return NONE;
  const seconds = Math.floor((Date.now() - date.getTime()) / 1000);
  if (seconds < 1) return "now";
  const [size, unit] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([each]) => seconds >= each);
  return `${Math.floor(seconds / size)} ${unit} ago`;
}

export const since = (value) => {
  const date = instant(value);
  return date ? (Date.now() - date.getTime()) / 1000 : null;
};

/** Any value as indented JSON; a string that is no JSON stays as it is. */
export function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "";
}

/** Any value in one line, cut. */
export function brief(value, limit = 160) {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}

/** A word with its number. */
export const some = (number, word, many = `${word}s`) => `${count(number)} ${number === 1 ? word : many}`;
