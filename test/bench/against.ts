import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { FOLDER } from "./files.ts";
import { median } from "./measure.ts";
import { numberText, type RowResult } from "./result.ts";

/** Each commit runs the rows so many times, in turn with the other. */
const TURNS = 3;
const RUN = "dist/test/bench/run.js";
const LOCK = "package-lock.json";

/** What a row told of one thing, by turn. */
type Figures = Map<string, number[]>;

/**
 * Measures rows of this tree and of another commit in turn, and returns a Markdown table of the medians and their ratios.
 * The other commit is built in a worktree of its own, which goes away again. Throws with a line for a person when there is
 * no such commit, or a row fails there.
 */
export function compare(commit: string, rows: readonly string[]): string {
  const { status } = spawnSync("git", ["rev-parse", "--verify", "--quiet", `${commit}^{commit}`]);
  if (status !== 0) throw new Error(`there is no commit ${commit} to compare with; see git log`);
  const other = mkdtempSync(join(tmpdir(), "rejoin-bench-"));
  try {
    run(".", "git", "worktree", "add", "--detach", "--force", other, commit);
    build(other);
    const lines = rows.flatMap((row) => compareRow(commit, other, row));
    return [`| row | | ${commit} | this tree | ratio |`, "|---|---|---:|---:|---:|", ...lines, ""].join("\n");
  } finally {
    spawnSync("git", ["worktree", "remove", "--force", other]);
    rmSync(other, { recursive: true, force: true });
  }
}

function build(other: string): void {
  // Packages of another lock file are installed there; the same ones need not be.
  if (readFileSync(LOCK, "utf8") === readFileSync(join(other, LOCK), "utf8")) {
    symlinkSync(resolve("node_modules"), join(other, "node_modules"));
  }
  run(other, process.execPath, ".ci/prepare.mjs");
  // Captures are written once; results are its own.
  mkdirSync(join(other, FOLDER));
  const files = existsSync(FOLDER) ? readdirSync(FOLDER, { withFileTypes: true }) : [];
  for (const file of files) {
    if (file.isFile() && file.name !== "results.json")
      symlinkSync(resolve(FOLDER, file.name), join(other, FOLDER, file.name));
  }
}

function compareRow(commit: string, other: string, row: string): string[] {
  const [there, here]: [Figures, Figures] = [new Map(), new Map()];
  for (let turn = 0; turn < TURNS; turn++) {
    measureIn(other, row, there);
    measureIn(".", row, here);
    process.stderr.write(`bench: ${row}: ${turn + 1} of ${TURNS} turns of ${commit} and this tree\n`);
  }
  return [...here].flatMap(([what, values]) => {
    const before = there.get(what);
    if (before === undefined) return [];
    const [old, now] = [median(before), median(values)];
    return [`| \`${row}\` | ${what} | ${numberText(old)} | ${numberText(now)} | ${(now / old).toFixed(2)} |`];
  });
}

function measureIn(tree: string, row: string, figures: Figures): void {
  // Status 1 is a target that was missed, which is no matter here.
  const { status } = spawnSync(process.execPath, [RUN, row], { cwd: tree, stdio: ["ignore", "ignore", "inherit"] });
  const kept = JSON.parse(readFileSync(join(tree, FOLDER, "results.json"), "utf8")) as RowResult[];
  const result = kept.find((one) => one.row === row);
  if ((status !== 0 && status !== 1) || result === undefined)
    throw new Error(`row ${row} cannot be measured in ${tree}`);
  for (const { what, value } of [...result.figures, ...result.claims]) {
    figures.set(what, [...(figures.get(what) ?? []), value]);
  }
}

/** Runs a program in a folder. Throws with its last line when it fails. */
function run(folder: string, program: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { cwd: folder, encoding: "utf8" });
  if (status === 0) return;
  const last = stderr?.trim().split("\n").at(-1) || error?.message || "failed";
  throw new Error(`${program} ${args.join(" ")}: ${last}`);
}
