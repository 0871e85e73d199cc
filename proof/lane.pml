/*
 * The lane (src/ring/lane.ts): single producer, single consumer, indices that run free and wrap, each side working with a
 * cached copy of the other's index.
 *
 * Shown: every item arrives once, in order and whole; no slot is overwritten before it is read; nobody waits for ever.
 * Indices live modulo 8 and start just below the wrap, as the real ones live modulo 2^32. A slot is written and read in two
 * steps, so that an overlap of the two would be seen.
 *
 * run: right                          capacity 2
 * run: right -DCAPACITY=1             capacity 1
 * run: right -DCAPACITY=4             capacity 4
 * run: right -DLIVENESS               capacity 2: every run ends, under weak fairness
 * run: broken -DPUBLISH_EARLY         the tail is stored before the slot is written
 * run: broken -DRELEASE_EARLY         the head is stored before the slot is read
 * run: broken -DONE_TOO_MANY          the producer believes there is one more slot
 * run: broken -DNO_WRAP               indices are compared by size and not by difference
 * run: broken -DHOARD                 the producer waits for room without publishing what it has committed
 */
#ifndef CAPACITY
#define CAPACITY 2
#endif
#define MODULUS 8
#define FIRST 6
#define ITEMS 5
#define TORN 255

#define diff(a, b) ((a + MODULUS - b) % MODULUS)

#ifdef NO_WRAP
#define held(w, h) (w - h)
#else
#define held(w, h) diff(w, h)
#endif

#ifdef ONE_TOO_MANY
#define full(w, h) (held(w, h) > CAPACITY)
#else
#define full(w, h) (held(w, h) >= CAPACITY)
#endif

byte slot[CAPACITY]
byte tail = FIRST /* written by the producer */
byte head = FIRST /* written by the consumer */
bool finished

active proctype Producer() {
  byte written = FIRST, headSeen = FIRST, item = 1

  do
  :: item <= ITEMS ->
    if
    :: full(written, headSeen) -> headSeen = head /* P2 */
    :: else
    fi
    if
    :: full(written, headSeen) ->
#ifndef HOARD
      tail = written /* P1 */
#endif
      head != headSeen /* try again later */
    :: else ->
#ifdef PUBLISH_EARLY
      tail = (written + 1) % MODULUS
#endif
      slot[written % CAPACITY] = TORN
      slot[written % CAPACITY] = item
      written = (written + 1) % MODULUS
      item++
      if
      :: tail = written /* P1 */
      :: skip           /* a later publish takes this one along */
      fi
    fi
  :: else -> break
  od
  tail = written /* P1 */
}

active proctype Consumer() {
  byte next = FIRST, ready, item, expected = 1

  do
  :: expected <= ITEMS ->
    atomic { tail != next -> ready = diff(tail, next) } /* C1 */
    assert(ready <= CAPACITY)
    do
    :: ready > 0 ->
#ifdef RELEASE_EARLY
      head = (next + 1) % MODULUS
#endif
      item = slot[next % CAPACITY]
      assert(item == expected)
      assert(slot[next % CAPACITY] == item) /* still whole at the end of the read */
      next = (next + 1) % MODULUS
      ready--
      expected++
    :: else -> break
    od
    head = next /* C2 */
  :: else -> break
  od
  finished = true
}

#ifdef LIVENESS
ltl ends { <> finished }
#endif
