// Writes zod_schemas.json; run where zod is installed: node zod_schemas.mjs > zod_schemas.json
import { z } from "zod";
const schemas = {
  record_of_string: z.record(z.string(), z.number()),
  record_of_enum: z.record(z.enum(["red", "green"]), z.number()),
  partial_record: z.partialRecord(z.enum(["red", "green"]), z.boolean()),
  record_of_short_keys: z.record(z.string().min(1).max(8), z.boolean()),
  record_of_regex: z.record(z.string().regex(/^k_[a-z]{1,5}$/), z.int()),
  set_like: z.array(z.enum(["a", "b"])).max(2),
  lowercase: z.string().lowercase(),
  starts_with: z.string().startsWith("ab"),
  ends_with: z.string().endsWith("z"),
  includes: z.string().includes("mid"),
  emoji: z.emoji(), cuid: z.cuid(), cuid2: z.cuid2(), ulid: z.ulid(), nanoid: z.nanoid(), jwt: z.jwt(), base64: z.base64(), base64url: z.base64url(), e164: z.e164(),
  email: z.email(), uuid: z.uuid(), uuidv4: z.uuidv4(), url: z.url(), ipv4: z.ipv4(), ipv6: z.ipv6(), cidrv4: z.cidrv4(),
  iso_date: z.iso.date(), iso_time: z.iso.time(), iso_datetime: z.iso.datetime(), iso_datetime_offset: z.iso.datetime({offset:true}), iso_duration: z.iso.duration(),
  int: z.int(), int32: z.int32(), uint32: z.uint32(), float32: z.float32(), float64: z.float64(), positive: z.number().positive(), fraction: z.number().gt(0).lte(0.5), step: z.number().min(0.15).max(0.25).multipleOf(0.1), price: z.number().nonnegative().multipleOf(0.01),
  optional: z.object({ a: z.string().optional(), b: z.number().nullable() }),
  strict: z.strictObject({ a: z.string() }), loose: z.looseObject({ a: z.string() }),
  union: z.discriminatedUnion("kind", [z.object({ kind: z.literal("a"), x: z.int() }), z.object({ kind: z.literal("b"), y: z.boolean() })]),
  either: z.union([z.string().max(4), z.boolean()]),
  both: z.intersection(z.object({ a: z.boolean() }), z.object({ b: z.boolean() })),
  tuple: z.tuple([z.boolean(), z.int()]), tuple_rest: z.tuple([z.boolean()], z.int()),
  nonempty: z.array(z.boolean()).nonempty(),
  literal: z.literal(["a", 1, true]), any: z.any(), never_inside: z.object({ a: z.never().optional() }),
  defaulted: z.object({ a: z.string().max(3).default("x") }),
  described: z.object({ a: z.string().max(3).describe("d").meta({ title: "T", examples: ["x"], deprecated: true }) }),
  recursive: z.object({ name: z.string().max(3), get children() { return z.array(schemas.recursive).max(1); } }),
};
const of = (schema, target) => {
  const { $schema, ...rest } = z.toJSONSchema(schema, { target });
  return target === "draft-7" ? { $schema, ...rest } : rest;
};
const lines = Object.entries(schemas).map(([name, schema]) => [name, of(schema, "draft-2020-12")]);
for (const name of ["tuple", "tuple_rest"]) lines.push([`${name} (draft 7)`, of(schemas[name], "draft-7")]);
const written = lines.map(([name, schema]) => ` ${JSON.stringify(name)}: ${JSON.stringify(schema)}`);
console.log(`{\n${written.join(",\n")}\n}`);
