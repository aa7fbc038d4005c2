import { option } from "../packets.ts";
import type { Host } from "./host.ts";
import type { Statement } from "./identity.ts";
import type { EventPlan } from "./plan.ts";
import type { SubflowEnd } from "./subflow-end.ts";

const REPEAT_MICROS = 350_000;

/** Has happen what the plan wants on one of a host's subflows. */
export function happen(host: Host, { kind, subflow }: EventPlan): void {
  const { side, identity } = host;
  const alive = host.ends.filter((end) => end.isReady && !end.isDead && !end.isFinished);
  const end = alive[subflow % Math.max(alive.length, 1)];
  if (kind === "infinite-mapping") host.fallback.want();
  if (end === undefined || host.isPlain || host.isOver) return;
  if (kind === "reset-subflow") end.reset(identity.reset(0));
  else if (kind === "close-subflow") end.finish();
  else if (kind === "add-address") end.sendPure(identity.addAddress(side, 50, "198.51.100.50"), "add-address");
  else if (kind === "remove-address") end.sendPure({ options: [option.removeAddr(50)], said: {} }, "remove-address");
  else if (kind === "priority") end.sendPure({ options: [option.prio(true)], said: {} }, "priority");
}

/** Ends a session at once (RFC 8684 §3.5), or by resetting all subflows. */
export function abort(host: Host, how: "fastclose-ack" | "fastclose-reset" | "reset"): void {
  if (!host.isEstablished || host.isOver) return;
  host.isOver = true;
  const alive = host.ends.filter((end) => !end.isDead);
  const fastclose = host.identity.fastclose(host.side);
  for (const [n, end] of alive.entries()) {
    if (how === "fastclose-ack" && n === 0) repeatFastclose(host, end, fastclose, 0);
    else if (how === "fastclose-reset") end.reset(fastclose, "fastclose");
    else end.reset(resetOf(host));
  }
}

function repeatFastclose(host: Host, end: SubflowEnd, fastclose: Statement, tries: number): void {
  if (end.isDead || tries > 8) return;
  end.sendPure(fastclose, "fastclose");
  host.timeline.after(REPEAT_MICROS, () => repeatFastclose(host, end, fastclose, tries + 1));
}

/** The peer has sent a fast close on this subflow. */
export function giveUp(host: Host, by: SubflowEnd): void {
  host.isOver = true;
  for (const end of host.ends)
    if (!end.isDead && (end !== by || host.plan.ending === "fastclose-ack")) end.reset(resetOf(host));
}

const resetOf = (host: Host): Statement => host.identity.reset(host.isPlain ? null : 0);
