// What people do with ioredis' cluster client, against the port of a node (the first argument).
// Ends with 0 if everything came back as it should.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

// The library lies where tests/setup.sh has put it, not beside this file.
const require = createRequire(`${process.env.IOREDIS}/package.json`);
const { Cluster } = require("ioredis");

const [port, cores] = process.argv.slice(2).map(Number);
const cluster = new Cluster([{ host: "127.0.0.1", port }], { scaleReads: "all" });
const keys = (count) => Array.from({ length: count }, (_, number) => `io:${number}`);

await cluster.flushall();
assert.equal(cluster.nodes("master").length, cores);
await Promise.all(keys(1000).map((key, number) => cluster.set(key, number)));
const values = await Promise.all(keys(1000).map((key) => cluster.get(key)));
assert.deepEqual(values, keys(1000).map((_, number) => String(number)));

const pipeline = cluster.pipeline();
for (let number = 0; number < 200; number++) pipeline.incr("{tag}counter");
const replies = await pipeline.exec();
assert.deepEqual(replies.at(-1), [null, 200]);

await cluster.mset("{tag}a", 1, "{tag}b", 2);
assert.deepEqual(await cluster.mget("{tag}a", "{tag}b", "{tag}c"), ["1", "2", null]);
await assert.rejects(cluster.mset("a", 1, "b", 2), /CROSSSLOT|same slot/);

const perNode = await Promise.all(cluster.nodes("master").map((node) => node.dbsize()));
assert.equal(perNode.reduce((sum, count) => sum + count), cores * 1003);
cluster.disconnect();
