import fc from "fast-check";
import { expect, it } from "vitest";
import { AcknowledgmentLevels } from "../../src/plain-tcp/acknowledgment-levels.ts";

const STREAM_OCTETS = 40;
const notes = fc.array(fc.tuple(fc.nat(STREAM_OCTETS - 1), fc.integer({ min: 1, max: 9 })), { maxLength: 30 });

it("has for each octet the highest level of those before it", () => {
  fc.assert(
    fc.property(notes, fc.nat(STREAM_OCTETS), (all, forgotten) => {
      const levels = new AcknowledgmentLevels();
      for (const [offset, level] of all) {
        levels.note(7, offset, level);
        levels.note(8, STREAM_OCTETS - offset, level);
      }
      levels.forget(8);
      levels.forgetBefore(7, forgotten);
      const model = Array.from({ length: STREAM_OCTETS }, (_, octet) =>
        Math.max(0, ...all.filter(([offset]) => offset <= octet).map(([, level]) => level)),
      );
      for (let octet = forgotten; octet < STREAM_OCTETS; octet++) {
        const next = model.findIndex((level, n) => n > octet && level > (model[octet] ?? 0));
        expect(levels.at(7, octet)).toEqual({ level: model[octet], until: next < 0 ? Infinity : next });
      }
      expect(levels.at(8, 0)).toEqual({ level: 0, until: Infinity });
    }),
  );
});

it("keeps so many steps of a stream, and of all", () => {
  const levels = new AcknowledgmentLevels();
  for (let n = 0; n < 300; n++) levels.note(0, n, n + 1);
  expect(levels.at(0, 299)).toEqual({ level: 256, until: Infinity });
  expect(levels.shed).toBe(300 - 256);
  for (let stream = 1; stream <= 1100; stream++) for (let n = 0; n < 256; n++) levels.note(stream, n, n + 1);
  expect([levels.at(1000, 255).level, levels.at(1100, 255).level]).toEqual([256, 0]);
  levels.forget(1);
  levels.note(1100, 5, 9);
  expect(levels.at(1100, 5).level).toBe(9);
});
