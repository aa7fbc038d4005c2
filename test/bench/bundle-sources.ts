import { SourceMap } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { type OutputOptions, type RolldownOptions, rolldown } from "rolldown";
import type { SourceOf } from "./shares.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/**
 * Tells where functions of the programs that rolldown has bundled are written. It bundles them once more, in memory, for the
 * maps of sources that the bundles in dist/ come without. A file that comes from no bundle is its own source.
 */
export async function bundleSources(root = ROOT): Promise<SourceOf> {
  const config = (await import(new URL("rolldown.config.mjs", `file://${root}`).href)) as { default: Settings[] };
  const maps = new Map<string, SourceMap>();
  for (const settings of config.default) {
    const bundle = await rolldown({ ...settings, cwd: root });
    const { output } = await bundle.generate({ ...settings.output, sourcemap: "hidden" });
    await bundle.close();
    for (const file of output) {
      if (file.type !== "chunk" || file.map === null) continue;
      const { mappings, names, sources } = file.map;
      const payload = { version: 3, file: file.fileName, sourceRoot: "", sourcesContent: [], mappings, names, sources };
      maps.set(resolve(root, settings.output.dir, file.fileName), new SourceMap(payload));
    }
  }
  return (url, line, column) => {
    if (url.startsWith("node:")) return url;
    // There is no other WebAssembly.
    if (url.startsWith("wasm:")) return "src/octets/kernel.wat";
    if (!url.startsWith("file:")) return null;
    const path = fileURLToPath(url);
    const entry = maps.get(path)?.findEntry(line, column);
    const source = entry !== undefined && "originalSource" in entry ? join(dirname(path), entry.originalSource) : path;
    const [, installed] = /.*[/\\](node_modules[/\\].*)$/.exec(source) ?? [];
    return (installed ?? relative(root, source)).split(sep).join("/");
  };
}

/** As rolldown.config.mjs has them. */
type Settings = RolldownOptions & { readonly output: OutputOptions & { readonly dir: string } };
