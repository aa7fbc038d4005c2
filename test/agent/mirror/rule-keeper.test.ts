import { describe, expect, it } from "vitest";
import { RuleKeeper } from "../../../collectors/agent/mirror/rule-keeper.ts";
import { needs, titled } from "../../support/requirements.ts";

/** Answers each word with the number of words it read and its own process; `hangs` stands still. */
const script = (hangs: string) => `
words=0
while read -r word; do
	words=$((words + 1))
	echo "$words $$"
	[ "$word" != "${hangs}" ] || sleep 600
	sleep 0.1
	echo "status 0"
done
[ "${hangs}" != end ] || sleep 600
`;
const PATIENCE_MS = 1000;
const NO_ANSWER = expect.stringMatching(/^no answer in 1 s: nft, tc or ip hangs/);

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const reason = needs("Linux");
describe.skipIf(reason)(titled("who keeps rules", reason), () => {
  it("is asked a thing once, however often somebody wants to know", async () => {
    const keeper = new RuleKeeper(script("none"), "rejoin", PATIENCE_MS);
    const outcomes = await Promise.all([
      keeper.ask("check"),
      keeper.ask("check"),
      keeper.ask("counts"),
      keeper.ask("check"),
    ]);
    expect(outcomes.map(({ isWell, lines }) => [isWell, lines[0]?.split(" ")[0]])).toEqual([
      [true, "1"],
      [true, "1"],
      [true, "2"],
      [true, "1"],
    ]);
    expect((await keeper.ask("check")).lines[0]).toMatch(/^3 /);
    expect(await keeper.end()).toEqual({ isWell: true, lines: [] });
  });

  it("is ended where something hangs, and another takes its place", async () => {
    const keeper = new RuleKeeper(script("check"), "rejoin", PATIENCE_MS);
    const [check, counts] = await Promise.all([keeper.ask("check"), keeper.ask("counts")]);
    expect(check).toEqual({ isWell: false, lines: [expect.stringMatching(/^1 /), NO_ANSWER] });
    expect(counts.isWell).toBe(false);
    const first = Number(check.lines[0]?.split(" ")[1]);
    const next = await keeper.ask("counts");
    expect(next).toEqual({ isWell: true, lines: [expect.stringMatching(/^1 /)] });
    expect(next.lines).not.toEqual([`1 ${first}`]);
    await expect.poll(() => isAlive(first)).toBe(false);
    expect(await keeper.end()).toEqual({ isWell: true, lines: [] });
  });

  it("does not hold up the end where removing hangs", async () => {
    const keeper = new RuleKeeper(script("end"), "rejoin", PATIENCE_MS);
    await keeper.ask("start");
    expect(await keeper.end()).toEqual({ isWell: false, lines: [NO_ANSWER] });
  });
});
