// Elements out of data, and a page changed into what it should be without losing focus or place.
//
// A view draws everything anew; `morph` keeps the nodes that are there. Strings become text nodes
// and nothing else: there is no way from here to markup.

const SVG = "http://www.w3.org/2000/svg";

/** Makes an HTML element; children are nodes, texts, numbers, lists of these, or nothing. */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** Makes an SVG element. */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "key") node.key = String(value);
    else if (name === "widget") {
      node.widget = value;
      node.dataset.widget = "";
    }
    else if (name.startsWith("on")) listen(node, name, value);
    else if (name === "style") for (const [key, of] of Object.entries(value)) node.style.setProperty(key, of);
    else if (name === "value" || name === "checked") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  append(node, children);
  // The value of a list of choices can be set only when the choices are there.
  if (node.localName === "select" && props?.value !== undefined) node.value = props.value;
  return node;
}

function append(node, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(node, child);
    else node.append(child);
  }
}

function listen(node, name, handler) {
  node[name] = handler;
  (node.listens ??= new Set()).add(name);
}

/** Changes the children of `root` into `wanted`, one node or a list of them. */
export function show(root, wanted) {
  const holder = document.createDocumentFragment();
  append(holder, [wanted]);
  morphChildren(root, holder);
}

function morph(old, wanted) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== wanted.data) old.data = wanted.data;
    return;
  }
  morphAttributes(old, wanted);
  old.key = wanted.key;
  for (const name of new Set([...(old.listens ?? []), ...(wanted.listens ?? [])])) {
    listen(old, name, wanted[name]);
  }
  if (old.widget && wanted.widget) old.widget.adopt(wanted.widget);
  else morphChildren(old, wanted);
  morphValue(old, wanted);
}

function morphAttributes(old, wanted) {
  for (const { name } of [...old.attributes]) {
    // What a reader has opened stays open.
    if (!wanted.hasAttribute(name) && name !== "style" && !(old.localName === "details" && name === "open")) {
      old.removeAttribute(name);
    }
  }
  for (const { name, value } of wanted.attributes) {
    if (name !== "style" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  // The attribute is refused by the page's policy; the object behind it is not.
  if (old.style && !old.widget && old.style.cssText !== wanted.style.cssText) old.style.cssText = wanted.style.cssText;
}

function morphValue(old, wanted) {
  if (!["input", "select", "textarea"].includes(old.localName)) return;
  if (old.type === "checkbox" || old.type === "radio") old.checked = wanted.checked;
  // Nobody is interrupted while he types.
  else if (document.activeElement !== old && old.value !== wanted.value) old.value = wanted.value;
}

function same(old, wanted) {
  return old.nodeName === wanted.nodeName && old.key === wanted.key && !old.widget === !wanted.widget;
}

function morphChildren(old, wanted) {
  const keyed = new Map();
  for (const child of old.childNodes) if (child.key !== undefined) keyed.set(child.key, child);
  let place = old.firstChild;
  for (const child of [...wanted.childNodes]) {
    const known = child.key === undefined ? place : keyed.get(child.key);
    if (known && same(known, child)) {
      if (known === place) place = place.nextSibling;
      else old.insertBefore(known, place);
      morph(known, child);
    } else {
      old.insertBefore(child, place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    release(place);
    place.remove();
    place = next;
  }
}

/** Ends what widgets have begun: they observe sizes, and are drawn again with the theme. */
function release(node) {
  node.widget?.close();
  for (const inner of node.querySelectorAll?.("[data-widget]") ?? []) inner.widget.close();
}
