import { describe, expect, it } from "vitest";
import { optionSum } from "../../src/subflow/option-sum.ts";
import { PacketVector } from "../../src/vector.ts";

/** The sum of options of which the first MPTCP one begins at an octet. */
function sumOf(options: Uint8Array<ArrayBuffer>, mptcpAt: number): number {
  const vector = new PacketVector();
  vector.use(options);
  vector.add(0, options.length, options.length, 0, 1, 0);
  vector.mptcpAt[0] = mptcpAt;
  vector.optionsEnd[0] = options.length;
  vector.payloadAt[0] = options.length;
  return optionSum(vector, 0);
}

describe("the sum of a packet's options", () => {
  it.each([20, 21, 22, 23])("is another when any octet from the first MPTCP one at %i on was changed", (mptcpAt) => {
    const options = Uint8Array.from({ length: 40 }, (_, at) => (at * 37) & 255);
    const sum = sumOf(options, mptcpAt);
    for (let at = 0; at < options.length; at++) {
      const changed = options.slice();
      changed[at] = 255 - (changed[at] ?? 0);
      expect(sumOf(changed, mptcpAt) === sum, `octet ${at}`).toBe(at < mptcpAt);
    }
  });
});
