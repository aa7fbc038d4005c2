import { readFileSync } from "node:fs";

/** A recipe of docs/detection.md: its title, how many sessions it says it finds, and its queries by language. */
export interface Recipe {
  readonly title: string;
  readonly finds: number;
  readonly queries: Readonly<Record<string, string>>;
}

/** The page itself. */
export const PAGE = readFileSync(new URL("../../docs/detection.md", import.meta.url), "utf8");

/** Its recipes: the sections with queries. */
export const RECIPES: readonly Recipe[] = PAGE.split(/^## /m)
  .slice(1)
  .map((section) => ({
    title: section.split("\n", 1)[0] ?? "",
    finds: Number(/Found here: (\d+)\s+sessions?\./.exec(section)?.[1]),
    queries: Object.fromEntries(
      [...section.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = "", query = ""]) => [
        language,
        query.trim(),
      ]),
    ),
  }))
  .filter(({ queries }) => Object.keys(queries).length > 0);
