import { writeFileSync } from "node:fs";
import { CAPTURES, provide } from "./captures.ts";
import { benchReading, table } from "./reading.ts";

/**
 * `npm run bench [-- NAME...]`: reads generated captures with rejoin, tcpdump and tshark in turn, prints the table that
 * the README shows and writes bench-data/results.json. `--data` only makes the captures. Returns the exit status: 1 when
 * rejoin read a capture wrong or missed its target.
 */
function main(args: readonly string[]): number {
  const names = args.filter((word) => word !== "--data");
  const unknown = names.find((name) => CAPTURES.every((capture) => capture.name !== name));
  if (unknown !== undefined) {
    process.stderr.write(`bench: there is no ${unknown}; choose from ${CAPTURES.map(({ name }) => name).join(", ")}\n`);
    return 2;
  }
  const chosen = CAPTURES.filter(({ name }) => names.length === 0 || names.includes(name));
  if (args.includes("--data")) {
    for (const capture of chosen) provide(capture);
    return 0;
  }
  const results = chosen.map(benchReading);
  writeFileSync("bench-data/results.json", `${JSON.stringify(results, null, 2)}\n`);
  process.stdout.write(table(results));
  return results.every(({ ratio, target, differences }) => ratio <= target && differences.length === 0) ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
