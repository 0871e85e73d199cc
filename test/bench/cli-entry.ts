/** `percore bench` on its own, for the tests. */
import { benchCommand } from '../../src/cli/bench.js'

await benchCommand().parseAsync(process.argv)
