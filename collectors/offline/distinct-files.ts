import { realpathSync } from "node:fs";

/** The paths without those that name the same file again, and a line for people about each of these; `-` is standard input. */
export function distinctFiles(paths: readonly string[]): {
  readonly files: readonly string[];
  readonly again: readonly string[];
} {
  const firsts = new Map<string, string>();
  const again: string[] = [];
  for (const path of paths) {
    const real = realPath(path);
    const first = firsts.get(real);
    if (first === undefined) firsts.set(real, path);
    else again.push(`${path}: ${first === path ? "is named twice" : `is the same file as ${first}`}, and read once`);
  }
  return { files: [...firsts.values()], again };
}

function realPath(path: string): string {
  try {
    return path === "-" ? path : realpathSync(path);
  } catch {
    return path;
  }
}
