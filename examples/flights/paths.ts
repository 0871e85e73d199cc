/** Where this example keeps its files: `data/` of the project, which git ignores. Any thread. */
import { fileURLToPath } from 'node:url'

const data = new URL('../../../data/', import.meta.url)

export const flightsFile: string = fileURLToPath(new URL('flights-1m.ndjson', data))
export const featuresFile: string = fileURLToPath(new URL('flights-features.ndjson', data))
export const referenceFile: string = fileURLToPath(new URL('flights-features.one-thread.ndjson', data))

/** The package does not export its data files by name, but they lie beside its entry. */
const vegaDatasets = new URL('../data/', import.meta.resolve('vega-datasets'))

export const parquetFile: string = fileURLToPath(new URL('flights-3m.parquet', vegaDatasets))
export const airportsFile: string = fileURLToPath(new URL('airports.csv', vegaDatasets))
