/*
 * The lane from which several consumers take (src/ring/mpmc.ts): each reads first and then moves the head by a compare-exchange; whoever loses throws
 * away what he has read. A lane has a bit in a mask; a consumer that finds it empty clears the bit, looks again and sets it if he was wrong.
 *
 * Shown: each record is taken once and whole; and when a consumer dies at any step, the other one gets all that the dead one had not taken.
 * A slot is written and read in two steps, so that an overlap of the two would be seen.
 *
 * run: right                                  two consumers, three records, capacity 1
 * run: right -DCAPACITY=2                     capacity 2
 * run: right -DMASK_ONLY                      they look at nothing but the mask
 * run: right -DDEATH                          a consumer dies at any step
 * run: right -DLIVENESS                       every run ends
 * run: broken -DTORN_HEAD                     the head is moved by a load and a store
 * run: broken -DKEEP                          a loser keeps what he has read
 * run: broken -DTAKE_FIRST                    the head is moved before the record is read
 * run: broken -DMASK_ONLY -DNO_SECOND_LOOK    the bit is cleared and the lane not looked at again
 * run: broken -DDEATH -DMASK_ONLY             who finds nothing marked does not look at the lanes before he sleeps
 */
#ifndef CAPACITY
#define CAPACITY 1
#endif
#define RECORDS 3
#define TORN 255

byte slot[CAPACITY]
byte tail, head
bool marked
bool dead
byte taken[RECORDS]
byte gone /* records in account or in a dead consumer's hands */

#ifdef DEATH
#define step if :: me == 0 && !dead -> dead = true; goto died :: skip fi
#else
#define step skip
#endif

active proctype Producer() {
  byte record
  do
  :: record < RECORDS ->
    tail - head < CAPACITY
    slot[record % CAPACITY] = TORN
    slot[record % CAPACITY] = record
    record++
    tail = record /* P1 */
    if /* P2 */
    :: !marked -> marked = true
    :: marked
    fi
  :: else -> break
  od
}

proctype Consumer(byte me) {
  byte h, t, one, again
  bool won

  do
  :: head == RECORDS -> break
  :: head != RECORDS ->
    if
    :: marked
    :: !marked ->
#ifdef MASK_ONLY
      marked || head == RECORDS
#else
      tail != head || head == RECORDS /* asleep until a look at the lane finds something */
      marked = true
#endif
    fi
    step
    t = tail /* C1 */
    h = head
    if
    :: t > h ->
#ifdef TAKE_FIRST
      atomic { won = head == h; if :: won -> head = h + 1 :: else fi }
#endif
      step
      one = slot[h % CAPACITY]
      step
      again = slot[h % CAPACITY]
#ifdef TORN_HEAD
      won = head == h
      if
      :: won -> head = h + 1
      :: else
      fi
#else
#ifndef TAKE_FIRST
      atomic { won = head == h; if :: won -> head = h + 1 :: else fi } /* C2 */
#endif
#endif
#ifdef KEEP
      won = true
#endif
      if
      :: won ->
        assert(one == h && again == h)
        taken[h]++
        assert(taken[h] == 1)
      :: else
      fi
    :: else -> /* M2 */
      marked = false
      step
#ifndef NO_SECOND_LOOK
      if
      :: tail != head -> marked = true
      :: else
      fi
#endif
    fi
  od
died:
  skip
}

init {
  atomic { run Consumer(0); run Consumer(1) }
}

#ifdef LIVENESS
ltl ends { <> (head == RECORDS) }
#endif
