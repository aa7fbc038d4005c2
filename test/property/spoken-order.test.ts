import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { retell } from "../plain-tcp/retold.ts";
import { Conversation, type Side } from "../support/conversation.ts";
import type { RunPacket } from "../support/pipeline-run.ts";
import { PATIENCE, settings } from "./runs.ts";

/** Between a packet and the next one of the dialogue, and longer, until the other side has the word. */
const THOUGHT_MICROS = fc.constantFrom(1000, 40_000, 700_000);
/** How long copies of each subflow are under way: less than answers wait. */
const LAGS = fc.array(fc.constantFrom(0, 5_000, 300_000, 1_500_000), { minLength: 3, maxLength: 3 });

/** What one side says before the other answers: segments, each on a subflow. */
const turn = fc.record({
  segments: fc.array(fc.record({ octets: fc.integer({ min: 1, max: 1400 }), on: fc.nat(2) }), {
    minLength: 1,
    maxLength: 5,
  }),
  thoughtMicros: THOUGHT_MICROS,
});

const dialogue = fc.record({
  turns: fc.array(turn, { minLength: 1, maxLength: 12 }),
  begins: fc.constantFrom<Side>(0, 1),
  lags: LAGS,
  seenAt: fc.constantFrom(1, 13, 64),
});

const at = (atMicros: number, other: { readonly atMicros: number }): number => atMicros - other.atMicros;

/** `a3 b12` of three a and twelve b. */
const runs = (text: string): string => text.replace(/(.)\1*/g, (run, letter) => `${letter}${run.length} `);

describe("a dialogue whose subflows' copies take their time, told again as plain TCP", () => {
  it("is told in its order", { timeout: PATIENCE }, () => {
    fc.assert(
      fc.property(dialogue, ({ turns, begins, lags, seenAt }) => {
        const talk = new Conversation().open();
        const subflows = [talk.initial, talk.join({ nonces: [1, 2] }), talk.join(OTHER)];
        const copies: RunPacket[] = [...talk.packets];
        // Handshakes come in time: what comes before them is another matter.
        talk.atMicros += 2_000_000;
        const spoken: string[] = [];
        for (const [n, { segments, thoughtMicros }] of turns.entries()) {
          const side = n % 2 === 0 ? begins : ((1 - begins) as Side);
          const letter = String.fromCharCode(97 + n);
          for (const { octets, on } of segments) {
            talk.packets.length = 0;
            talk.send(side, letter.repeat(octets), { on: subflows[on] ?? talk.initial });
            copies.push(...talk.packets.map((copy) => ({ ...copy, atMicros: copy.atMicros + (lags[on] ?? 0) })));
          }
          spoken.push(letter.repeat(segments.reduce((sum, { octets }) => sum + octets, 0)));
          talk.atMicros += thoughtMicros;
        }
        copies.sort((a, b) => at(a.atMicros, b));
        const told = retell(copies, {}, seenAt).map(({ payload }) => payload.toString());
        expect(runs(told.join(""))).toEqual(runs(spoken.join("")));
      }),
      settings(1),
    );
  });
});

const OTHER = {
  nonces: [3, 4],
  ends: [
    { ip: "10.1.3.3", port: 40_003 },
    { ip: "10.2.0.2", port: 443 },
  ],
} as const;
