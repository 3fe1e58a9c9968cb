// The frame around the views: navigation, the state of the connection, theme, session, keys.

import { get, loadSession, logout, session } from "./kit/api.js";
import { repaint } from "./kit/chart.js";
import { signIn } from "./kit/dialogs.js";
import { h, show } from "./kit/dom.js";
import { clock, count } from "./kit/format.js";
import { help, keyboard } from "./kit/keys.js";
import { connection } from "./kit/live.js";
import { tell } from "./kit/notices.js";
import { Page } from "./kit/page.js";
import { Router } from "./kit/router.js";
import agent from "./views/agent.js";
import agents from "./views/agents.js";
import alerts, { loud } from "./views/alerts.js";
import audit from "./views/audit.js";
import config from "./views/config.js";
import deadLetters from "./views/dead-letters.js";
import errors from "./views/errors.js";
import health from "./views/health.js";
import memory from "./views/memory.js";
import missing from "./views/missing.js";
import models from "./views/models.js";
import overview from "./views/overview.js";
import snapshots from "./views/snapshots.js";
import tail from "./views/tail.js";
import task from "./views/task.js";
import tasks from "./views/tasks.js";
import topics from "./views/topics.js";
import topology from "./views/topology.js";

// Groups of [address, view, letter after g, key of a figure].
const PLACES = [
  ["Now", [["/", overview, "o"], ["/health", health, "h"], ["/alerts", alerts, "a", "alerts"]]],
  ["Work", [["/tasks", tasks, "t", "questions"], ["/topics", topics, "q"], ["/tail", tail, "l"],
    ["/errors", errors, "e"], ["/dead-letters", deadLetters, "d", "letters"]]],
  ["Fleet", [["/agents", agents, "w", "lost"], ["/topology", topology, "y"], ["/models", models, "m"], ["/memory", memory, "r"]]],
  ["Records", [["/snapshots", snapshots, "s"], ["/audit", audit, "u"], ["/config", config, "c"]]],
];
const LIST = PLACES.flatMap(([, places]) => places);

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const menu = document.getElementById("menu");
const figures = { alerts: 0, questions: 0, letters: 0, lost: 0 };
const SAYS = { alerts: "firing", questions: "waiting for an answer", letters: "dead letters", lost: "lost" };
let page = null;

const router = new Router(
  [...LIST.map(([path, view]) => [path, view]), ["/tasks/:id", task], ["/agents/:agent/:instance", agent]],
  (view, params, query) => {
    page?.close();
    show(main, []);
    scrollTo(0, 0);
    const shown = view ?? missing;
    page = new Page(main, shown, params, query, router);
    document.title = `${params.id ?? params.instance ?? shown.title} · PepperPy`;
    open(false);
    drawNav();
    // Screen readers begin with the new view; the first one begins with the page.
    if (router.moved) main.focus({ preventScroll: true });
    router.moved = true;
  },
);

function drawNav() {
  const here = (path) => (path === "/" ? location.pathname === "/" : location.pathname === path || location.pathname.startsWith(`${path}/`));
  show(nav, PLACES.map(([name, places]) => h("div", { class: "group" },
    h("h2", null, name),
    h("ul", null, places.map(([path, view, , figure]) => h("li", null,
      h("a", { href: path, "aria-current": here(path) ? "page" : null }, view.title,
        figures[figure] ? h("span", { class: `badge ${figure}` }, count(figures[figure]), h("span", { class: "hidden" }, ` ${SAYS[figure]}`)) : null)))))));
}

function open(wide) {
  document.body.dataset.menu = wide ? "open" : "";
  menu.setAttribute("aria-expanded", String(wide));
}

// --- the connection ---

const linkState = document.getElementById("link-state");
function drawLink() {
  const words = { connecting: "Connecting", live: "Live", lost: "Not live" };
  linkState.className = `link-state ${connection.state}`;
  linkState.title = connection.heard ? `last heard at ${clock(connection.heard / 1000)}` : "";
  if (linkState.textContent !== words[connection.state]) linkState.textContent = words[connection.state];
  document.body.dataset.link = connection.state;
}

connection.addEventListener("state", () => {
  drawLink();
  // A monitor that came back may have forgotten the session, or may be another one.
  if (connection.state === "live") loadSession().catch(() => {});
});
connection.addEventListener("change", ({ detail }) => detail.overview && take(detail));

function take({ overview: { questions, letters, agents }, alerts: active }) {
  Object.assign(figures, { questions, letters, lost: agents.lost ?? 0, alerts: loud(active).length });
  drawNav();
}

// --- theme, session, keys ---

const themeButton = document.getElementById("theme");
const THEMES = { "": "Auto", light: "Light", dark: "Dark" };
function drawTheme() {
  const chosen = document.documentElement.dataset.theme ?? "";
  themeButton.textContent = THEMES[chosen];
  themeButton.setAttribute("aria-label", `Theme: ${THEMES[chosen]}`);
  repaint();
}
themeButton.onclick = () => {
  const order = Object.keys(THEMES);
  const next = order[(order.indexOf(document.documentElement.dataset.theme ?? "") + 1) % order.length];
  if (next) document.documentElement.dataset.theme = next;
  else delete document.documentElement.dataset.theme;
  localStorage.setItem("pepperpy.theme", next);
  drawTheme();
};

const sessionButton = document.getElementById("session");
addEventListener("session", () => {
  sessionButton.hidden = !session.can_log_in;
  sessionButton.textContent = session.csrf ? "Sign out" : "Sign in";
});
sessionButton.onclick = async () => {
  if (session.csrf) {
    await logout();
    tell("Signed out.");
  } else if (await signIn()) {
    tell("Signed in: this browser may act.");
  }
};
addEventListener("sign-in", () => signIn());

const keys = LIST.map(([path, view, letter]) => [letter, path, view.title]);
keyboard(keys, (address) => router.go(address));
document.getElementById("help").onclick = () => help(keys);
menu.onclick = () => open(document.body.dataset.menu !== "open");
document.getElementById("find").onsubmit = (event) => {
  event.preventDefault();
  const text = event.target.elements.q.value.trim();
  event.target.elements.q.blur();
  router.go(text ? `/tasks?q=${encodeURIComponent(text)}` : "/tasks");
};

drawTheme();
drawLink();
connection.start();
loadSession().catch(() => {});
get("/api/overview").then(take).catch(() => {});
router.start();
