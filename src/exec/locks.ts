/**
 * Semaphore and mutex between tasks of one thread. Use them where a coroutine waits between looking and acting. One thread.
 *
 * Invariant: whoever waits longest is served first, and nobody is served past it; so a large request is not starved by small ones.
 */
import { PercoreError } from '../base/index.js'
import { type Source, Wait, WaitList } from './wait.js'

/**
 * A number of permits: bounds how many tasks do something at the same time.
 *
 * @example
 * ```ts
 * import { Exec, Semaphore } from 'percore/exec'
 *
 * const exec = new Exec()
 * const slots = new Semaphore(2) // two at a time
 * for (let n = 0; n < 4; n++) {
 *   exec.spawn(function* () {
 *     yield* slots.acquire()
 *     try {
 *       yield* exec.sleep(1)
 *     } finally {
 *       slots.release()
 *     }
 *   })
 * }
 * await exec.run()
 * console.log(slots.available) // 2
 * ```
 */
export class Semaphore {
  #available: number
  readonly #waits: WaitList = new WaitList()
  readonly #acquire: Source = {
    begin: (wait) => {
      if (this.#waits.first === undefined && this.#available >= (wait.item as number)) {
        this.#available -= wait.item as number
        wait.fire(undefined)
      } else this.#waits.push(wait)
    },
    leave: (wait) => {
      this.#waits.remove(wait)
      this.#serve()
    },
    undo: (wait) => this.release(wait.item as number),
  }

  constructor(permits: number) {
    this.#available = checked(permits, 0)
  }

  /** Permits to be had now. */
  get available(): number {
    return this.#available
  }

  /** Waits for that many permits, then has them. A wait that is cancelled takes none. */
  acquire(permits: number = 1): Wait<void> {
    return new Wait<void>(this.#acquire, checked(permits, 1))
  }

  /** Has the permits and returns true, or false if it would have to wait. */
  tryAcquire(permits: number = 1): boolean {
    if (this.#waits.first !== undefined || this.#available < checked(permits, 1)) return false
    this.#available -= permits
    return true
  }

  /** Gives permits back, or adds new ones. */
  release(permits: number = 1): void {
    this.#available += checked(permits, 1)
    this.#serve()
  }

  #serve(): void {
    for (let first = this.#waits.first; first !== undefined && this.#available >= (first.item as number); first = this.#waits.first) {
      this.#available -= first.item as number
      this.#waits.remove(first)
      first.fire(undefined)
    }
  }
}

function checked(permits: number, least: number): number {
  if (Number.isInteger(permits) && permits >= least) return permits
  throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `permits must be a whole number, at least ${least}, not ${permits}`)
}

/**
 * One task at a time. `yield* mutex.lock()`, and `unlock` in a `finally`.
 *
 * @example
 * ```ts
 * import { Exec, Mutex } from 'percore/exec'
 *
 * const exec = new Exec()
 * const mutex = new Mutex()
 * let balance = 1
 * const withdraw = function* () {
 *   yield* mutex.lock()
 *   try {
 *     if (balance === 0) return
 *     yield* exec.sleep(1) // nobody else looks meanwhile
 *     balance--
 *   } finally {
 *     mutex.unlock()
 *   }
 * }
 * exec.spawn(withdraw)
 * exec.spawn(withdraw)
 * await exec.run()
 * console.log(balance) // 0
 * ```
 */
export class Mutex {
  readonly #permit: Semaphore = new Semaphore(1)

  get locked(): boolean {
    return this.#permit.available === 0
  }

  lock(): Wait<void> {
    return this.#permit.acquire()
  }

  tryLock(): boolean {
    return this.#permit.tryAcquire()
  }

  /** Lets the next one in. Throws ERR_PERCORE_INVALID_OPTION when it is not locked. */
  unlock(): void {
    if (!this.locked) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', 'unlock of a mutex that is not locked; lock it first, unlock it once')
    this.#permit.release()
  }
}
