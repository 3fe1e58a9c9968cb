// A client in Node: asks a model, and prints its answer as it comes.
//   node ask.mjs [TEXT] [MODEL]
import { createInbox } from "@nats-io/transport-node";
import { connectBus, prefix } from "./bus.mjs";

const [content = "Say hello.", model = "default"] = process.argv.slice(2);
const { nc } = await connectBus();
const { inboxPrefix, user = "anon" } = nc.options;
// An inbox of its own: the service stops when nobody subscribes it any more.
const reply = createInbox(inboxPrefix);
const items = nc.subscribe(reply);
const silence = setTimeout(() => items.unsubscribe(), 15_000); // a sign of life comes every 5 s
const request = { model, messages: [{ role: "user", content }], no_restart: true };
nc.publish(`${prefix}.svc.provider.stream.${user}`, JSON.stringify(request), { reply });

let last = 0, end = null, error = "the answer is not whole";
for await (const item of items) {
  silence.refresh();
  if (item.headers) error = item.headers.get("Nats-Service-Error") || "nobody serves models";
  else if (!item.data.length && end) error = ""; // the true end
  if (item.headers || !item.data.length) break;
  const said = item.json();
  if (said.n !== (said.type === "keepalive" ? last : ++last)) break;
  if (said.type === "delta") process.stdout.write(said.text ?? "");
  if (said.type === "end") end = said;
}
console.log();
console.error(error || `${end.model}, ${end.usage.output_tokens} tokens`);
process.exit(error ? 1 : 0);
