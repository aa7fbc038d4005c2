import { parseArgs } from "node:util";
import { Fuzz } from "./fuzz.ts";

// `npm run fuzz -- [--packets N] [--seed N] [--round N]`
const { values } = parseArgs({
  options: { packets: { type: "string" }, seed: { type: "string" }, round: { type: "string" } },
});
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const begun = performance.now();
const fuzz = new Fuzz(seed);
process.stdout.write(`seed ${seed}\n`);
if (values.round !== undefined) fuzz.round(Number(values.round));
else {
  const told = fuzz.run(Number(values.packets ?? 1_000_000), ({ packets, rounds, records, ...octets }) => {
    const seconds = ((performance.now() - begun) / 1000).toFixed(0);
    const [heap, tables] = [octets.heapOctets, octets.tableOctets].map(
      (count) => `${(count / 2 ** 20).toFixed(0)} MiB`,
    );
    process.stdout.write(
      `${packets} packets, ${rounds + 1} rounds, ${records} records, heap ${heap}, tables ${tables}, ${seconds} s\n`,
    );
  });
  process.stdout.write(
    `${told.packets} packets in ${told.rounds} rounds: no exception, no growth, all accounted for\n`,
  );
}
