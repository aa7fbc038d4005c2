/** What V8 names so: no function, or one that is written in no file. */
const UNWRITTEN: Readonly<Record<string, string>> = {
  "(garbage collector)": "garbage collector, on the main thread",
  "(program)": "Node starting, and other native code",
  read: "reading: the kernel copies",
};

/**
 * The room of docs/architecture.md that a function belongs to.
 *
 * @param source where it is written, below the repository's root, or in Node (`node:...`); null: nowhere
 */
export function roomOf(source: string | null, name: string): string {
  if (source === null) return UNWRITTEN[name] ?? "Node";
  if (source.startsWith("node:")) return "Node";
  const [top = "", next] = source.split("/");
  if (top === "node_modules") return "packages of npm";
  if (top === "test") return "the bench's own, and what it generates";
  if (top !== "src" && top !== "collectors") return `\`${top}\``;
  return next === undefined || next.endsWith(".ts") ? `\`${top}/*.ts\`` : `\`${top}/${next}\``;
}
