// A tool in Node: says what it takes when it is asked, and does what models ask it to.
//   node tool.mjs
import { headers, nuid } from "@nats-io/transport-node";
import { connectBus, prefix } from "./bus.mjs";

const tool = {
  name: "words.count",
  description: "Counts the words of a text.",
  schema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
  call({ text }) {
    if (typeof text !== "string") throw new Error("text is no string");
    return { words: text.split(/\s+/u).filter(Boolean).length };
  },
};

const { nc } = await connectBus();
const name = tool.name.replaceAll(".", "_"); // a token of the subject, and what models call it
const subject = `${prefix}.svc.tool.${name}.*`; // the last token is who calls, true by permission
const { description, schema } = tool;
const metadata = { tool: tool.name, description, schema: JSON.stringify(schema), timeout: "10" };
const about = { name: "tool", id: nuid.next(), version: "1.0.0", description: "", metadata: {} };
const endpoints = [{ name, subject, queue_group: "q", metadata }];

const callback = (_, asked) => {
  const type = `io.nats.micro.v1.${asked.subject.split(".")[1].toLowerCase()}_response`;
  asked.respond(JSON.stringify({ type, ...about, endpoints }));
};
for (const rest of ["", ".tool", `.tool.${about.id}`]) nc.subscribe(`$SRV.*${rest}`, { callback });

for await (const asked of nc.subscribe(subject, { queue: "q" })) {
  // Whoever names another subject than an inbox would have us write there.
  if (!asked.reply?.startsWith("_INBOX")) continue;
  try {
    const result = await tool.call(asked.json().arguments ?? {});
    asked.respond(JSON.stringify({ result }));
  } catch (error) {
    const told = headers();
    told.set("Nats-Service-Error-Code", "tool_failed");
    told.set("Nats-Service-Error", error.message);
    asked.respond("", { headers: told });
  }
}
