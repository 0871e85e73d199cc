/*
 * The ready mask of the ring from many to one (src/ring/mpsc.ts, producer.ts): each producer has a lane, and sets its bit in a mask when it finds it
 * clear after publishing; the consumer takes the whole mask, visits the lanes whose bits were set, and rings or is rung only at that edge.
 *
 * Shown: everything arrives, in order of its producer; nobody sleeps on something; and when a producer dies at any step, all that the other
 * one pushes arrives, if only the consumer looks for itself now and then.
 *
 * The bell is taken to be right (event-count.pml): a sleeper who has announced himself is woken by whoever rings after that.
 *
 * run: right                              two producers of two records each
 * run: right -DPOLL                       the consumer never sleeps, and so sees nothing but the mask
 * run: right -DWANTED=2                   it sleeps until there are two
 * run: right -DRECORDS=1 -DDEATH          one producer dies at any step
 * run: right -DLIVENESS                   every run ends
 * run: broken -DMASK_STAYS                the mask is not taken before sleeping: a bit left standing keeps its producer from ringing
 * run: broken -DPOLL -DMASK_FIRST         a producer looks at the mask before it publishes
 * run: broken -DPOLL -DTAKE_BY_STORE      the mask is taken by a load and a store
 * run: broken -DPOLL -DSET_BY_STORE       a bit is set by a load and a store
 * run: broken -DTAIL_FIRST                the consumer looks at the lanes before it takes the mask and sleeps
 * run: right -DRECORDS=1 -DDEATH -DLIVENESS             one dies: every run ends
 * run: broken -DRECORDS=1 -DDEATH -DLIVENESS -DSHARED_TAIL  the losing design: one tail for all, reserved and then published in turn
 */
#define PRODUCERS 2
#ifndef RECORDS
#define RECORDS 2
#endif
#ifndef WANTED
#define WANTED 1
#endif

byte tail[PRODUCERS], head[PRODUCERS]
bool mask[PRODUCERS]
bool toVisit[PRODUCERS]
bool asleep
bool dead
/* of the losing design */
byte reserved, published

#ifdef DEATH
#define step if :: me == 0 && !dead -> dead = true; goto died :: skip fi
#else
#define step skip
#endif

inline takeMask() {
#ifdef TAKE_BY_STORE
  taken0 = mask[0]
  taken1 = mask[1]
  d_step { mask[0] = false; mask[1] = false }
#else
  d_step { taken0 = mask[0]; taken1 = mask[1]; mask[0] = false; mask[1] = false }
#endif
  d_step { toVisit[0] = toVisit[0] || taken0; toVisit[1] = toVisit[1] || taken1 }
}

proctype Producer(byte me) {
  byte pushed, mine
  bool known, other

  do
  :: pushed < RECORDS ->
#ifdef SHARED_TAIL
    step
    d_step { mine = reserved; reserved++ }
    step
    published == mine /* wait for those before */
#endif
#ifdef MASK_FIRST
    known = mask[me]
#endif
    step
    tail[me]++ /* P1 */
    pushed++
    step
#ifdef SHARED_TAIL
    published = mine + 1
    step
#endif
#ifdef SET_BY_STORE
    other = mask[1 - me]
    known = mask[me]
    if
    :: !known -> d_step { mask[me] = true; mask[1 - me] = other }
    :: else
    fi
#else
#ifndef MASK_FIRST
    atomic { known = mask[me]; mask[me] = true } /* P2: load, and a compare-exchange if it was clear */
#else
    if
    :: !known -> mask[me] = true
    :: else
    fi
#endif
#endif
    step
    if
    :: !known -> asleep = false /* P3 */
    :: else
    fi
  :: else -> break
  od
died:
  skip
}

proctype Consumer() {
  byte lane, ready, sum
  bool taken0, taken1

  do
  :: head[1] == RECORDS && (dead || head[0] == RECORDS) -> break
  :: else ->
    if
    :: toVisit[0] -> lane = 0; goto visit
    :: toVisit[1] -> lane = 1; goto visit
    :: !toVisit[0] && !toVisit[1]
    fi
#ifdef POLL
    mask[0] || mask[1]
    takeMask()
    goto next
#else
    asleep = true /* S1 */
#ifdef TAIL_FIRST
    sum = tail[0] - head[0]
    sum = sum + tail[1] - head[1]
    takeMask()
    d_step { toVisit[0] = false; toVisit[1] = false; if :: sum > 0 -> toVisit[0] = true; toVisit[1] = true :: else fi }
#else
#ifndef MASK_STAYS
    takeMask()
#endif
    d_step { ready = tail[0] - head[0]; sum = ready; toVisit[0] = ready > 0 }
    d_step { ready = tail[1] - head[1]; sum = sum + ready; toVisit[1] = ready > 0 }
#endif
    if
    :: sum >= WANTED || (sum > 0 && head[0] + head[1] + sum == PRODUCERS * RECORDS)
    :: else ->
#ifdef DEATH
      if
      :: !asleep
      :: dead /* it looks for itself now and then */
      fi
#else
      !asleep
#endif
      d_step { toVisit[0] = false; toVisit[1] = false }
    fi
    asleep = false
    goto next
#endif
visit:
    toVisit[lane] = false
    d_step { ready = tail[lane] - head[lane] } /* C1: all that it shows is taken */
    head[lane] = head[lane] + ready
next:
    skip
  od
}

init {
  atomic { run Producer(0); run Producer(1); run Consumer() }
}

#ifdef LIVENESS
ltl ends { <> (head[1] == RECORDS && (dead || head[0] == RECORDS)) }
#endif
