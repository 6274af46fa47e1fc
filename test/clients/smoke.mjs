// ioredis' Cluster through a failover. Usage: node smoke.mjs HOST:PORT STAGE
//
// STAGE is a directory of event files; see protocol.go. The last line printed
// is a summary; the exit status is 0 if every acknowledged write could be read.
import { existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

// ioredis is installed in the working directory, not beside this file.
const require = createRequire(join(process.cwd(), "package.json"));
const { Cluster } = require("ioredis");
const { version } = require("ioredis/package.json");

const [address, stage] = process.argv.slice(2);
const [host, port] = [address.slice(0, address.lastIndexOf(":")), Number(address.slice(address.lastIndexOf(":") + 1))];
const happened = (event) => existsSync(join(stage, event));
const announce = (event) => writeFileSync(join(stage, event), "");
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const cluster = new Cluster([{ host, port }], {
  clusterRetryStrategy: (times) => Math.min(50 * times, 500),
  redisOptions: { connectTimeout: 3000, commandTimeout: 3000 },
});
cluster.on("error", () => {}); // each failed command is counted below

const fail = (text) => {
  console.log(text);
  process.exit(1);
};

// A busy machine can cost a leader its place; these writes may be repeated.
const insist = async (key, value, tries = 100) => {
  for (;;) {
    try {
      return await cluster.set(key, value);
    } catch (e) {
      if (--tries === 0) fail(`${key}: ${e}`);
      await sleep(20);
    }
  }
};
await Promise.all(Array.from({ length: 1000 }, (_, i) => insist(`js:${i}`, `v${i}`)));
for (let i = 0; i < 1000; i++) {
  const got = await cluster.get(`js:${i}`);
  if (got !== `v${i}`) fail(`js:${i} is ${got}`);
}

// Each key is written once, so a retried write cannot undo another one.
let seq = 0, failed = 0, inARow = 0;
const errors = {};
const began = Date.now();
while (!happened("stop")) {
  if (Date.now() - began > 120_000) fail("nobody said stop");
  for (;;) {
    try {
      await cluster.set(`js:w:${seq}`, seq);
      break;
    } catch (e) {
      failed++;
      inARow = 0;
      const kind = String(e.message).split(" ")[0];
      errors[kind] = (errors[kind] ?? 0) + 1;
      if (happened("stop")) fail(`still failing when told to stop: ${e}`);
      await sleep(50);
    }
  }
  seq++;
  if (seq === 200) announce("writing");
  inARow = happened("killed") ? inARow + 1 : 0;
  if (inARow === 50) announce("resumed");
}

const lost = [];
for (let k = 0; k < seq; k++) if ((await cluster.get(`js:w:${k}`)) !== String(k)) lost.push(`w:${k}`);
for (let i = 0; i < 1000; i++) if ((await cluster.get(`js:${i}`)) !== `v${i}`) lost.push(i);
console.log(`ioredis ${version}: acknowledged ${seq}, failed attempts ${failed} ${JSON.stringify(errors)}, lost ${lost.length} ${lost.slice(0, 5)}`);
cluster.disconnect();
process.exit(lost.length ? 1 : 0);
