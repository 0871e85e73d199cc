/** Every transport of `ring`, by the name of its subject. Every thread of the bench. */
import { byCopy, everyLane, inPlace } from './percore.js'
import { slotSequence, tailSpin } from './rejected.js'
import { loadRingbuf, packageName, ringbuf } from './ringbuf.js'
import type { Transport } from './transport.js'

const transports: Record<string, Transport<unknown>> = {
  percore: inPlace as Transport<unknown>,
  'percore-by-copy': byCopy as Transport<unknown>,
  'every lane polled': everyLane as Transport<unknown>,
  'tail-spin': tailSpin as Transport<unknown>,
  'slot sequence': slotSequence as Transport<unknown>,
  [packageName]: ringbuf as Transport<unknown>,
}

export async function openTransport(subject: string): Promise<Transport<unknown>> {
  if (subject === packageName) await loadRingbuf()
  const transport = transports[subject]
  if (transport === undefined) throw new Error(`no transport is called ${subject}`)
  return transport
}
