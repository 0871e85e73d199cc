/**
 * One end of a transport: warms up together with the others, then starts with them. Worker thread of `ring`.
 *
 * The invariant: producers and consumers go through the same rounds, each of which ends with every producer's last record.
 */
import { crewData, startTogether } from '../memory/crew.js'
import type { Shape } from './transport.js'
import { openTransport } from './transports.js'

export interface End {
  readonly subject: string
  readonly handle: unknown
  readonly shape: Shape
  readonly role: 'producer' | 'consumer'
  readonly index: number
  /** Records that a producer pushes; for a consumer, the producers whose end it must see. */
  readonly count: number
  readonly warmups: readonly number[]
}

const { subject, handle, shape, role, index, count, warmups } = crewData<End>()
const transport = await openTransport(subject)
if (role === 'producer') {
  const produce = transport.produce(handle, shape, index)
  for (const some of warmups) produce(some, true)
  startTogether(() => produce(count, true))
} else {
  const consume = transport.consume(handle, shape, index)
  for (const _ of warmups) consume(count)
  startTogether(() => { consume(count) })
}
