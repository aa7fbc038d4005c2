import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { decode, sniff } from "../../schema/encoding.ts";
import { type Dataset, RECORD_SCHEMAS } from "../../schema/json-schema.ts";
import { breaks, type Schema } from "./additions.ts";

const RELEASED = new URL("../../schema/released/", import.meta.url);
const CURRENT = new URL("../../schema/json/", import.meta.url);
const json = (file: URL) => JSON.parse(readFileSync(file, "utf8"));
const versions = readdirSync(RELEASED, { withFileTypes: true }).filter((entry) => entry.isDirectory());

it("there is a released version to hold today's against", () => {
  expect(versions.map(({ name }) => name)).toContain("0.1.0");
});

describe.each(versions.map(({ name }) => name))("records of %s", (version) => {
  const folder = new URL(`${version}/`, RELEASED);
  const files = readdirSync(folder);

  it.each(files.filter((file) => file.endsWith(".schema.json")))("%s was only added to", (file) => {
    const released = json(new URL(file, folder));
    const current = json(new URL(file, CURRENT));
    // Another major version has a topic and a schema of its own.
    expect(current.$id).toBe(released.$id);
    expect(breaks(released, current)).toEqual([]);
  });

  it.each(files.filter((file) => file.endsWith(".msgpack")))("%s decodes to what it was", (file) => {
    const octets = readFileSync(new URL(file, folder));
    const text = readFileSync(new URL(file.replace(/msgpack$/, "json"), folder));
    const record = JSON.parse(text.toString());
    expect([sniff(octets), sniff(text)]).toEqual(["msgpack", "json"]);
    expect(decode(octets, "msgpack")).toEqual({ ok: true, record });
    expect(decode(text, "json")).toEqual({ ok: true, record });
    expect(RECORD_SCHEMAS[record.event.dataset as Dataset].safeParse(record).error).toBeUndefined();
  });
});

describe("what is no addition is named", () => {
  const shape = {
    id: z.string(),
    kind: z.enum(["a", "b"]),
    side: z.object({ port: z.int().min(0) }),
    note: z.string().max(8).optional(),
    list: z.array(z.union([z.ipv4(), z.ipv6()])).max(4),
    shed: z.partialRecord(z.enum(["x", "y"]), z.int()).optional(),
    maybe: z.string().nullable(),
  };
  const schema = (fields: z.ZodRawShape) => z.toJSONSchema(z.object(fields), { io: "input" }) as Schema;
  const { id: _id, ...withoutId } = shape;

  it.each<[string, z.ZodRawShape, string[]]>([
    ["nothing", shape, []],
    ["an optional field", { ...shape, later: z.string().optional() }, []],
    ["a value of a list", { ...shape, kind: z.enum(["a", "b", "c"]) }, []],
    ["room", { ...shape, note: z.string().max(9).optional(), list: shape.list.max(5) }, []],
    ["a key of a closed list", { ...shape, shed: z.partialRecord(z.enum(["x", "y", "z"]), z.int()).optional() }, []],
    ["words", { ...shape, id: z.string().describe("said otherwise") }, []],
    ["a field gone", withoutId, [".: id has gone", ".: id was always there and may now be absent"]],
    [
      "a field that may be absent",
      { ...shape, id: z.string().optional() },
      [".: id was always there and may now be absent"],
    ],
    [
      "a field that was optional",
      { ...shape, note: z.string().max(8) },
      [".: note is required, and records that were written lack it"],
    ],
    [
      "a new required field",
      { ...shape, later: z.string() },
      [".: later is required, and records that were written lack it"],
    ],
    ["a type", { ...shape, id: z.int() }, expect.arrayContaining(['.id: type was "string" and is "integer"'])],
    ["null", { ...shape, id: z.string().nullable() }, ['.id: type was "string" and is ["string","null"]']],
    ["no null", { ...shape, maybe: z.string() }, ['.maybe: type was ["string","null"] and is "string"']],
    ["a value gone", { ...shape, kind: z.enum(["a"]) }, [".kind: the value b has gone"]],
    ["an open list", { ...shape, kind: z.string() }, [".kind: a closed list came or went"]],
    ["less room", { ...shape, list: shape.list.max(3) }, [".list: maxItems was 4 and is 3"]],
    ["a limit", { ...shape, side: z.object({ port: z.int().min(1) }) }, [".side.port: minimum was 0 and is 1"]],
    [
      "a format inside a list",
      { ...shape, list: z.array(z.union([z.ipv4(), z.cidrv6()])).max(4) },
      expect.arrayContaining(['.list.items.anyOf[1]: format was "ipv6" and is "cidrv6"']),
    ],
    [
      "a key gone",
      { ...shape, shed: z.partialRecord(z.enum(["x"]), z.int()).optional() },
      [".shed.propertyNames: the value y has gone"],
    ],
  ])("%s", (_name, fields, faults) => {
    expect(breaks(schema(shape), schema(fields))).toEqual(faults);
  });
});
