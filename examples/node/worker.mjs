// A worker in Node: pulls the tasks of one topic, one at a time, and answers each of them once.
//   node worker.mjs [TOPIC]
import { setTimeout as sleep } from "node:timers/promises";
import { Match } from "@nats-io/transport-node";
import { connectBus, consumerOf, prefix, stream } from "./bus.mjs";

// Your work goes here: what it returns is the result, what it throws is the error.
async function handle({ text, seconds = 0 }) {
  await sleep(seconds * 1_000);
  return { text: text.toUpperCase(), by: "node" };
}

async function outcome(task) {
  try {
    return JSON.stringify({ ok: true, data: await handle(task.json()) });
  } catch (error) {
    const message = String(error?.message ?? error);
    return JSON.stringify({ ok: false, error: { code: "handler_error", message } });
  }
}

// The sender's id from the header or the subject, else the task's place in the stream.
function idOf(task) {
  const id = task.headers?.get("Pp-Id", Match.IgnoreCase) || task.subject.split(".")[3] || "";
  return /^[A-Za-z0-9_-]{1,64}$/.test(id) ? id : `${stream}-${task.seq}`;
}

async function answer(task) {
  const options = { expect: { lastSubjectSequence: 0 }, retries: 7 }; // the first result wins
  const sent = js.publish(`${prefix}.result.${idOf(task)}`, await outcome(task), options);
  await sent.catch((error) => { if (error.code !== 10071) throw error; }); // 10071: there is one
  await task.ackAck();
}

const { nc, js } = await connectBus();
const consumer = await consumerOf(js, process.argv[2] ?? "upper");
const pause = (error) => { console.error(error.message); return sleep(1_000); };

// A signal lets the running task finish; a pull that waits for the broker to return is given up.
let running = true, task = null;
const stop = () => { running = false; setTimeout(() => task || nc.close(), 3_000).unref(); };
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, stop);
while (running) {
  task = await consumer.next({ expires: 2_000 }).catch(pause);
  if (!task) continue;
  const pulse = setInterval(() => task.working(), 10_000); // or it is another's after 30 s
  await answer(task).catch((error) => { task.nak(5_000); return pause(error); });
  clearInterval(pulse);
  task = null;
}
await nc.close();
