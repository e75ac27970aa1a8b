// BullMQ: concurrency 100, completed and failed jobs removed, otherwise its defaults. The shape and the marks are those
// of shape.py and marks.py, in Node.
import { openSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(process.env.BENCH_MODULES, "package.json"));
const { Queue, Worker } = require("bullmq");
const connection = { host: "127.0.0.1", port: Number(process.env.BENCH_REDIS_PORT), maxRetriesPerRequest: null };
const options = { removeOnComplete: true, removeOnFail: true };
const now = () => process.hrtime.bigint();

const [, , action, kind, count] = process.argv;
if (action === "worker") await work();
else await enqueue(Number(count));

async function enqueue(count) {
  const queue = new Queue("bench", { connection, defaultJobOptions: options });
  if (kind === "probe") {
    const begun = performance.now();
    for (let number = 0; number < count; number++) {
      await new Promise((resume) => setTimeout(resume, Math.max(begun + number * 20 - performance.now(), 0)));
      await queue.add(kind, { argument: Number(now()) });
    }
  } else {
    for (let start = 0; start < count; start += 1000) {
      const size = Math.min(1000, count - start);
      await queue.addBulk(Array.from({ length: size }, (_, i) => ({ name: kind, data: { argument: start + i } })));
    }
  }
  await queue.close();
}

async function work() {
  const file = openSync(path.join(process.env.BENCH_MARKS, String(process.pid)), "w");
  const memory = Buffer.alloc(32 + 65536 * 8);
  let ended = 0, first = 0n, last = 0n, probes = 0, written = -1;
  setInterval(() => {
    if (written === ended + probes) return;
    written = ended + probes;
    [BigInt(ended), first, last, BigInt(probes)].forEach((value, i) => memory.writeBigUInt64LE(value, i * 8));
    writeSync(file, memory, 0, 32 + probes * 8, 0);
  }, 5);
  const handlers = {
    noop: async () => { begin(); end(); },
    sleep: async () => { begin(); await new Promise((resume) => setTimeout(resume, 10)); end(); },
    probe: async (sent) => {
      memory.writeBigUInt64LE(now() - BigInt(sent), 32 + 8 * probes++);
    },
  };
  function begin() { first ||= now(); }
  function end() { ended++; last = now(); }
  new Worker("bench", (job) => handlers[job.name](job.data.argument), { connection, concurrency: 100 });
}
