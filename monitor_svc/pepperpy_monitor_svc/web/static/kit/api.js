// Questions to the monitor, and acts. A refusal carries what the monitor says to do about it.

const PATIENCE = 25_000;

/** The monitor refused, or could not be reached (status 0). */
export class Refusal extends Error {
  constructor(status, { code = "unreachable", message = "the monitor cannot be reached", hint = "" } = {}) {
    super(message);
    Object.assign(this, { status, code, hint });
  }
}

/** Reads a JSON document; empty values of the query are left out. */
export async function get(path, query = {}, signal = undefined) {
  return ask(path + search(query), { signal, headers: { Accept: "application/json" } });
}

/** Acts, with the session's token against forged requests. */
export async function post(path, body = {}) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  if (session.csrf) headers["X-CSRF-Token"] = session.csrf;
  return ask(path, { method: "POST", headers, body: JSON.stringify(body) });
}

/** The query of an address: `?a=1`, or nothing. */
export function search(query) {
  const pairs = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}

async function ask(path, { signal, ...options }) {
  // A request of before a laptop slept may never end, nor fail.
  const patience = AbortSignal.timeout(PATIENCE);
  let answer, text;
  try {
    answer = await fetch(path, {
      ...options, credentials: "same-origin", cache: "no-store", signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
    text = await answer.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0);
  }
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    throw new Refusal(answer.status, { code: "not_json", message: "the monitor's answer is no JSON" });
  }
  if (!answer.ok) throw new Refusal(answer.status, body?.error);
  return body;
}

/** What this browser may do, and the mark that its acts carry; empty when it has not signed in. */
export const session = { reads: true, acts: false, can_log_in: false, csrf: "", loaded: false };

export async function loadSession() {
  Object.assign(session, await get("/api/session"), { loaded: true });
  dispatchEvent(new Event("session"));
  return session;
}

export async function login(token) {
  await post("/api/login", { token });
  return loadSession();
}

export async function logout() {
  await post("/api/logout");
  return loadSession();
}
