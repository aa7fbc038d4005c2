import { readFileSync } from "node:fs";
import { PerformanceObserver } from "node:perf_hooks";
import { PcapDecoder } from "../../src/capture-file/pcap-decoder.ts";
import { Pipeline } from "../../src/pipeline.ts";
import { PacketVector } from "../../src/vector.ts";

/**
 * `node dist/test/pipeline/garbage.js CAPTURE FROM TO [streams]`: takes a pcap file through a pipeline, both streams in order
 * where asked for, and prints how often garbage was collected while packets FROM to TO were processed, as JSON. In a
 * process of its own, where nobody else makes any.
 */
async function main([path = "", from, to, streams]: readonly string[]): Promise<void> {
  const block = new Uint8Array(readFileSync(path));
  const collections: number[] = [];
  new PerformanceObserver((list) => {
    for (const { startTime } of list.getEntries()) collections.push(startTime);
  }).observe({ entryTypes: ["gc"] });
  const pipeline = new Pipeline({
    observer: { name: "garbage", version: "0" },
    agents: null,
    partial: false,
    revisions: "ended",
    digest: false,
    octets: null,
    record: null,
    ...(streams === undefined ? {} : { chunk: () => {} }),
  });
  const vector = new PacketVector();
  vector.use(block);
  const decoder = new PcapDecoder();
  decoder.source = pipeline.addSource(path);
  const [first, last] = [Number(from), Number(to)];
  let begin = Number.POSITIVE_INFINITY;
  let end = Number.POSITIVE_INFINITY;
  let packets = 0;
  for (let at = 0; ; packets += vector.length) {
    vector.clear();
    at = decoder.decode(vector, at, block.length);
    if (vector.length === 0) break;
    if (packets <= first && packets + vector.length > first) begin = performance.now();
    if (packets <= last && packets + vector.length > last) end = performance.now();
    pipeline.process(vector);
  }
  // Entries come in a later turn.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const within = collections.filter((time) => time >= begin && time < end).length;
  process.stdout.write(`${JSON.stringify({ packets, within })}\n`);
}

await main(process.argv.slice(2));
