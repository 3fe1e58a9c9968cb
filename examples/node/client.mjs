// A client in Node: publishes one task, waits for its result, prints it.
//   node client.mjs [TOPIC] [JSON]
import { randomUUID } from "node:crypto";
import { connectBus, prefix } from "./bus.mjs";

const [topic = "upper", body = '{"text":"hello from node"}'] = process.argv.slice(2);
const id = randomUUID();

const { nc, js } = await connectBus();
// Before the task is out:
const results = nc.subscribe(`${prefix}.result.${id}`, { max: 1, timeout: 30_000 });
await js.publish(`${prefix}.task.${topic}.${id}`, body, { msgID: id, retries: 10 });
for await (const result of results) {
  console.log(result.string());
  process.exitCode = result.json().ok ? 0 : 1;
}
await nc.close();
