// What worker.mjs and client.mjs share: settings from the environment, patience with restarts.
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const env = process.env;
export const prefix = env.PEPPERPY_BUS_PREFIX ?? "pp";
export const stream = `${prefix.toUpperCase()}_TASKS`;

export async function connectBus() {
  const urls = env.PEPPERPY_NATS_URL ?? env.NATS_URL ?? "nats://127.0.0.1:4222";
  const servers = urls.split(",").map((url) => new URL(url.trim()));
  const [{ username, password }] = servers;
  const nc = await connect({
    servers: servers.map(({ host }) => host),
    user: decodeURIComponent(username) || env.PEPPERPY_NATS_USER,
    pass: decodeURIComponent(password) || env.PEPPERPY_NATS_PASSWORD,
    inboxPrefix: env.PEPPERPY_NATS_INBOX_PREFIX ?? "_INBOX",
    maxReconnectAttempts: -1, // a broker that restarts is no reason to end
    pingInterval: 10_000, // a half-open link is noticed within 30 s
  });
  nc.closed().then((error) => { if (error) throw error; }); // refused for good: ends the process
  return { nc, js: jetstream(nc) };
}

// What hands out the tasks of a topic; the operator or a Python worker makes it.
export const consumerOf = (js, topic) => js.consumers.get(stream, `w_${topic}`).catch((error) => {
  console.error(`cannot pull w_${topic}: ${error.message}; is it there? The operator makes it:`);
  console.error(`  pepperpy bus apply --topic ${topic}`);
  process.exit(1);
});
