/** The seed of this folder's property tests: a new one per run, printed, repeated with `PERCORE_SEED=… npm test -- codec`. */
export const seed: number = Number(process.env['PERCORE_SEED'] ?? Date.now() % 1_000_000_007)
console.log(`PERCORE_SEED=${seed}`)
