// The runner protocol in Node.js without packages: nearest class mean, with probabilities (FORMAT.md).
//
//   command = ["node", "scripts/runners/nearest_mean_runner.mjs"]
//   version = ["node", "--version"]
import { readSync, writeSync } from "node:fs";

/** Reads exactly `length` bytes; ends the process when the harness has gone. */
function read(length) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    let got = 0;
    try {
      got = readSync(0, bytes, at, length - at, null);
    } catch (error) {
      if (error.code === "EAGAIN") continue;
      throw error;
    }
    if (got === 0) process.exit(0);
    at += got;
  }
  return bytes;
}

function write(header, payload = Buffer.alloc(0)) {
  const text = Buffer.from(JSON.stringify(header));
  const lengths = Buffer.alloc(12);
  lengths.writeUInt32LE(text.length, 0);
  lengths.writeBigUInt64LE(BigInt(payload.length), 4);
  const bytes = Buffer.concat([lengths, text, payload]);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

function fit({ rows, columns, classes }, payload) {
  const means = Array.from({ length: classes }, () => new Float64Array(columns));
  const counts = new Array(classes).fill(0);
  for (let row = 0; row < rows; row++) {
    const label = payload.readUInt32LE(4 * (rows * columns + row));
    counts[label]++;
    for (let j = 0; j < columns; j++) means[label][j] += payload.readFloatLE(4 * (row * columns + j));
  }
  means.forEach((mean, k) => mean.forEach((sum, j) => (mean[j] = sum / counts[k])));
  return means;
}

function predict(means, { rows, columns }, payload) {
  const reply = Buffer.alloc(4 * rows * (1 + means.length));
  for (let row = 0; row < rows; row++) {
    const scores = means.map((mean) => {
      let distance = 0;
      for (let j = 0; j < columns; j++) {
        distance += (payload.readFloatLE(4 * (row * columns + j)) - mean[j]) ** 2;
      }
      return -distance / 2;
    });
    const top = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - top));
    const sum = weights.reduce((a, b) => a + b);
    reply.writeUInt32LE(scores.indexOf(top), 4 * row);
    weights.forEach((w, k) => reply.writeFloatLE(w / sum, 4 * (rows + row * means.length + k)));
  }
  return reply;
}

let means = [];
for (;;) {
  const lengths = read(12);
  const header = JSON.parse(read(lengths.readUInt32LE(0)).toString());
  const payload = read(Number(lengths.readBigUInt64LE(4)));
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  if (header.op === "hello") {
    write({ protocol: 1, name: "nearest class mean", version: process.version });
  } else if (header.op === "fit") {
    means = fit(header, payload);
    write({ seconds: seconds() });
  } else if (header.op === "predict") {
    const reply = predict(means, header, payload);
    write({ probabilities: true, seconds: seconds() }, reply);
  } else {
    write({ error: `unknown op ${header.op}` });
  }
}
