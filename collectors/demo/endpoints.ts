import { readFileSync } from "node:fs";
import { z } from "zod";
import type { SessionRecord } from "../../schema/session-record.ts";
import { SIDES } from "../../schema/session-vocabulary.ts";
import { OperationalError } from "../runtime/errors.ts";

const stream = z.object({ octets: z.int(), sha256: z.string() });

const file = z.object({
  sessions: z.array(
    z.object({
      title: z.string(),
      token: z.object({ initiator: z.string(), responder: z.string() }),
      subflows: z.int(),
      close: z.string(),
      stream: z.object({ initiator: stream.nullable(), responder: stream.nullable() }),
    }),
  ),
});

/** What the two hosts of a recorded session said of it; a stream is null where no program knows how much was sent. */
export type EndpointsView = z.infer<typeof file>["sessions"][number];

/** Reads `endpoints.json` of the demo's captures. Throws an OperationalError when it is not there or has another shape. */
export function readEndpoints(path: string): EndpointsView[] {
  try {
    return file.parse(JSON.parse(readFileSync(path, "utf8"))).sessions;
  } catch (cause) {
    throw new OperationalError("demo-captures", `${path}: cannot be read; the demo needs the whole repository`, {
      cause,
    });
  }
}

/** Whether a record is of the session that these hosts had. */
export function isOf(view: EndpointsView, { mptcp: { token } }: SessionRecord): boolean {
  return token.initiator === view.token.initiator && token.responder === view.token.responder;
}

/** What a session's last record (null: it never came) says otherwise than its hosts; empty when they agree. */
export function disagreements(view: EndpointsView, record: SessionRecord | null): string[] {
  if (record === null) return ["no record of its end came"];
  const { close, subflows, stream } = record.mptcp;
  const found: string[] = [];
  if (close?.reason !== view.close) found.push(`it ended by ${close?.reason ?? "nothing"} instead of ${view.close}`);
  if (subflows.length !== view.subflows) found.push(`${subflows.length} of ${view.subflows} subflows`);
  for (const { id, join } of subflows) {
    if (join !== null && SIDES.some((side) => join.hmac[side] !== "verified"))
      found.push(`subflow ${id}: HMACs not verified`);
  }
  for (const side of SIDES) {
    const sent = view.stream[side];
    if (sent === null) continue;
    const { octets, complete, sha256, sha256_unavailable } = stream[side];
    if (octets !== sent.octets) found.push(`${octets} of ${sent.octets} octets of the ${side}`);
    else if (sha256 === undefined) found.push(`no SHA-256 of what the ${side} sent: ${sha256_unavailable}`);
    else if (sha256 !== sent.sha256) found.push(`another SHA-256 of what the ${side} sent: ${sha256}`);
    if (!complete && view.close === "fin") found.push(`what the ${side} sent has no end`);
  }
  return found;
}
