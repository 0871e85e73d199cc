/** A process that never rests, for figures of a machine that has other things to do. Main thread of a measuring child. */
import { spawn } from 'node:child_process'

/** Starts it, at normal priority; what is returned ends it, and so does the end of this process. */
export function startBusyProcess(): () => void {
  const busy = spawn(process.execPath, ['-e', 'for (;;) ;'], { stdio: 'ignore' })
  busy.unref()
  const stop = (): void => { busy.kill('SIGKILL') }
  process.once('exit', stop)
  return stop
}
