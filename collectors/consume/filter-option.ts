import { InvalidArgumentError, Option } from "commander";
import { byAddress, byCommunityId, byPort, bySession, byToken, byVerdict, CHECKS, type Filter } from "./filter.ts";

/** What commander makes of the options below. */
export type FilterValues = { readonly [name in (typeof OPTIONS)[number]["name"]]?: readonly Filter[] };

const OPTIONS = [
  {
    name: "address",
    flags: "--address <IP[/BITS]>",
    description: "only records with this address, or one of this prefix",
    form: "10.10.1.2, 10.10.0.0/16 or 2001:db8::/32",
    filterOf: byAddress,
  },
  {
    name: "port",
    flags: "--port <PORT>",
    description: "only records with this TCP port",
    form: "a number from 0 to 65535",
    filterOf: byPort,
  },
  {
    name: "communityId",
    flags: "--community-id <ID>",
    description: "only records with this Community ID, also of a subflow",
    form: "1: and 28 characters of base64",
    filterOf: byCommunityId,
  },
  {
    name: "token",
    flags: "--token <TOKEN>",
    description: "only sessions in which either side has this token",
    form: "0x and eight digits",
    filterOf: byToken,
  },
  {
    name: "session",
    flags: "--session <ID>",
    description: "only records of the session whose id this is, or begins so",
    form: "a session's id, or its first characters, from four on",
    filterOf: bySession,
  },
  {
    name: "verdict",
    flags: "--verdict <VERDICT>",
    description: "only sessions with a verdict like this, of any check or of one",
    form: `verified, failed or unverifiable, or join=failed; besides join there are ${CHECKS.filter((one) => one !== "join").join(", ")}`,
    filterOf: byVerdict,
  },
] as const;

/** The options that choose records. Each may stand several times: a record is wanted that one of its values names. */
export function filterOptions(): Option[] {
  return OPTIONS.map(({ flags, description, form, filterOf }) => {
    const parse = (text: string, before: readonly Filter[] | undefined) => {
      const filter = filterOf(text);
      if (filter === null) throw new InvalidArgumentError(`It is ${form}.`);
      return [...(before ?? []), filter];
    };
    return new Option(flags, description).argParser(parse);
  });
}

/** What each option that stands there asks for; a record has to fit them all. */
export function filtersOf(options: FilterValues): Filter[] {
  return OPTIONS.flatMap(({ name }) => {
    const values = options[name];
    return values === undefined ? [] : [(record) => values.some((wants) => wants(record))];
  });
}
