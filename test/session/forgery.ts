import { Conversation, type Side, type Subflow } from "../support/conversation.ts";

const ELSEWHERE = [
  { ip: "10.1.9.1", port: 50_000 },
  { ip: "10.2.0.2", port: 443 },
] as const;

/** A subflow whose segments are written one by one. */
export const bare = (ends: Subflow["ends"] = ELSEWHERE): Subflow => ({
  ends,
  opener: 0,
  isn: [3_000_000, 4_000_000],
  next: [1, 1],
});

/** Segments of somebody else, long after: packet time passes. */
export function later(talk: Conversation, seconds: number) {
  talk.wait(seconds);
  const ends = [
    { ip: "10.7.0.1", port: 1 },
    { ip: "10.7.0.2", port: 2 },
  ] as const;
  return [0, 1].flatMap(() => new Conversation({ atMicros: talk.atMicros, ends }).open(["syn"]).packets);
}

/** A segment of the initial subflow that its host did not send, this far from where it goes on. */
export function forge(talk: Conversation, side: Side, flags: number, away: number, payload = ""): Conversation {
  const on = { ...talk.initial, next: [...talk.initial.next] as [number, number] };
  return talk.segment(on, side, flags, [], Buffer.from(payload), on.next[side] + away);
}
