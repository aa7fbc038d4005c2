import type { Admin } from "kafkajs";
import { OperationalError } from "../runtime/errors.ts";

/** Where reading a topic begins: at its beginning, or with what was published at a time or later. */
export type Start = "beginning" | { readonly atMs: number };

/** A place in each partition of a topic. */
export type Offsets = readonly { readonly partition: number; readonly offset: string }[];

/** The offsets of `start`; where nothing is as young, the partition's end. Rejects as kafkajs does. */
export async function offsetsAt(admin: Admin, topic: string, start: Start): Promise<Offsets> {
  if (start !== "beginning") return admin.fetchTopicOffsetsByTimestamp(topic, start.atMs);
  const offsets = await admin.fetchTopicOffsets(topic);
  return offsets.map(({ partition, low }) => ({ partition, offset: low }));
}

/**
 * Has a group go on from `offsets`, wherever it was. Throws an OperationalError while somebody reads in it: brokers move no
 * group that is at work.
 */
export async function moveGroup(admin: Admin, group: string, topic: string, offsets: Offsets): Promise<void> {
  const { groups } = await admin.describeGroups([group]);
  const state = groups[0]?.state ?? "Dead";
  if (state !== "Empty" && state !== "Dead") {
    throw new OperationalError(
      "KAFKA_GROUP_BUSY",
      `somebody reads as group ${group} now, and a group moves only while nobody does; stop it or take another --group`,
      { retriable: true },
    );
  }
  await admin.setOffsets({ groupId: group, topic, partitions: [...offsets] });
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const ISO = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/;

/**
 * Milliseconds since 1970 of a time in ISO 8601, UTC where it names no zone, or of one as long ago as `90m` (s, m, h, d).
 * Null: it is neither.
 */
export function momentOf(text: string, nowMs: number): number | null {
  const [, number, unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (number !== undefined) return nowMs - Number(number) * (UNIT_MS[unit] ?? 0);
  const iso = ISO.exec(text);
  if (iso === null) return null;
  const [, timeOfDay, , , zone] = iso;
  const at = Date.parse(timeOfDay !== undefined && zone === undefined ? `${text}Z` : text);
  return Number.isNaN(at) ? null : at;
}
