/** Whether a broker is named as kafkajs takes it: HOST:PORT, and IPv6 in brackets. */
export function isBroker(text: string): boolean {
  const [, port] = /^(?:\[[0-9a-f:.]+\]|[^\s:[\]]+):(\d{1,5})$/i.exec(text) ?? [];
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535;
}
