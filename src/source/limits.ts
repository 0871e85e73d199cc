/**
 * The limits of a run, each with its reason. Pure; any thread.
 *
 * Together they bound memory: what a run holds at once is one chunk of input, `heldBytesMax` of blocks, and what the
 * workers add while they turn those blocks into output. None of it grows with the input.
 */

/** A block of rows: small enough to stay in a core's cache; half of it costs a tenth more processor time per row, twice of it gains nothing. */
export const blockBytesMax: number = 128 * 1024

/** Blocks start small so that a short input still reaches every worker, then grow towards {@link blockMicrosTarget}. */
export const blockBytesStart: number = 4 * 1024
export const blockBytesMin: number = 2 * 1024

/** How long a worker should spend on one block: slow handlers get smaller blocks, so output flows and workers end together. */
export const blockMicrosTarget = 10_000

/** One read of a file. An asynchronous read costs about 60 µs of the main thread whatever its size. */
export const chunkBytes: number = 512 * 1024

/** Blocks on their way per worker: one running, the rest hiding the round trip. */
export const depthDefault = 4

/** Finished blocks may wait behind a slow one, up to this many times the blocks on their way. */
export const reorderFactor = 4

/** Input on its way plus output not yet written. One block may exceed it alone, never two. */
export const heldBytesMax: number = 32 * 1024 * 1024

/** The longest line by default. A longer one is a failed row. */
export const lineBytesMax: number = 16 * 1024 * 1024

/** Rows of one block whose promises may be pending at once. */
export const asyncRowsMax = 64

/** How long an interrupted run waits for the blocks that are already with the workers. */
export const interruptGraceMs = 500

/** What an error message shows of a line. */
export const excerptChars = 64

/**
 * V8's space for young objects, per worker. Its own default of 48 MB made two workers hold 190 MB; with 24 MB they hold 155 at
 * the same speed.
 */
export const workerYoungMbMax = 24
