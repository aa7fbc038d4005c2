import { z } from "zod";
import { brokerAccess, saslFaults } from "./broker-access.ts";
import type { ConfigurationFault } from "./values.ts";

/** All that a file can say to `rejoin consume`. A key that is absent has its default. */
export const consumerConfiguration = z.strictObject(brokerAccess);

/** A consumer's configuration, with a value for every key. */
export type ConsumerConfiguration = z.output<typeof consumerConfiguration>;

/** What in a consumer's configuration contradicts itself. */
export const consumerFaults = ({ sasl }: ConsumerConfiguration): ConfigurationFault[] => saslFaults(sasl, ["sasl"]);
