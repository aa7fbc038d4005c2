import { Network } from "../lab/network.ts";

/**
 * tap -(in0)- edge -(out0)- core: frames come in at `in0`, copies leave through `out0`, to 10.9.0.2 or fd09::2. A link
 * without chatter of the kernels': every packet that comes in is the test's.
 */
export function tapEdgeCore(): Network {
  const network = new Network("tap", "edge", "core");
  network.link({ node: "tap", name: "tap0", addresses: [] }, { node: "edge", name: "in0", addresses: [] });
  network.link(
    { node: "core", name: "core0", addresses: ["10.9.0.2/24", "fd09::2/64"] },
    { node: "edge", name: "out0", addresses: ["10.9.0.1/24", "fd09::1/64"] },
  );
  network.sysctl("tap", "net.ipv6.conf.tap0.disable_ipv6=1");
  network.sysctl("edge", "net.ipv6.conf.in0.disable_ipv6=1");
  return network;
}
