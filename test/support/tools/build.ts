import { basename } from "node:path";
import { onPath } from "../requirements.ts";
import { CACHE } from "./cache.ts";
import { build, isBuilt, TOOLS } from "./tools.ts";

const say = (line: string) => process.stdout.write(`test-tools: ${line}\n`);

// `npm run test-tools [-- NAME...]`: with names, only these.
const names = process.argv.slice(2);
const unknown = names.filter((name) => !TOOLS.some((tool) => tool.name === name));
if (unknown.length > 0) {
  say(`there is no ${unknown.join(", ")}; there are ${TOOLS.map(({ name }) => name).join(", ")}`);
  process.exitCode = 2;
} else {
  const missing: string[] = [];
  for (const tool of TOOLS) {
    if (isBuilt(tool) || (names.length > 0 && !names.includes(tool.name))) continue;
    const startMs = performance.now();
    say(`building ${tool.name} ${tool.version}`);
    try {
      build(tool);
      say(`built ${tool.name} in ${Math.round((performance.now() - startMs) / 1000)} s`);
    } catch (error) {
      say(`cannot build ${tool.name}: ${(error as Error).message}`);
      const isElsewhere = tool.files.every((file) => file.startsWith("bin/") && onPath(basename(file)));
      if (isElsewhere) say(`taking ${tool.name} from PATH, whatever its version`);
      else missing.push(tool.name);
    }
  }
  if (missing.length === 0) say(`all there, in ${CACHE}`);
  else {
    say(`missing: ${missing.join(", ")}`);
    process.exitCode = 2;
  }
}
