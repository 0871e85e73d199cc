/**
 * `npm run proof`: runs every Spin model and prints a line for each. Installs nothing; says what is missing. Exits 1 when a
 * verdict is not the expected one or nothing could be run.
 */
import { listRuns, missingTools, verify } from './spin.js'

const missing = await missingTools()
if (missing !== undefined) {
  console.error(`The models were not run: ${missing}.`)
  process.exit(1)
}
for (const run of listRuns()) {
  const { asExpected, summary, output } = await verify(run)
  console.log(`${asExpected ? 'ok  ' : 'FAIL'} ${run.expected.padEnd(6)} ${run.model.padEnd(13)} ${run.what.padEnd(72)} ${summary}`)
  if (!asExpected) {
    console.error(output)
    process.exitCode = 1
  }
}
