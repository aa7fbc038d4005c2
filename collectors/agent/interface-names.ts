import { OperationalError } from "../runtime/errors.ts";

/**
 * The interfaces that names and patterns (`*` for any letters) stand for, each once, but those excluded. A name stands for
 * itself whether it is there or not. Throws an OperationalError for a pattern that stands for none of `present`.
 */
export function interfaceNames(
  wanted: readonly string[],
  excluded: readonly string[],
  present: readonly string[],
): readonly string[] {
  const isLeftOut = (name: string) => excluded.some((pattern) => matches(pattern, name));
  const found = wanted.flatMap((pattern) => {
    if (!pattern.includes("*")) return isLeftOut(pattern) ? [] : [pattern];
    const names = present.filter((name) => matches(pattern, name) && !isLeftOut(name));
    if (names.length > 0) return names;
    throw new OperationalError("no-interface", `no interface is called ${pattern}; \`ip link\` lists those there are`);
  });
  if (wanted.length > 0 && found.length === 0) {
    throw new OperationalError("no-interface", "exclude.interfaces leaves no interface to capture on");
  }
  return [...new Set(found)];
}

function matches(pattern: string, name: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(name);
}
