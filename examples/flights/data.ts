/**
 * The data set: the first 1,000,000 of the 3,000,000 US flights of 2001 in `vega-datasets`, written once as NDJSON.
 *
 * The file appears under its name only when it is whole.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { SingleBar } from 'cli-progress'
import { decompress } from 'fzstd'
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { flightsFile, parquetFile } from './paths.js'

export const flightCount = 1_000_000

/** Rows written at once. */
const batchRows = 10_000

/** Writes the first `count` flights to `path` unless they are there. A million takes about 5 seconds, once. */
export async function ensureFlights(path: string = flightsFile, count: number = flightCount): Promise<void> {
  if (await countLines(path) === count) return
  await mkdir(dirname(path), { recursive: true })
  const bar = new SingleBar({
    format: 'Preparing the flights, once: {bar} {value} of {total} rows', barCompleteChar: '█', barIncompleteChar: '░', barsize: 24, clearOnComplete: true,
  })
  bar.start(count, 0)
  const partial = `${path}.${process.pid}.partial`
  try {
    await pipeline(Readable.from(flightLines(count, (done) => bar.update(done))), createWriteStream(partial))
    await rename(partial, path)
  } finally {
    bar.stop()
    await rm(partial, { force: true })
  }
}

async function* flightLines(count: number, onProgress: (rows: number) => void): AsyncGenerator<string> {
  const file = await asyncBufferFromFile(parquetFile)
  const metadata = await parquetMetadataAsync(file)
  const compressors = { ZSTD: (input: Uint8Array, bytes: number) => decompress(input, new Uint8Array(bytes)) }
  let from = 0
  // A row group is decoded as a whole, whatever part of it is asked for.
  for (const group of metadata.row_groups) {
    const rowEnd = Math.min(from + Number(group.num_rows), count)
    const rows = await parquetReadObjects({ file, metadata, compressors, rowStart: from, rowEnd }) as ParquetFlight[]
    for (let at = 0; at < rows.length; at += batchRows) {
      yield rows.slice(at, at + batchRows).map(flightLine).join('')
      onProgress(Math.min(from + at + batchRows, rowEnd))
    }
    from = rowEnd
    if (from === count) return
  }
}

interface ParquetFlight {
  readonly date: Date
  readonly delay: bigint
  readonly distance: bigint
  readonly origin: string
  readonly destination: string
}

/** Times are local to the airport of departure, so they carry no zone. */
function flightLine({ date, delay, distance, origin, destination }: ParquetFlight): string {
  return `${JSON.stringify({ date: date.toISOString().slice(0, 19), delay: Number(delay), distance: Number(distance), origin, destination })}\n`
}

/** 0 when there is no such file. */
async function countLines(path: string): Promise<number> {
  let lines = 0
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines += 1
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  return lines
}
