/** A growing first-in first-out queue over a ring of slots, for the hand-made rivals: no shifting, no allocation per task. One thread. */
export class Fifo<T> {
  #slots: (T | undefined)[] = Array.from({ length: 64 })
  #head = 0
  #tail = 0

  push(value: T): void {
    if (this.#tail - this.#head === this.#slots.length) this.#grow()
    this.#slots[this.#tail++ & (this.#slots.length - 1)] = value
  }

  shift(): T | undefined {
    if (this.#head === this.#tail) return undefined
    const at = this.#head++ & (this.#slots.length - 1)
    const value = this.#slots[at]
    this.#slots[at] = undefined
    return value
  }

  #grow(): void {
    const { length } = this.#slots
    const slots: (T | undefined)[] = Array.from({ length: length * 2 })
    for (let i = this.#head; i < this.#tail; i++) slots[i & (length * 2 - 1)] = this.#slots[i & (length - 1)]
    this.#slots = slots
  }
}
