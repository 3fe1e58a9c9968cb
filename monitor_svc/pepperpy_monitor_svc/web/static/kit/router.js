// Which view an address means, and going from one to another without loading the page again.

/** Compiles `/tasks/:id`; a match gives the decoded parts. */
function matcher(pattern) {
  const names = [];
  const source = pattern.replace(/:(\w+)/g, (_, name) => (names.push(name), "([^/]+)"));
  const expression = new RegExp(`^${source}/?$`);
  return (path) => {
    const found = expression.exec(path);
    if (!found) return null;
    try {
      return Object.fromEntries(names.map((name, place) => [name, decodeURIComponent(found[place + 1])]));
    } catch {
      return null;
    }
  };
}

export class Router {
  #routes;
  #enter;

  /** @param routes [pattern, view] pairs; @param enter called with (view, params, query). */
  constructor(routes, enter) {
    this.#routes = routes.map(([pattern, view]) => [matcher(pattern), view]);
    this.#enter = enter;
  }

  start() {
    addEventListener("popstate", () => this.#arrive());
    document.addEventListener("click", (event) => this.#click(event));
    this.#arrive();
  }

  /** Goes to an address of this page. */
  go(address) {
    if (address === location.pathname + location.search) return;
    history.pushState(null, "", address);
    this.#arrive();
  }

  /** Changes the query where one is: filters belong in the address, not in the history. */
  replace(query) {
    history.replaceState(null, "", location.pathname + query);
  }

  #click(event) {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest?.("a[href]");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.getAttribute("href").startsWith("#") || link.pathname.startsWith("/api/") || link.pathname.startsWith("/static/") || link.pathname === "/metrics") return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }

  #arrive() {
    for (const [match, view] of this.#routes) {
      const params = match(location.pathname);
      if (params) return this.#enter(view, params, new URLSearchParams(location.search));
    }
    return this.#enter(null, {}, new URLSearchParams());
  }
}
