import { expect, it } from "vitest";
import { Progress } from "../../collectors/offline/progress.ts";

function drawing(total: number | null) {
  let now = 0;
  const texts: string[] = [];
  const progress = new Progress(
    (text) => texts.push(text),
    total,
    () => now,
  );
  const at = (ms: number) => {
    now = ms;
  };
  return { progress, texts, at };
}

it("tells part, rate and time left", () => {
  const { progress, texts, at } = drawing(4_000_000_000);
  at(2_000);
  progress.update(1_000_000_000, 3_000_000);
  expect(texts).toEqual(["\r\u001b[K25 % of 4.00 GB  500 MB/s  1,500,000 packets/s  0:06 left"]);
});

it("knows no time left of a pipe", () => {
  const { progress, texts, at } = drawing(null);
  at(1_000);
  progress.update(812, 3);
  expect(texts).toEqual(["\r\u001b[K812 B read  812 B/s  3 packets/s"]);
});

it("is drawn at most five times a second, erased once, and drawn again after that", () => {
  const { progress, texts, at } = drawing(100);
  for (const ms of [0, 50, 199, 200, 399]) {
    at(ms);
    progress.update(10, 1);
  }
  expect(texts.length).toBe(2);
  progress.erase();
  progress.erase();
  expect(texts.slice(2)).toEqual(["\r\u001b[K"]);
  progress.update(10, 1);
  expect(texts.length).toBe(4);
});

it("counts hours", () => {
  const { progress, texts, at } = drawing(3_600_000);
  at(1_000);
  progress.update(500, 1);
  expect(texts[0]).toContain("1:59:59 left");
});
