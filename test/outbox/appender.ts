import { DurableOutbox } from "../../collectors/outbox/durable.ts";
import { RECORD_CLASSES } from "../../collectors/outbox/outbox.ts";

/**
 * Appends numbered records to the outbox in a directory until it is killed, and settles some of them. Each line of its
 * output is the number of records that `append` has been given by then.
 */
const [directory = "", from = "0"] = process.argv.slice(2);
const options = { directory, maxOctets: 1e9, maxAgeMs: 1e9, syncMs: 20, atRest: null };
const outbox = await DurableOutbox.open(options, { warn: (line: unknown) => process.stderr.write(`${line}\n`) });

let n = Number(from);
setInterval(() => {
  // Of one class, and so one write: a batch of several that a kill cuts short is there in part.
  const recordClass = RECORD_CLASSES[n % RECORD_CLASSES.length] ?? "ended";
  const records = Array.from({ length: 1 + (n % 40) }, () => ({
    recordClass,
    topic: "t",
    key: `key ${n % 5}`,
    value: Buffer.from(String(n++).padEnd(300)),
    headers: { ce_id: String(n) },
  }));
  outbox.append(records);
  process.stdout.write(`${n}\n`);
}, 1);
for (;;) {
  const batch = await outbox.read(30, 1e6);
  outbox.settle((batch?.records ?? []).map(() => "acknowledged"));
  await new Promise((resolve) => setTimeout(resolve, 3));
}
