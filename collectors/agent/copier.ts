import { Agents } from "../../src/decapsulate/agents.ts";
import { Decapsulation } from "../../src/decapsulate/decapsulate.ts";
import type { CopyEncoder } from "../../src/encapsulate/copy-encoder.ts";
import type { FlowSelection } from "../../src/encapsulate/flow-selection.ts";
import type { PacketVector } from "../../src/vector.ts";
import type { Transmitter } from "./transmitter.ts";

/** The agent's packet path: read the headers, select, copy, send. */
export class Copier {
  /** Packets taken. */
  seen = 0;
  /** Packets of selected flows. */
  selected = 0;
  /** Copies not made because every place of the send queue was under way. */
  dropped = 0;
  private readonly decapsulation: Decapsulation;
  private readonly selection: FlowSelection;
  private readonly encoder: CopyEncoder;
  private readonly transmitter: Transmitter;

  constructor(selection: FlowSelection, encoder: CopyEncoder, transmitter: Transmitter) {
    // Nobody may send: no tunnel is opened, or the agent would copy its own copies on their way out. Nor are fragments put
    // together: what is copied are packets as they pass.
    this.decapsulation = new Decapsulation(new Agents([]), null);
    this.selection = selection;
    this.encoder = encoder;
    this.transmitter = transmitter;
  }

  /** Sends a copy of each packet of the vector that belongs to an MPTCP flow. The vector's octets may go afterwards. */
  take(vector: PacketVector): void {
    const { encoder, transmitter, selection } = this;
    this.seen += vector.length;
    this.decapsulation.process(vector);
    const selected = selection.select(vector);
    if (selected === 0) return;
    this.selected += selected;
    for (let i = 0; i < vector.length; i++) {
      if (selection.selected[i] === 0) continue;
      const place = transmitter.reserve();
      if (place === null) {
        this.dropped++;
        encoder.skip();
      } else transmitter.send(encoder.encode(vector, i, place));
    }
    transmitter.flush();
  }
}
