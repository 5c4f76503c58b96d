// The matrix's client on kafkajs. What it does is told in ../python/contract.py.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

// The packages lie where scripts/install-test-peers has put them, not beside this file.
const require = createRequire(`${process.env.NODE_PACKAGES}/`);
const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = require("kafkajs");
const lz4 = require("lz4-napi");
const zstd = require("@bokuweb/zstd-wasm");

const TYPES = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};
// kafkajs itself has gzip only; the others are the user's to bring.
CompressionCodecs[TYPES.snappy] = require("kafkajs-snappy");
CompressionCodecs[TYPES.lz4] = codec(lz4.compressFrame, lz4.decompressFrame);
CompressionCodecs[TYPES.zstd] = codec(zstd.compress, zstd.decompress);

function codec(compress, decompress) {
  return () => ({
    compress: async (encoder) => Buffer.from(await compress(encoder.buffer)),
    decompress: async (buffer) => Buffer.from(await decompress(buffer)),
  });
}

const bytes = (text) => (text === null ? null : Buffer.from(text, "base64"));
const text = (data) => (data === null || data === undefined ? null : data.toString("base64"));
const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

/** A header that occurs more than once is a list; one of null has no other form. */
function headersOf(pairs) {
  const headers = {};
  for (const [name, value] of pairs) (headers[name] ??= []).push(bytes(value));
  for (const name in headers) if (headers[name].length === 1) headers[name] = headers[name][0];
  return headers;
}

function pairsOf(headers) {
  return Object.entries(headers ?? {}).flatMap(([name, values]) => [values].flat().map((value) => [name, text(value)]));
}

async function produce(kafka, transactionalId) {
  const producers = {};
  const transactions = {};
  let batch = [];

  async function producerOf(compression) {
    if (!producers[compression]) {
      const settings = { idempotent: true, maxInFlightRequests: 1 };
      if (transactionalId) settings.transactionalId = `${transactionalId}-${compression}`;
      producers[compression] = kafka.producer(settings);
      await producers[compression].connect();
    }
    return producers[compression];
  }

  /** One request for all neighbours that may go together: that is how kafkajs makes a batch. */
  async function send() {
    if (batch.length === 0) return;
    const { topic, compression } = batch[0];
    const producer = await producerOf(compression);
    if (transactionalId) transactions[compression] ??= await producer.transaction();
    const messages = batch.map((step) => ({
      partition: step.partition,
      key: bytes(step.key),
      value: bytes(step.value),
      headers: headersOf(step.headers),
      timestamp: String(step.timestamp),
    }));
    const acks = -1;
    const sender = transactions[compression] ?? producer;
    const [stored] = await sender.send({ topic, compression: TYPES[compression], messages, acks });
    batch.forEach((_, index) => tell({ offset: Number(stored.baseOffset) + index }));
    batch = [];
  }

  for await (const line of createInterface({ input: process.stdin })) {
    const step = JSON.parse(line);
    const together = ["topic", "partition", "compression"].every((name) => batch[0]?.[name] === step[name]);
    if (!together) await send();
    if (step.end) {
      await transactions[step.compression][step.end]();
      delete transactions[step.compression];
    } else {
      batch.push(step);
    }
  }
  await send();
  for (const producer of Object.values(producers)) await producer.disconnect();
}

async function consume(kafka, asked) {
  const consumer = kafka.consumer({ groupId: asked.group, readUncommitted: asked.isolation === "read_uncommitted" });
  await consumer.connect();
  await consumer.subscribe({ topics: asked.topics.split(","), fromBeginning: true });
  const ends = new Map();
  let count = 0;
  await new Promise((resolve, reject) => {
    const late = () => reject(new Error(`${count} records came, ${asked.count} are expected`));
    const timer = setTimeout(late, Number(asked["timeout-s"]) * 1000);
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    const eachMessage = async ({ topic, partition, message }) => {
      const { offset, key, value, headers, timestamp } = message;
      const at = { topic, partition, offset: Number(offset), timestamp: Number(timestamp) };
      tell({ ...at, key: text(key), value: text(value), headers: pairsOf(headers) });
      ends.set(`${topic}/${partition}`, { topic, partition, offset: String(BigInt(offset) + 1n) });
      if (++count === Number(asked.count)) {
        clearTimeout(timer);
        resolve();
      }
    };
    consumer.run({ autoCommit: false, eachMessage }).catch(reject);
  });
  await consumer.commitOffsets([...ends.values()]);
  await consumer.disconnect();
}

const options = Object.fromEntries(
  ["bootstrap", "transactional-id", "topics", "group", "isolation", "protocol", "count", "timeout-s"].map((name) => [
    name,
    { type: "string" },
  ]),
);
const { values: asked, positionals } = parseArgs({ options, allowPositionals: true });
tell({ version: `kafkajs ${require("kafkajs/package.json").version}` });
await zstd.init();
const kafka = new Kafka({ brokers: [asked.bootstrap], logLevel: logLevel.ERROR });
if (positionals[0] === "consume") {
  await consume(kafka, asked);
} else {
  await produce(kafka, asked["transactional-id"]);
}
