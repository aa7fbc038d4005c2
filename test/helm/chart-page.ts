import { readFileSync } from "node:fs";
import { isMap, isScalar, type Pair, parseDocument, type YAMLMap } from "yaml";

const HEAD = `# rejoin in Kubernetes, the chart

*Made of values.yaml by \`npm run schema\`.*

    helm install rejoin helm/rejoin --namespace rejoin --create-namespace --values values.yaml

The smallest \`values.yaml\` names an image and who may send:

\`\`\`yaml
image:
  repository: registry.example.net/rejoin
collector:
  config:
    agents:
      - { name: router1, addresses: [192.0.2.1] }
\`\`\`

[docs/kubernetes.md](../../docs/kubernetes.md) tells how to build the image, install, [upgrade](../../docs/kubernetes.md#upgrades)
and what to mind; [docs/operations.md](../../docs/operations.md) is for whoever is called;
[docs/configuration.md](../../docs/configuration.md) has every key of \`collector.config\` and \`agent.config\`. A value that
is not below is refused.

| value | default | |
|---|---|---|
`;

/** A value of the chart: its path, its default and the comment that stands above it. */
export interface ChartValue {
  readonly path: string;
  readonly value: unknown;
  readonly comment: string;
}

const oneLine = (comment: string) => comment.trim().replaceAll(/\s*\n\s*/g, " ");

/** Where the words above a key are: those above the first key of a map stand above the map itself. */
function commentOf({ key }: Pair, map: YAMLMap): string {
  const own = isScalar(key) ? key.commentBefore : undefined;
  return own ?? (map.items[0]?.key === key ? (map.commentBefore ?? "") : "");
}

function* valuesBelow(map: YAMLMap, path: string): Generator<ChartValue> {
  for (const pair of map.items) {
    const at = `${path}${String(pair.key)}`;
    const comment = oneLine(commentOf(pair, map));
    const below = pair.value;
    if (isMap(below) && below.items.length > 0) {
      // Words above a map stand for all of it, as for `resources`, where none stand inside.
      if (comment !== "") yield { path: at, value: undefined, comment };
      if (at.endsWith(".resources")) continue;
      yield* valuesBelow(below, `${at}.`);
    } else yield { path: at, value: (below as { toJSON(): unknown }).toJSON(), comment };
  }
}

/** Every value of the chart, in the order of values.yaml. */
export function chartValues(): ChartValue[] {
  const document = parseDocument(readFileSync(new URL("../../helm/rejoin/values.yaml", import.meta.url), "utf8"));
  return [...valuesBelow(document.contents as YAMLMap, "")];
}

/** helm/rejoin/README.md, out of values.yaml. */
export function chartPage(): string {
  const rows = chartValues().map(({ path, value, comment }) => {
    const shown = value === undefined ? "" : `\`${JSON.stringify(value)}\``;
    return `| \`${path}\` | ${shown} | ${comment.replaceAll("|", "\\|")} |\n`;
  });
  return `${HEAD}${rows.join("")}`;
}
