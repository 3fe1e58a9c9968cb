// A worker in Node: pulls the tasks of one topic and answers each of them once.
//   node worker.mjs [TOPIC]
import { setTimeout as sleep } from "node:timers/promises";
import { jetstream } from "@nats-io/jetstream";
import { Match } from "@nats-io/transport-node";
import { connectBus, prefix } from "./bus.mjs";

const topic = process.argv[2] ?? "upper";
const stream = `${prefix.toUpperCase()}_TASKS`;
const slots = 4; // tasks at once

// Your work goes here: what it returns is the result, what it throws is the error.
async function handle({ text, seconds = 0 }) {
  if (typeof text !== "string") throw new Error("text is missing");
  await sleep(seconds * 1000);
  return { text: text.toUpperCase(), by: "node" };
}

async function outcome(task) {
  let [code, category] = ["bad_payload", "input"];
  try {
    const input = task.json();
    [code, category] = ["handler_error", "task"];
    return { ok: true, data: await handle(input) };
  } catch (error) {
    return { ok: false, error: { code, category, message: String(error?.message ?? error), retryable: false } };
  }
}

// The sender's id from the header or the subject, else the task's place in the stream.
function idOf(task) {
  const id = task.headers?.get("Pp-Id", Match.IgnoreCase) || task.subject.split(".")[3] || "";
  return /^[A-Za-z0-9_-]{1,64}$/.test(id) ? id : `${stream}-${task.seq}`;
}

async function work(task) {
  const pulse = setInterval(() => task.working(), 10_000); // or it goes to another worker after 30 s
  try {
    const id = idOf(task);
    await js.publish(`${prefix}.result.${id}`, JSON.stringify(await outcome(task)), {
      msgID: `${id}:r:${task.info.deliveryCount}`,
      expect: { lastSubjectSequence: 0 }, // the first result wins
      retries: 10,
    }).catch((error) => { if (error.code !== 10071) throw error; }); // 10071: there is one already
    await task.ackAck();
  } catch (error) {
    console.error(`task ${task.seq} comes again: ${error.message}`);
    task.nak(5_000);
  } finally {
    clearInterval(pulse);
  }
}

async function pull() {
  while (!stopping) {
    try {
      const task = await consumer.next({ expires: 2_000 });
      if (task) await work(task);
    } catch (error) {
      if (nc.isClosed()) throw error;
      console.error(`no task: ${error.message}`);
      await sleep(1_000);
    }
  }
}

let stopping = false; // the first signal lets the running tasks finish, a second one ends at once
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => { stopping = true; });

const nc = await connectBus();
const js = jetstream(nc);
const consumer = await js.consumers.get(stream, `w_${topic}`);
console.log(`node works on ${topic}`);
await Promise.all(Array.from({ length: slots }, pull));
await nc.close();
