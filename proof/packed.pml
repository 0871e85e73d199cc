/*
 * Several entries in one descriptor (src/group/packed.ts): a producer adds entries to the descriptor it committed last, while that is not published,
 * and publishes when it likes; a consumer takes whole descriptors, as many entries as each says it has. The producer may die at any step: it is
 * joined, and what it had committed is published (`recoverProduced`).
 *
 * Shown: every entry that was added arrives once, in order; none that was not added arrives; nobody waits for ever.
 *
 * run: right                       no death
 * run: right -DDEATH                 the producer dies at any step
 * run: right -DLIVENESS              every run ends
 * run: broken -DADDS_LATE            an entry is added to a descriptor that has been published
 * run: broken -DCOUNTS_EARLY -DDEATH the number of entries is raised before the entry is written
 * run: broken -DCOMMITS_EARLY -DDEATH  a descriptor is committed before its first entry is written
 */
#define ITEMS 4
#define CAPACITY 2
#define ENTRIES 2
#define NOTHING 255

byte tail, head, written
byte entry[4] /* CAPACITY x ENTRIES */
byte entries[CAPACITY]
byte added   /* items whose addition was completed */
byte taken
bool ended, dead

#ifdef DEATH
#define step if :: goto died :: skip fi
#else
#define step skip
#endif
#define place(d, e) (((d) % CAPACITY) * ENTRIES + (e))

active proctype Producer() {
  byte item, last = NOTHING /* the descriptor that may be added to */
  do
  :: item < ITEMS ->
    if
    :: last != NOTHING && entries[last % CAPACITY] < ENTRIES ->
      step
#ifdef COUNTS_EARLY
      d_step { entries[last % CAPACITY]++; added = item + 1 }
      step
      entry[place(last, entries[last % CAPACITY] - 1)] = item
#else
      entry[place(last, entries[last % CAPACITY])] = item
      step
      d_step { entries[last % CAPACITY]++; added = item + 1 }
#endif
    :: else ->
      written - head < CAPACITY
      step
#ifdef COMMITS_EARLY
      d_step { entries[written % CAPACITY] = 1; last = written; written++; added = item + 1 }
      step
      entry[place(last, 0)] = item
#else
      entry[place(written, 0)] = item
      step
      entries[written % CAPACITY] = 1
      step
      d_step { last = written; written++; added = item + 1 }
#endif
    fi
    item++
    if /* it is time, or the lane is full */
    :: step
      tail = written
#ifndef ADDS_LATE
      last = NOTHING
#endif
    :: written - head < CAPACITY || last != NOTHING && entries[last % CAPACITY] < ENTRIES -> skip
    fi
  :: else -> break
  od
  step
  tail = written
  goto done
died:
  dead = true
done:
  if
  :: dead -> tail = written /* whoever joined it */
  :: else
  fi
  ended = true
}

active proctype Consumer() {
  byte next, ready, count, e
  do
  :: atomic { tail != next -> ready = tail - next }
    do
    :: ready > 0 ->
      count = entries[next % CAPACITY]
      e = 0
      do
      :: e < count ->
        assert(entry[place(next, e)] == taken)
        entry[place(next, e)] = NOTHING
        taken++
        e++
      :: else -> break
      od
      next++
      ready--
    :: else -> break
    od
    head = next
  :: atomic { ended && tail == next -> break }
  od
  assert(taken == added)
}

#ifdef LIVENESS
ltl ends { <> (ended && taken == added) }
#endif
