import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), "utf8");

/** Where the first place of a heading is, as links name it. */
const anchors = (page: string) =>
  [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

describe.each(["docs/threat-model.md", "docs/tunnels.md", "SECURITY.md"])("%s", (page) => {
  it("names tests and pages that are there", () => {
    const folder = new URL(page, ROOT);
    const tests = [...read(page).matchAll(/`(test\/[^`]+)`/g)].map(([, path = ""]) => new URL(path, ROOT));
    const links = [...read(page).matchAll(/\]\(([^)#]+)(?:#([^)]*))?\)/g)].filter(([, to = ""]) => !to.includes("://"));
    for (const url of tests) expect([url.pathname, existsSync(url)]).toEqual([url.pathname, true]);
    for (const [, to = "", anchor] of links) {
      const url = new URL(to, folder);
      expect([to, existsSync(url)]).toEqual([to, true]);
      if (anchor !== undefined) expect(anchors(url.pathname.slice(ROOT.pathname.length))).toContain(anchor);
    }
  });
});
