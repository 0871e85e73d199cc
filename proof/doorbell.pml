/*
 * The doorbell (src/ring/doorbell.ts): one mode word between a consumer that goes to sleep in one of two ways and the
 * producers that wake it. Every line below is one atomic step; the labels are those of the source.
 *
 * Shown: no wake-up is lost. Producers publish ITEMS each and end; were a wake-up lost, the consumer would sleep for ever with
 * work published, which Spin reports as an invalid end state. A bounded number of spurious wake-ups is thrown in. With LIVENESS
 * every run ends, under weak fairness, even if sleeps time out for ever.
 *
 * run: right                                  one producer
 * run: right -DPRODUCERS=2                    two producers
 * run: right -DTIMEOUT                        one producer, sleeps with a time-out
 * run: right -DLIVENESS                       one producer: every run ends
 * run: right -DLIVENESS -DTIMEOUT             one producer, sleeps with a time-out: every run ends
 * run: right -DLIVENESS -DPRODUCERS=2 -DITEMS=1    two producers: every run ends
 * run: broken -DNO_SECOND_LOOK                the consumer does not look again after S1
 * run: broken -DLOOK_FIRST                    the consumer looks, and then writes the mode
 * run: broken -DWAIT_ON_TAIL                  the obvious protocol: wait on the tail; a stale producer clears the next sleep's flag
 * run: broken -DCLEAR_BLINDLY                 R3 is a store: a stale producer clears a later mode and wakes the wrong way
 * run: broken -DPLAIN_MODE                    S1 is a plain store: it leaves the store buffer after S2
 * run: broken -DPLAIN_PUBLISH                 R1 is a plain store: it leaves the store buffer after R2
 * run: broken -DFLEETING                      a message is forgotten unless it is being waited for
 */
#ifndef PRODUCERS
#define PRODUCERS 1
#endif
#ifndef ITEMS
#define ITEMS 2
#endif
#define RUNNING 0
#define BLOCKED 1
#define IN_LOOP 2

byte tail[PRODUCERS]  /* items published by each producer */
byte mode             /* the mode word */
bool waiting          /* the consumer is inside Atomics.wait */
bool inLoop           /* the consumer is in its event loop */
bool message          /* a message lies in its port */
byte spurious = 1     /* sleeps that may still end for no reason */
bool finished

#ifdef PLAIN_MODE
/* A store buffer of one entry: visible to others only when it drains, at any later time. */
bool held
byte heldMode
active proctype StoreBuffer() {
end:
  do
  :: atomic { held -> mode = heldMode; held = false }
  od
}
#define storeMode(m) atomic { !held -> heldMode = m; held = true }
#define fence !held
#else
#define storeMode(m) mode = m
#define fence skip
#endif

inline look(found) {
  byte p
  found = false
  p = 0
  do
  :: p < PRODUCERS ->
    found = found || tail[p] != taken[p]
    p++
  :: else -> break
  od
}

inline sleepBlocked() {
#ifdef WAIT_ON_TAIL
  atomic { waiting = tail[0] == taken[0] } /* S3 on the tail */
#else
  fence
  atomic { waiting = mode == BLOCKED } /* S3: Atomics.wait compares under the lock of the word */
#endif
  if
  :: !waiting
  :: atomic { waiting && spurious > 0 -> spurious--; waiting = false }
#ifdef TIMEOUT
  :: waiting = false
#endif
  fi
}

inline sleepInLoop() {
  fence
  inLoop = true
  if
  :: message
  :: atomic { spurious > 0 -> spurious-- }
#ifdef TIMEOUT
  :: skip
#endif
  fi
  atomic { inLoop = false; message = false }
}

active proctype Consumer() {
  byte taken[PRODUCERS]
  byte total, how
  bool found

  do
  :: total == PRODUCERS * ITEMS -> break
  :: else ->
    byte q
    q = 0
    found = false
    do
    :: q < PRODUCERS ->
      atomic { /* take everything one lane holds */
        found = found || tail[q] != taken[q]
        total = total + tail[q] - taken[q]
        taken[q] = tail[q]
      }
      q++
    :: else -> break
    od
    if
    :: found
    :: else ->
#ifdef WAIT_ON_TAIL
      how = BLOCKED
#else
      if
      :: how = BLOCKED
      :: how = IN_LOOP
      fi
#endif
#ifdef LOOK_FIRST
      look(found)
      storeMode(how)
#else
      storeMode(how) /* S1 */
#ifndef NO_SECOND_LOOK
      look(found) /* S2 */
#endif
#endif
      if
      :: found
      :: !found && how == BLOCKED -> sleepBlocked()
      :: !found && how == IN_LOOP -> sleepInLoop()
      fi
      storeMode(RUNNING)
    fi
  od
  finished = true
}

active [PRODUCERS] proctype Producer() {
  byte published, seen
  byte me = _pid % PRODUCERS
  bool won

  do
  :: published < ITEMS ->
    published++
#ifdef PLAIN_PUBLISH
    seen = mode            /* R2 overtakes the plain R1 still in the store buffer */
    tail[me] = published
#else
    tail[me] = published   /* R1 */
    seen = mode            /* R2 */
#endif
    if
    :: seen == RUNNING
    :: else ->
#if defined(CLEAR_BLINDLY) || defined(WAIT_ON_TAIL)
      mode = RUNNING
      won = true
#else
      atomic {               /* R3 */
        won = mode == seen
        if
        :: won -> mode = RUNNING
        :: else
        fi
      }
#endif
      if
      :: won && seen == BLOCKED -> waiting = false
#ifdef FLEETING
      :: won && seen == IN_LOOP -> message = inLoop
#else
      :: won && seen == IN_LOOP -> message = true
#endif
      :: !won
      fi
    fi
  :: else -> break
  od
}

#ifdef LIVENESS
ltl ends { <> finished }
#endif
