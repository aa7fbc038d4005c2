/** A JSON Schema, or a part of one, as `schema/json` has it. */
export type Schema = { readonly [keyword: string]: unknown };

/** Of a limit only this may change: there may be more room. */
const ROOM = new Set(["maxItems", "maxLength"]);
/** What says something to people only. */
const WORDS = new Set(["description", "title", "$schema"]);
/** Keywords with a comparison of their own. */
const STRUCTURE = new Set(["properties", "required", "enum", "anyOf", "items", "prefixItems", "propertyNames"]);

/**
 * What in `current` breaks readers or records of `released`, a line each; none where it only adds: optional fields, values
 * of closed lists, room in lists and texts. A value that may now be null, or of another type, is no addition: readers
 * have no place for it.
 */
export function breaks(released: Schema, current: Schema): string[] {
  return compare(released, current, { released, current, path: "" });
}

interface Place {
  readonly released: Schema;
  readonly current: Schema;
  readonly path: string;
}

function compare(before: unknown, now: unknown, place: Place): string[] {
  const a = resolved(before, place.released);
  const b = resolved(now, place.current);
  const at = (name: string): Place => ({ ...place, path: `${place.path}.${name}` });
  const fault = (what: string) => `${place.path || "."}: ${what}`;
  const faults: string[] = [];

  const keywords = new Set([...Object.keys(a), ...Object.keys(b)]);
  for (const keyword of keywords) {
    if (WORDS.has(keyword) || STRUCTURE.has(keyword) || keyword === "$defs" || keyword === "additionalProperties")
      continue;
    const more = ROOM.has(keyword) && Number(b[keyword] ?? Infinity) >= Number(a[keyword] ?? Infinity);
    if (!more && JSON.stringify(a[keyword]) !== JSON.stringify(b[keyword])) {
      faults.push(fault(`${keyword} was ${JSON.stringify(a[keyword])} and is ${JSON.stringify(b[keyword])}`));
    }
  }

  const fields = record(a.properties);
  const today = record(b.properties);
  const [wanted, wantedToday] = [list(a.required), list(b.required)];
  for (const [name, field] of Object.entries(fields)) {
    if (today[name] === undefined) faults.push(fault(`${name} has gone`));
    else faults.push(...compare(field, today[name], at(name)));
  }
  for (const name of wanted) {
    if (!wantedToday.includes(name)) faults.push(fault(`${name} was always there and may now be absent`));
  }
  for (const name of wantedToday) {
    if (!wanted.includes(name)) faults.push(fault(`${name} is required, and records that were written lack it`));
  }

  if ((a.enum === undefined) !== (b.enum === undefined)) faults.push(fault("a closed list came or went"));
  else
    for (const value of list(a.enum))
      if (!list(b.enum).includes(value)) faults.push(fault(`the value ${value} has gone`));

  for (const keyword of ["anyOf", "prefixItems"]) {
    const [was, is] = [list(a[keyword]), list(b[keyword])];
    if (was.length !== is.length) faults.push(fault(`${keyword} had ${was.length} entries and has ${is.length}`));
    else for (const [i, entry] of was.entries()) faults.push(...compare(entry, is[i], at(`${keyword}[${i}]`)));
  }
  for (const keyword of ["items", "propertyNames", "additionalProperties"]) {
    const alike = isSchema(a[keyword]) && isSchema(b[keyword]);
    if (alike) faults.push(...compare(a[keyword], b[keyword], at(keyword)));
    else if (JSON.stringify(a[keyword]) !== JSON.stringify(b[keyword])) faults.push(fault(`${keyword} has changed`));
  }
  return faults;
}

/** The part that a `$ref` names, with what stands beside the reference; the part itself where it has none. */
function resolved(part: unknown, root: Schema): Schema {
  const { $ref, ...beside } = record(part);
  if (typeof $ref !== "string") return record(part);
  const target = $ref
    .split("/")
    .slice(1)
    .reduce<unknown>((found, name) => record(found)[name], root);
  return { ...resolved(target, root), ...beside };
}

function isSchema(value: unknown): value is Schema {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

const record = (value: unknown): Schema => (isSchema(value) ? value : {});
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
