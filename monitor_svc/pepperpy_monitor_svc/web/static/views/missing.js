// An address that means nothing.

import { h } from "../kit/dom.js";
import { title } from "../kit/parts.js";

export default {
  title: "Not found",
  open: () => ({
    draw: () => [title("There is no such page"), h("p", null, "The address may be of another version. ", h("a", { href: "/" }, "Go to the overview"))],
  }),
};
