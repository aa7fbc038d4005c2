import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type AgentConfiguration, agentFaults } from "../../../schema/configuration/agent.ts";
import { keyText } from "../../runtime/configuration-fault.ts";
import { OperationalError } from "../../runtime/errors.ts";
import { resolveDestination } from "../destination.ts";
import { agentConfig } from "../setup.ts";
import { nftRuleset } from "./nft-rules.ts";
import { mirrorPlan } from "./plan.ts";
import { CLEANING_SCRIPT, mirrorScript } from "./script.ts";
import { tcCommands } from "./tc-rules.ts";

const PATIENCE_MS = 60_000;

/**
 * The rules that an agent of this configuration has its kernel copy by, whether it does or captures itself: a file for
 * `nft -f`, or `tc` commands. `alone` gives a shell script that mirrors to the collector without an agent instead. Rejects
 * with an OperationalError where there are none.
 */
export async function rulesOf(configuration: AgentConfiguration, alone: boolean): Promise<string> {
  const { capture, mirror } = configuration;
  const mirrored: AgentConfiguration = {
    ...configuration,
    capture: { ...capture, method: capture.method === "tc" ? "tc" : "nft" },
    mirror: { ...mirror, device: alone && mirror.device === "tap" ? "vxlan" : mirror.device },
  };
  const [fault] = agentFaults(mirrored);
  if (fault !== undefined) throw new OperationalError("usage", `${keyText(fault.path)}: ${fault.message}`);
  const config = agentConfig(mirrored);
  if (config.input.kind !== "mirror")
    throw new OperationalError("usage", "there are no rules for files: leave --replay out");
  const [collector] = config.collectors;
  const plan = mirrorPlan(config.input, config, collector === undefined ? null : await resolveDestination(collector));
  if (alone) return mirrorScript(plan);
  return plan.by === "nft" ? nftRuleset(plan) : tcCommands(plan);
}

/**
 * Removes what mirrors of agents left that are no more. Rejects with an OperationalError that repeats what was said, such as
 * who keeps a mirror still.
 */
export async function removeLeftovers(): Promise<void> {
  try {
    await promisify(execFile)("sh", ["-c", CLEANING_SCRIPT, "rejoin"], { timeout: PATIENCE_MS });
  } catch (cause) {
    const said = cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : "";
    const what = said.replaceAll("\n", "; ") || String(cause);
    throw new OperationalError("mirror", `not everything was removed: ${what}`, { cause });
  }
}
