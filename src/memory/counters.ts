/**
 * Numbers of the counters each heap record carries, one per branch of the slow paths. Written plainly by the record's holder,
 * read by any thread; the fast paths of malloc and free count nothing.
 */
export const counterNames = [
  'refills',
  'activeDrains',
  'extensions',
  'partialHits',
  'pendingHits',
  'emptyHits',
  'goneHits',
  'adopted',
  'blockedByActivity',
  'blockedByPartial',
  'blockedByFew',
  'blockedByWaiting',
  'blockedByFirstRefusal',
  'newPages',
  'armed',
  'pendingDrained',
  'pendingForwarded',
  'relisted',
  'pagesEmptied',
  'pagesReturned',
  'remoteBlocks',
  'remotePushes',
  'remoteEnqueues',
  'remoteAdopted',
  'batchConflicts',
  'chunksTaken',
  'granulesTaken',
  'granulesReturned',
  'unitsBorrowed',
  'largeTaken',
  'largeFreed',
  'outOfMemory',
  'badFrees',
  'quarantined',
] as const

/** A counter of the heap's slow paths. */
export type CounterName = (typeof counterNames)[number]

type Offsets = Readonly<Record<CounterName, number>>

/** Offsets by name, for the code that counts. */
export const C: Offsets = Object.fromEntries(counterNames.map((name, at) => [name, at])) as Offsets
