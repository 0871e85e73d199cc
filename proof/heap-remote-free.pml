/*
 * The life of one page between its owner and threads that free its blocks: armed edge, batch push, enqueue, adopt, retire, and the
 * death of a sender. Promela; checked exhaustively by `spin -a`, see test/memory/proof.test.ts.
 *
 * The code: src/memory/remote.ts (send, enqueue, takePending), page.ts (adoptRemote, setFull, disarm, retire). One atomic block here is one
 * compare-exchange there plus the plain stores that follow it in a straight line, which a dying thread cannot be stopped within.
 *
 * Claims
 *   - the page is in the pending queue at most once, and is enqueued only by the one who took ARMED away;
 *   - a retired page is in nobody's hands: not armed, not queued, owed by no one, no block out;
 *   - nothing is lost: when every block was freed, the owner can get all of them back without scanning for the page.
 *
 * -DBREAK_ARM      the owner arms with a plain store: frees that came first are overwritten
 * -DBREAK_RETIRE   the owner retires without disarming: the page is announced after it is gone
 * -DBREAK_EDGE     senders enqueue on every push: the page is queued twice
 * -DBREAK_OWED     a dead sender's debt is not paid: the page is never announced
 */
#define CAPACITY 3
#define SENDERS 2
#define BATCH_MAX 2

mtype = { ACTIVE, PARTIAL, FULL, GONE };
mtype state = ACTIVE;
byte free = CAPACITY;     /* owner's free list */
byte used = 0;            /* as the owner counts */
byte remote = 0;          /* REMOTE: count … */
bool armed = false;       /* … and ARMED, one word: read and written together */
bool watched = false;
byte queued = 0;          /* times in R_PENDING */
byte out = 0;             /* blocks in somebody's hands, to be freed by anyone */
byte batch[SENDERS];      /* R_BATCH of each sender */
bool owed[SENDERS];       /* R_OWED of each sender */
byte handed = 0;          /* blocks ever handed out: bounds the state space */
#define HANDED_MAX 6
bool closing = false;     /* no more blocks are handed out */

inline pay(id) {
  /* enqueue(): one compare-exchange, then R_OWED = 0 */
  atomic { queued++; assert(queued == 1); assert(state != GONE); owed[id] = false }
}

inline push(id, seenCount, seenArmed) {
  /* send(): load, link, compare-exchange */
  do
  :: atomic { seenCount = remote; seenArmed = armed };
     if
     :: atomic { remote == seenCount && armed == seenArmed ->
          assert(state != GONE);
          remote = seenCount + batch[id]; armed = false; batch[id] = 0;
#ifdef BREAK_EDGE
          owed[id] = true;
#else
          owed[id] = seenArmed;
#endif
          assert(remote <= CAPACITY) };
        break
     :: atomic { !(remote == seenCount && armed == seenArmed) -> skip } /* lost the race: again */
     fi
  od;
  if
  :: owed[id] -> pay(id)
  :: else
  fi
}

proctype Sender(byte id) {
  byte seenCount; bool seenArmed;
  do
  :: batch[id] > 0 ->
     if
     :: push(id, seenCount, seenArmed)
     :: goto dead                       /* before the compare-exchange */
     fi
  :: atomic { out > 0 && batch[id] < BATCH_MAX -> out--; batch[id]++ }
  :: closing && out == 0 && batch[id] == 0 -> goto done
  od;
dead:                                    /* the supervisor finishes what the record says */
  if
  :: owed[id] -> pay(id)
  :: else
  fi;
  if
  :: batch[id] > 0 -> push(id, seenCount, seenArmed)
  :: else
  fi;
  goto alive;
alive:                                   /* the record's next holder goes on */
  do
  :: batch[id] > 0 -> push(id, seenCount, seenArmed)
  :: atomic { out > 0 && batch[id] < BATCH_MAX -> out--; batch[id]++ }
  :: closing && out == 0 && batch[id] == 0 -> break
  od;
done: skip
}

/* A sender that dies between its push and its enqueue. */
proctype Mortal(byte id) {
  byte seenCount; bool seenArmed;
  do
  :: batch[id] > 0 ->
     do
     :: atomic { seenCount = remote; seenArmed = armed };
        if
        :: atomic { remote == seenCount && armed == seenArmed ->
             assert(state != GONE);
             remote = seenCount + batch[id]; armed = false; batch[id] = 0;
#ifdef BREAK_EDGE
             owed[id] = true;
#else
             owed[id] = seenArmed;
#endif
             assert(remote <= CAPACITY) };
           break
        :: atomic { !(remote == seenCount && armed == seenArmed) -> skip }
        fi
     od;
     skip;                               /* it dies here; reclaim() runs some time later */
#ifdef BREAK_OWED
     owed[id] = false;
#endif
     if
     :: owed[id] -> pay(id)
     :: else
     fi
  :: atomic { out > 0 && batch[id] < BATCH_MAX -> out--; batch[id]++ }
  :: closing && out == 0 && batch[id] == 0 -> break
  od
}

inline adopt() {
  /* R2: exchange(REMOTE, 0) and the stores that follow */
  atomic { free = free + remote; assert(remote <= used); used = used - remote; remote = 0; armed = false }
}

inline setFull() {
  if
  :: !watched ->
#ifdef BREAK_ARM
     if
     :: remote == 0 -> atomic { remote = 0; armed = true; watched = true; state = FULL }
#else
     if
     :: atomic { remote == 0 && !armed -> armed = true; watched = true; state = FULL }
#endif
     :: remote > 0 -> adopt()
     fi
  :: watched ->
     if
     :: remote > 0 -> adopt()
     :: else -> state = FULL             /* still armed, or on its way through the queue */
     fi
  fi
}

inline dequeue() {
  /* takePending(): E2, WATCHED = 0; then as fromPending() does with the state of the page */
  atomic { queued--; watched = false };
  if
  :: state == FULL ->
     if
     :: remote > 0 -> adopt(); state = ACTIVE
     :: remote == 0 ->
        setFull();
        if
        :: free > 0 -> state = ACTIVE
        :: else
        fi
     fi
  :: else
  fi
}

inline retire() {
#ifdef BREAK_RETIRE
  atomic { watched = false; armed = false; state = GONE };
#else
  if
  :: !watched -> state = GONE
  :: watched ->
     if
     :: atomic { armed -> armed = false; watched = false }; state = GONE
     :: atomic { !armed -> skip }        /* a sender has it: its dequeue retries */
     fi
  fi;
#endif
  if
  :: state == GONE -> assert(!armed && remote == 0 && queued == 0 && out + batch[0] + batch[1] == 0 && !owed[0] && !owed[1])
  :: else
  fi
}

active proctype Owner() {
  run Sender(0); run Mortal(1);
  do
  :: state == ACTIVE && free > 0 && handed < HANDED_MAX ->       /* malloc, and the block goes to another thread */
     atomic { free--; used++; out++; handed++ }
  :: state == ACTIVE && free == 0 ->                             /* malloc, dry */
     if
     :: remote > 0 -> adopt()
     :: remote == 0 -> setFull()
     fi
  :: state == ACTIVE && free > 0 -> state = PARTIAL              /* as rebuild() or trim() list a page */
  :: state == PARTIAL && free > 0 && handed < HANDED_MAX -> state = ACTIVE
  :: atomic { state != GONE && out > 0 ->                        /* a local free */
       out--; free++; used--;
       if :: state == FULL -> state = PARTIAL :: else fi }
  :: state == PARTIAL && used == 0 -> retire(); if :: state == GONE -> closing = true; break :: else fi
  :: queued > 0 -> dequeue()
  :: handed == HANDED_MAX && state == ACTIVE && free == CAPACITY -> state = PARTIAL
  :: handed == HANDED_MAX && !closing -> closing = true
  :: state != GONE && closing && out + batch[0] + batch[1] == 0 && queued == 0 && !owed[0] && !owed[1] &&
     !(state == PARTIAL && used == 0) ->
     /* everyone is done. What is left is found by polling the pages in sight; a page out of sight must have announced itself */
     assert(state != FULL);
     if
     :: remote > 0 -> adopt()
     :: else
     fi;
     assert(used == 0 && free == CAPACITY);
     state = PARTIAL
  od
}
