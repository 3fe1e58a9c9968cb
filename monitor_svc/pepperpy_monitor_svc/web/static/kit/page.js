// One view while it is shown: loads its data, draws it, loads again when something changed, and
// says how old it is when that fails.
//
// A view is `{ title, open(page) }`; `open` returns
//   load()      what to draw, as a promise; left out by views that have no data
//   draw(data)  the nodes
//   wakes       kinds of changes after which to load again: "task", "agent", "alert", "overview"
//   every       seconds after which to load again anyway
//   close()     undoes what `open` began

import { connection } from "./live.js";
import { h, show } from "./dom.js";
import { clock, duration } from "./format.js";
import { session } from "./api.js";

const CALM = 1_000; // between two loads: no storm of reloads when tasks come by the thousand

export class Page {
  #root;
  #opened;
  #abort = new AbortController();
  #timer = 0;
  #loading = false;
  #again = false;
  #loaded = 0;
  #data = null;
  #error = null;

  constructor(root, view, params, query, router) {
    Object.assign(this, { view, params, query, router });
    this.#root = root;
    this.#opened = view.open(this);
    const options = { signal: this.#abort.signal };
    connection.addEventListener("change", (event) => this.#wake(event.detail), options);
    connection.addEventListener("tick", () => this.redraw(), options);
    connection.addEventListener("state", () => (connection.state === "live" ? this.load() : this.redraw()), options);
    addEventListener("session", () => this.load(), options);
    document.addEventListener("visibilitychange", () => document.hidden || this.load(), options);
    this.redraw();
    this.load();
  }

  get signal() {
    return this.#abort.signal;
  }

  /** Whether what is shown may be old. */
  get stale() {
    return this.#opened.load !== undefined && (connection.state === "lost" || (this.#error !== null && this.#data !== null));
  }

  /** Writes filters into the address, and loads what they ask for. */
  filter(changes) {
    for (const [name, value] of Object.entries(changes)) {
      if (value === "" || value === null || value === undefined) this.query.delete(name);
      else this.query.set(name, value);
    }
    const text = this.query.toString();
    this.router.replace(text ? `?${text}` : "");
    this.load();
    this.redraw();
  }

  async load() {
    // A tab that nobody sees asks for nothing; it does when it is seen again.
    if (!this.#opened.load || this.#abort.signal.aborted || (document.hidden && this.#data !== null)) return;
    if (this.#loading) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#loading = true;
    try {
      this.#data = await this.#opened.load();
      this.#error = null;
      this.#loaded = Date.now();
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.status === undefined) console.error(error);
      this.#error = error;
    } finally {
      this.#loading = false;
    }
    if (this.#abort.signal.aborted) return;
    this.redraw();
    this.#later();
  }

  #later() {
    const soon = this.#again;
    this.#again = false;
    const seconds = this.#opened.every ?? 10;
    this.#timer = setTimeout(() => this.load(), soon ? CALM : seconds * 1_000);
  }

  #wake(change) {
    if (!this.#opened.wakes?.some((kind) => kind in change)) return;
    if (this.#loading) {
      this.#again = true;
    } else if (!this.#again) {
      this.#again = true;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        this.#again = false;
        this.load();
      }, Math.max(0, this.#loaded + CALM - Date.now()));
    }
  }

  redraw() {
    if (this.#abort.signal.aborted) return;
    show(this.#root, [this.#notice(), h("div", { class: "view", key: "view" }, this.#body())]);
    this.#root.dataset.stale = this.stale;
    this.#root.setAttribute("aria-busy", String(this.#opened.load !== undefined && this.#data === null && this.#error === null));
  }

  #body() {
    if (this.#opened.load && this.#data === null) {
      return this.#error ? refused(this.#error, () => this.load()) : h("p", { class: "soft loading" }, "Reading…");
    }
    try {
      return this.#opened.draw(this.#data);
    } catch (error) {
      console.error(error);
      return refused(error, () => this.load());
    }
  }

  #notice() {
    if (!this.stale || this.#data === null) return null;
    const age = duration(Math.max(0, Math.round((Date.now() - this.#loaded) / 1_000)));
    return h("div", { class: "stale-note", key: "stale", role: "alert" },
      h("strong", null, "Not live. "),
      `This is how it was at ${clock(this.#loaded / 1_000)}, ${age} ago: `,
      this.#error && this.#error.status ? this.#error.message : "the monitor cannot be reached",
      ". Trying again.");
  }

  close() {
    this.#abort.abort();
    clearTimeout(this.#timer);
    this.#opened.close?.();
  }
}

function refused(error, again) {
  const locked = error.status === 401;
  return h("section", { class: "empty" },
    h("h1", null, locked ? "Sign in to see this" : "This could not be read"),
    h("p", null, `${error.message}.`.replace(/\.\.$/, ".")),
    error.hint ? h("p", { class: "soft" }, error.hint) : null,
    locked
      ? h("button", { type: "button", class: "main", onclick: () => dispatchEvent(new Event("sign-in")) }, "Sign in")
      : h("button", { type: "button", onclick: again }, "Try again"),
    session.loaded ? null : h("p", { class: "soft" }, "It is tried again by itself."));
}
