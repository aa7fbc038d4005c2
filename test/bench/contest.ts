import { alternate, type Contestant, type Run } from "./measure.ts";
import type { Row, RowResult } from "./result.ts";

/** Programs that read a capture in turn, and what is told of their runs. */
export interface Contest {
  readonly contestants: readonly Contestant[];
  readonly tell: (runsOf: RunsOf) => RowResult;
}

/** The runs of a contestant, or of another row's of the same name; none of a program that is missing. */
export type RunsOf = (contestant: Contestant) => readonly Run[];

/**
 * A row that is a contest. Rows of the same capture are measured together: a program that several of them need runs once a
 * round for all.
 */
export interface ContestRow extends Row {
  readonly capture: string;
  /** Writes what its programs read. */
  readonly open: () => Promise<Contest>;
}

/** The row of a contest over a capture, which can also be run without the others of that capture. */
export function contestRow(name: string, capture: string, open: () => Promise<Contest>): ContestRow {
  const row: ContestRow = {
    ...{ name, capture, open },
    provide: async () => void (await open()),
    run: async () => {
      const [result] = await measureTogether([row]);
      if (result === undefined) throw new Error(`${name} has no result`);
      return result;
    },
  };
  return row;
}

const isContest = (row: Row): row is ContestRow => "capture" in row;

/** Rows in groups: neighbours that are contests over one capture, and each other one alone. */
export function groupsOf(rows: readonly Row[]): Row[][] {
  const groups: Row[][] = [];
  for (const row of rows) {
    const group = groups.at(-1);
    const before = group?.[0];
    const isNeighbour = before !== undefined && isContest(before) && isContest(row) && before.capture === row.capture;
    if (group !== undefined && isNeighbour) group.push(row);
    else groups.push([row]);
  }
  return groups;
}

/** Measures the rows of a group; their results, in their order. Throws when a program fails. */
export async function measureGroup(group: readonly Row[]): Promise<RowResult[]> {
  const contests = group.filter(isContest);
  return contests.length > 0 ? measureTogether(contests) : Promise.all(group.map((row) => row.run()));
}

async function measureTogether(rows: readonly ContestRow[]): Promise<RowResult[]> {
  const contests: Contest[] = [];
  for (const row of rows) contests.push(await row.open());
  const all = new Map(contests.flatMap(({ contestants }) => contestants.map((one) => [one.name, one])));
  const runs = alternate(rows.map(({ name }) => name).join(", "), [...all.values()]);
  const byName = new Map([...all.keys()].map((name, i) => [name, runs[i] ?? []]));
  return contests.map(({ tell }) => tell(({ name }) => byName.get(name) ?? []));
}
