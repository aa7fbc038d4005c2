import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where programs and schemas are that were built for tests, once a machine. */
export const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "rejoin-tools");

/** Programs that were built; the last place of PATH in tests, so that what a machine has of its own comes first. */
export const BIN = join(CACHE, "bin");

/** Schemas for kubeconform: the folder that REJOIN_KUBERNETES_SCHEMAS names, or those of the cache; undefined without. */
export function kubernetesSchemas(): string | undefined {
  const built = join(CACHE, "schemas");
  return process.env.REJOIN_KUBERNETES_SCHEMAS ?? (existsSync(join(built, "_definitions.json")) ? built : undefined);
}
