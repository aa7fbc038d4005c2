import { writeFileSync } from "node:fs";
import { JsonReporter } from "vitest/node";

/** Vitest's JSON report without the line that names its file, which `test.mjs` reads and removes. */
export default class JsonReport extends JsonReporter {
  async writeReport(report) {
    writeFileSync(this.ctx.config.outputFile.json, report);
  }
}
