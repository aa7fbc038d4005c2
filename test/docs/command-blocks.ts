import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Stands above a block that is not run, with the reason, or that a test of its own reads out of the page. */
const MARK = /<!-- (?:not executed: [^>]+|run by (test\/\S+\.test\.ts)) -->\n*$/;
/** What a line of a shell begins with here. An indented block that begins otherwise is a piece of a file, or output. */
const COMMAND =
  /^(\$ )?(rejoin|npx|npm|node|curl|kubectl|systemctl|systemd-analyze|sh|bash|ip|nft|tc|docker|helm|setpriv|apt-get|python3|java|jq|sysctl|install|test\/\S+|[A-Z_]+=\S+) /;

/** Commands as a page has them, to be typed into a shell. */
export interface CommandBlock {
  /** The page's path in the tree, and the heading above the block. */
  readonly page: string;
  readonly heading: string;
  readonly commands: string;
  /** A fence of `sh`; else an indented block. */
  readonly isFenced: boolean;
  /** It says why it is not run here. */
  readonly isMarked: boolean;
}

/** Headings whose blocks `test/e2e/newcomer.test.ts` runs, by page: as they stand, one after the other. */
const FOLLOWED: Readonly<Record<string, readonly string[]>> = {
  "README.md": ["Read captures", "Agent and collector", "Kafka"],
  "docs/operations.md": ["Before it starts", "A look at a running collector"],
};

/** Whether `test/e2e/newcomer.test.ts` runs a block. */
export function isFollowed({ page, heading }: CommandBlock): boolean {
  return FOLLOWED[page]?.includes(heading) ?? false;
}

/** Pages whose blocks are looked at: all that stand in the tree for people. */
export function pages(): string[] {
  const docs = readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" });
  const found = docs.filter((path) => path.endsWith(".md")).map((path) => `docs/${path}`);
  return ["README.md", "CONTRIBUTING.md", "SECURITY.md", ...found.sort()];
}

/** The blocks of commands of a page, in their order. */
export function commandBlocks(page: string): CommandBlock[] {
  const text = readFileSync(join(ROOT, page), "utf8");
  const fences = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];
  const isInFence = (at: number) => fences.some(({ index, 0: all }) => at >= index && at < index + all.length);
  const indented = [...text.matchAll(/(?<=^\n)(?: {4}.*\n)(?:(?: {4}.*)?\n(?= {4}|\n {4}|$))*(?: {4}.*\n)*/gm)].filter(
    ({ index }) => !isInFence(index),
  );
  const found = [
    ...fences
      .filter(([, language]) => language === "sh")
      .map(({ index, 2: body = "" }) => ({ index, body, isFenced: true })),
    ...indented.map(({ index, 0: body }) => ({ index, body: body.replace(/^ {4}/gm, ""), isFenced: false })),
  ];
  return found
    .filter(({ body, isFenced }) => isFenced || COMMAND.test(`${body.split("\n", 1)[0]} `))
    .toSorted((a, b) => a.index - b.index)
    .map(({ index, body, isFenced }) => {
      const before = text.slice(0, index);
      const [, heading = ""] = [...before.matchAll(/^#+ (.*)$/gm)].at(-1) ?? [];
      const mark = MARK.exec(before);
      const isMarked = mark !== null && (mark[1] === undefined || existsSync(join(ROOT, mark[1])));
      return { page, heading, commands: body, isFenced, isMarked };
    });
}
