// node ring-packets.mjs INTERFACE: writes each packet that a RingSource hands over as a line of hexadecimal, until SIGTERM.
import { pino } from "pino";
import { RingSource } from "../../../dist/collectors/central/source/ring.js";
import { loadLibc } from "../../../dist/collectors/linux/libc.js";

const source = new RingSource(
  await loadLibc(),
  [{ name: process.argv[2] ?? "", source: 0 }],
  { receiveOctets: 2 ** 22, drop: false },
  (vector) => {
    for (let i = 0; i < vector.length; i++) {
      const at = vector.at[i] ?? 0;
      const octets = Buffer.from(vector.block.subarray(at, at + (vector.captured[i] ?? 0)));
      process.stdout.write(`${octets.toString("hex")}\n`);
    }
  },
  pino({ level: "silent" }),
);
await source.start();
process.stderr.write("listening\n");
process.once("SIGTERM", () => source.stop());
