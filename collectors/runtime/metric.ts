/** Values of labels, and the number that stands for them. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** A metric, and how it comes out of what a program tells of itself. Samples with the same labels add up. */
export interface Metric<Told extends readonly unknown[]> {
  readonly name: string;
  /** A counter only grows while the process lives. */
  readonly type: "counter" | "gauge";
  /** One line for people, without a full stop. */
  readonly help: string;
  readonly labels: readonly string[];
  samples(...told: Told): Iterable<Sample>;
}

/** A counter of the given name, help and labels. */
export const counter = <Told extends readonly unknown[]>(
  name: string,
  help: string,
  labels: readonly string[],
  samples: Metric<Told>["samples"],
): Metric<Told> => ({ name, type: "counter", help, labels, samples });

/** A gauge of the given name, help and labels. */
export const gauge = <Told extends readonly unknown[]>(
  name: string,
  help: string,
  labels: readonly string[],
  samples: Metric<Told>["samples"],
): Metric<Told> => ({ name, type: "gauge", help, labels, samples });

/** One sample for each entry of a record of counts. */
export function entries(label: string, counts: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(counts).map(([value, count]) => [{ [label]: value }, count]);
}
