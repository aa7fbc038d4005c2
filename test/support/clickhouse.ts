import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { pythonMissing, pythonWith } from "./python.ts";

/** ClickHouse in a process, without a server. */
const PACKAGE = "chdb-core==26.9.0";
const PROGRAM = fileURLToPath(new URL("clickhouse.py", import.meta.url));

/** Fetches ClickHouse, as a Python package; returns why it cannot be had, undefined when it can. */
export function clickHouseMissing(): string | undefined {
  return pythonMissing(PACKAGE);
}

/** Runs statements in an empty database, then queries; the rows of each. Throws with what ClickHouse says. */
export function clickHouse(statements: readonly string[], queries: readonly string[]): Record<string, unknown>[][] {
  const input = JSON.stringify({ statements, queries });
  const { status, stdout, stderr } = spawnSync(pythonWith(PACKAGE), [PROGRAM], {
    input,
    encoding: "utf8",
    timeout: 170_000,
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

/** Statements of a file of SQL. */
export function statementsIn(sql: string): string[] {
  return sql.split(/;\n/).filter((statement) => statement.trim() !== "");
}
