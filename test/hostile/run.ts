import { CASES } from "./cases.ts";
import { writeCases } from "./write.ts";

// `npm run hostile -- DIR`
const [directory, ...more] = process.argv.slice(2);
if (directory === undefined || more.length > 0) {
  process.stderr.write("usage: npm run hostile -- DIRECTORY\n");
  process.exitCode = 2;
} else {
  writeCases(directory);
  for (const { name, about } of CASES) process.stdout.write(`${name.padEnd(32)}${about}\n`);
}
