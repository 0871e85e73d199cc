/** Percore's echo of bytes that lie in shared memory: read where they are, and copied once, as the result. Worker threads. */
import { type SharedBlock, view } from '../src/index.js'

/** Gives the bytes back. */
export const echo: (bytes: Uint8Array | SharedBlock) => Uint8Array = view((block) => block.bytes) as never
