import { ENCAPSULATIONS, type Encapsulation } from "../../schema/encapsulation.ts";
import { parseRange } from "../../src/wire/network.ts";
import { OperationalError } from "../runtime/errors.ts";

const FORM =
  "write --agent name=router1,address=192.0.2.1,key=7 (address, key or both), and ,encapsulation=erspan for no other";
const WORDS = ["name", "address", "key", "encapsulation"];

/** An agent of the configuration, as `--agent` says it. */
interface GivenAgent {
  readonly name: string;
  readonly addresses: string[];
  readonly keys: number[];
  readonly encapsulations: Encapsulation[];
}

/**
 * Reads `name=router1,address=192.0.2.1,key=7,encapsulation=gre`, where the address may be a network, as an agent of the
 * configuration. Throws an `OperationalError` that says what is wrong with it.
 */
export function parseAgentRule(text: string): GivenAgent {
  const wrong = (what: string) => new OperationalError("AGENT_RULE", `--agent ${text}: ${what}; ${FORM}`);
  const parts = new Map<string, string>();
  for (const part of text.split(",")) {
    const [, word, value] = /^([a-z]+)=(.+)$/.exec(part.trim()) ?? [];
    if (word === undefined || value === undefined) throw wrong(`"${part}" is not word=value`);
    if (!WORDS.includes(word)) throw wrong(`${word} is not known`);
    if (parts.has(word)) throw wrong(`${word} stands there twice`);
    parts.set(word, value);
  }
  const name = parts.get("name");
  const address = parts.get("address") ?? null;
  const key = parts.get("key");
  if (name === undefined) throw wrong("the name is missing");
  if (address === null && key === undefined) throw wrong("neither address nor key says who it is");
  if (address !== null && parseRange(address) === null) throw wrong(`${address} is not an IP address or network`);
  if (key !== undefined && !(/^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(key) && Number(key) <= 0xffffffff)) {
    throw wrong(`the key ${key} is not a number from 0 to 4294967295`);
  }
  const wanted = parts.get("encapsulation");
  const encapsulation = ENCAPSULATIONS.find((one) => one === wanted);
  if (wanted !== undefined && encapsulation === undefined) {
    throw wrong(`${wanted} is none of ${ENCAPSULATIONS.join(", ")}`);
  }
  return {
    name,
    addresses: address === null ? [] : [address],
    keys: key === undefined ? [] : [Number(key)],
    encapsulations: encapsulation === undefined ? [] : [encapsulation],
  };
}
