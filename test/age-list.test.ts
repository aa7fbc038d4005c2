import fc from "fast-check";
import { expect, it } from "vitest";
import { AgeList } from "../src/age-list.ts";

it("is a plain list of numbers, oldest first, operation by operation", () => {
  const operation = fc.record({ isAdd: fc.boolean(), number: fc.nat(7) });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const list = new AgeList(8);
      let model: number[] = [];
      for (const { isAdd, number } of operations) {
        model = model.filter((one) => one !== number);
        if (isAdd) {
          list.add(number);
          model.push(number);
        } else list.remove(number);
        expect([list.oldest, list.length]).toEqual([model[0] ?? -1, model.length]);
      }
      const left: number[] = [];
      for (let oldest = list.oldest; oldest >= 0; oldest = list.oldest) {
        left.push(oldest);
        list.remove(oldest);
      }
      expect(left).toEqual(model);
    }),
  );
});
