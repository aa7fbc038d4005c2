import { parseArgs } from "node:util";
import { Fuzz } from "./fuzz.ts";

// `npm run fuzz -- [--packets N] [--seed N] [--round N]`
const OPTIONS = { packets: { type: "string" }, seed: { type: "string" }, round: { type: "string" } } as const;

function given() {
  try {
    const { values } = parseArgs({ options: OPTIONS });
    if (Object.values(values).every((value) => /^\d{1,10}$/.test(value))) return values;
  } catch {
    // An option that there is not, or that lacks its value.
  }
  process.stderr.write("fuzz: write [--packets N] [--seed N] [--round N], whole numbers\n");
  process.exit(2);
}

const values = given();
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
