import { Agents } from "../../src/decapsulate/agents.ts";
import { Decapsulation } from "../../src/decapsulate/decapsulate.ts";
import type { Bandwidth } from "../../src/encapsulate/bandwidth.ts";
import type { FlowSelection } from "../../src/encapsulate/flow-selection.ts";
import { segmentsOf } from "../../src/encapsulate/segmentation.ts";
import type { PacketVector } from "../../src/vector.ts";
import type { Tunnel } from "./tunnel.ts";
import type { Tunnels } from "./tunnels.ts";

/** The agent's packet path: read the headers, select, copy, send. */
export class Copier {
  /** Packets taken. */
  seen = 0;
  /** Copies that packets of selected flows call for: one each, one of each segment that a super-packet stands for. */
  selected = 0;
  /** Copies not made because they would have taken more than the bandwidth that copies may. */
  limited = 0;
  private readonly decapsulation: Decapsulation;
  private readonly selection: FlowSelection;
  private readonly tunnels: Tunnels;
  private readonly bandwidth: Bandwidth;

  constructor(selection: FlowSelection, tunnels: Tunnels, bandwidth: Bandwidth) {
    // Nobody may send: no tunnel is opened, or the agent would copy its own copies on their way out. Nor are fragments put
    // together: what is copied are packets as they pass.
    this.decapsulation = new Decapsulation(new Agents([]), null);
    this.selection = selection;
    this.tunnels = tunnels;
    this.bandwidth = bandwidth;
  }

  /** Sends a copy of each packet of the vector that belongs to an MPTCP flow. The vector's octets may go afterwards. */
  take(vector: PacketVector): void {
    const { selection, tunnels } = this;
    this.seen += vector.length;
    this.decapsulation.process(vector);
    if (selection.select(vector) === 0) return;
    this.bandwidth.advance(performance.now());
    for (let i = 0; i < vector.length; i++) {
      if (selection.selected[i] === 0) continue;
      if (selection.isNamed[i] === 1) this.copy(vector, i, tunnels.of(selection.session[i] ?? 0));
      // A SYN that opens a session does not say which: whoever gets the session needs it.
      else for (const tunnel of tunnels.all) this.copy(vector, i, tunnel);
    }
    tunnels.flush();
  }

  private copy(vector: PacketVector, i: number, tunnel: Tunnel): void {
    const count = segmentsOf(vector, i);
    this.selected += count;
    for (let n = 0; n < count; n++) {
      if (this.bandwidth.take(tunnel.encoder.length(vector, i, n, count))) tunnel.send(vector, i, n, count);
      else {
        this.limited++;
        tunnel.encoder.skip();
      }
    }
  }
}
