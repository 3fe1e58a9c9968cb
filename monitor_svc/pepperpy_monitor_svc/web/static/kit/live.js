// The stream of changes, and whether what is shown is live.
//
// An open connection proves nothing: a monitor that is stopped, or a laptop that slept, keeps it
// open. So it counts as lost after `SILENCE` without a word, as well as when the browser says so.

import { get, search } from "./api.js";

const SILENCE = 11_000;
const PATIENCE = [500, 1_000, 2_000, 4_000, 8_000];

/** The connection: `state` is connecting, live or lost; tells "state" and "change" events. */
class Connection extends EventTarget {
  state = "connecting";
  heard = null;
  #source = null;
  #tries = 0;
  #timer = 0;

  /** Opens it, and keeps it open from now on. */
  start() {
    this.#open();
    setInterval(() => this.#watch(), 1_000);
    addEventListener("online", () => this.#again(0));
    addEventListener("offline", () => this.#lose());
    document.addEventListener("visibilitychange", () => document.hidden || this.#watch());
  }

  #open() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#opened = Date.now();
    this.#source = new EventSource("/api/changes");
    this.#source.onopen = () => this.#hear();
    this.#source.onerror = () => this.#lose();
    this.#source.onmessage = ({ data }) => {
      this.#hear();
      this.dispatchEvent(new CustomEvent("change", { detail: JSON.parse(data) }));
    };
  }

  #opened = 0;

  #hear() {
    this.heard = Date.now();
    this.#tries = 0;
    this.#become("live");
  }

  #watch() {
    if (this.state === "live" && Date.now() - this.heard > SILENCE) this.#lose();
    if (this.state === "connecting" && Date.now() - this.#opened > SILENCE) this.#lose();
    if (this.state === "lost") this.dispatchEvent(new Event("tick"));
  }

  #lose() {
    this.#source?.close();
    this.#become("lost");
    this.#again(PATIENCE[Math.min(this.#tries, PATIENCE.length - 1)]);
    this.#tries += 1;
  }

  #again(after) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), after);
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

export const connection = new Connection();

/**
 * Follows events as they come; the browser reconnects by itself and goes on where it was.
 * @param take is given what each frame holds.
 * @param state is told "live" or "lost", or "refused" with the reason.
 * @returns what ends it.
 */
export function follow(query, { take, state }) {
  const source = new EventSource(`/api/live${search(query)}`);
  source.onopen = () => state("live");
  source.onmessage = ({ data }) => take(JSON.parse(data));
  source.onerror = (event) => {
    if (event.data) state("refused", JSON.parse(event.data).message);
    else if (source.readyState !== EventSource.CLOSED) state("lost");
    // A stream that is refused does not say why to the page; asked plainly it does.
    else get("/api/live", query).catch((error) => state("refused", `${error.message}${error.hint ? `: ${error.hint}` : ""}`));
  };
  return () => source.close();
}
