import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { capturePath, copiesOf } from "../support/copies.ts";
import { Collect, send } from "./collect.ts";

test("on SIGHUP a collector reads its file anew, says what it takes over, and goes on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-reload-"));
  const file = join(folder, "collector.yaml");
  writeFileSync(file, "sink: {kind: stdout}\n");
  const collect = new Collect("--config", file);
  await collect.port();

  writeFileSync(file, "sink: {kind: stdout}\nlog: {levle: debug}\n");
  collect.kill("SIGHUP");
  await collect.says(
    /SIGHUP: the configuration stays as it was: \S+collector\.yaml:2: log\.levle: .*did you mean level\?/,
  );

  writeFileSync(file, "sink: {kind: files}\nlog: {reportSeconds: 1}\n");
  collect.kill("SIGHUP");
  await collect.says(/SIGHUP: taken over: log\.reportSeconds"/);
  await collect.says(/SIGHUP: changes at the next start only: sink\.kind"/);
  await collect.says(/"msg":"totals"/);

  const copies = (await copiesOf([capturePath("join-client/router1.pcap.gz")])).slice(0, 40);
  await send(copies, await collect.port());
  writeFileSync(
    file,
    "sink: {kind: stdout}\nlog: {reportSeconds: 1}\nagents: [{name: elsewhere, addresses: [192.0.2.1]}]\n",
  );
  collect.kill("SIGHUP");
  await collect.says(/SIGHUP: taken over: agents"/);
  expect(collect.errors).not.toContain("senders that no --agent names");
  await send(copies, await collect.port());
  await collect.says(/packets of senders that no --agent names: refused/);

  collect.kill("SIGTERM");
  expect(await collect.ended()).toBe(0);
  expect(collect.said()).toEqual([]);
  rmSync(folder, { recursive: true });
});

test("a new log level holds on the thread of the delivery, too", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-reload-"));
  const file = join(folder, "collector.yaml");
  const reader = createServer((socket) => void socket.resume().on("error", () => {})).listen(0, "127.0.0.1");
  await once(reader, "listening");
  const { port } = reader.address() as AddressInfo;
  await new Promise((resolve) => reader.close(resolve));
  const sink = `sink: {kind: tcp, tcp: {host: 127.0.0.1, port: ${port}}}\n`;
  writeFileSync(file, sink);
  const collect = new Collect("--config", file);
  await collect.port();
  await collect.says(/cannot be reached: .*; records wait/);

  writeFileSync(file, `${sink}log: {level: warn}\nname: other\n`);
  collect.kill("SIGHUP");
  await collect.says(/SIGHUP: changes at the next start only: name"/);
  reader.listen(port, "127.0.0.1");
  await once(reader, "connection");
  collect.kill("SIGTERM");
  expect(await collect.ended()).toBe(0);
  // It would say so as information.
  expect(collect.errors).not.toContain("works again");
  reader.close();
  rmSync(folder, { recursive: true });
});
