import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import { VERSIONS } from "../support/tools/versions.ts";
import type { PodSpec } from "./pod-security.ts";

/** The chart's folder. */
export const CHART = fileURLToPath(new URL("../../helm/rejoin", import.meta.url));
/** The folder of examples of values. */
export const EXAMPLES = fileURLToPath(new URL("examples/", import.meta.url));
/** A helm of one's own making takes an absent cluster for an old one. */
export const KUBERNETES = ["--kube-version", VERSIONS.kubernetes];

/** An alert of a PrometheusRule. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
}

/** An object as helm renders it: what of it tests look at. */
export interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly template: { readonly spec: PodSpec };
    readonly groups: readonly { readonly name: string; readonly rules: readonly Alert[] }[];
  };
}

/** Runs helm to its end. */
export const helm = (...args: readonly string[]) => spawnSync("helm", args, { encoding: "utf8" });

/** `helm template` of the release `rejoin` in the namespace `rejoin`. */
export const template = (...args: readonly string[]) =>
  helm("template", "rejoin", CHART, "--namespace", "rejoin", ...KUBERNETES, ...args);

/** The objects of an example, those of one kind. */
export function objects(example: string, kind: string): Rendered[] {
  const { stdout } = template("--values", `${EXAMPLES}${example}`);
  return parseAllDocuments(stdout)
    .map((document) => document.toJS() as Rendered | null)
    .filter((object) => object !== null)
    .filter((object) => object.kind === kind);
}
