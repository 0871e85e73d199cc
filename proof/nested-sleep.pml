/*
 * Sleeping among calls from inside handlers (src/group/nested.ts, src/group/router.ts): a worker whose timer makes CALLS calls at once, through a lane of one
 * slot up; the group's thread answers none before all have come, all at once, through a lane of one slot down. Each keeps what finds no room in its own
 * memory and must not sleep on it, since nobody tells when there is room: slots are given back without a bell. nested.pml has the routes; there, waiting wakes by itself.
 *
 * Shown: every call is answered, both threads end, and neither sleeps on what it could send.
 *
 * run: right
 * run: right -DCALLS=4
 * run: right -DLIVENESS                 every run ends
 * run: broken -DSLEEP_ON_UNSENT         the worker sleeps while calls wait for room
 * run: broken -DSLEEP_ON_HELD           the group's thread sleeps while answers wait for room
 * run: broken -DPUBLISH_LATER           what a turn sends is published by a microtask, and the worker blocks before it
 * run: broken -DNO_LOOK_UP              the group's thread does not look into the lane up before it sleeps
 * run: broken -DNO_LOOK_DOWN            the worker does not look into the lane down before it sleeps
 * run: broken -DRING_FIRST              the worker rings before it publishes
 * run: broken -DLIVENESS -DONCE_OPEN    the worker sends what waits only once it was sent something: it turns for ever
 */
#ifndef CALLS
#define CALLS 3
#endif
#define RUNNING 0
#define ASLEEP 1
#define ROUTER 0
#define WORKER 1

byte written, up, upTaken, upFree     /* calls written, published, taken; and their slots given back */
byte down, downTaken, downFree        /* answers, likewise; the group's thread publishes each at once */
byte mode[2]
bool bell[2]                          /* a message or a notification, which is kept */
bool opened                           /* the worker was sent something */
bool workerEnded, routerEnded

inline ringBell(who) {
  atomic {
    if
    :: mode[who] == ASLEEP -> mode[who] = RUNNING; bell[who] = true
    :: else
    fi
  }
}

inline publishUp() {
  if
  :: up != written ->
#ifdef RING_FIRST
    ringBell(ROUTER)
    up = written
#else
    up = written
    ringBell(ROUTER)
#endif
  :: else
  fi
}

active proctype Worker() {
  byte unsent = CALLS
  bool work, sent

  do
  :: downTaken == CALLS -> break
  :: else ->
    work = false
    sent = false
    /* a turn: what waits is sent while there is room, what has come is taken */
#ifdef ONCE_OPEN
    if
    :: written > 0 && !opened -> goto slept
    :: else
    fi
#endif
    do
    :: unsent > 0 && written - upFree < 1 -> written++; unsent--; sent = true
    :: else -> break
    od
    if
    :: downTaken != down -> downTaken++; downFree = downTaken; work = true
    :: else
    fi
#ifdef PUBLISH_LATER
    if /* the event loop turns, and with it the microtask, unless the thread blocks at once */
    :: unsent > 0 || work -> publishUp()
    :: else
    fi
#else
    publishUp()
#endif
slept:
    if
    :: work
    :: else ->
      mode[WORKER] = ASLEEP                /* S1 */
      work = false
#ifndef NO_LOOK_DOWN
      work = downTaken != down             /* S2 */
#endif
#ifndef SLEEP_ON_UNSENT
      work = work || unsent > 0
#endif
      if
      :: work
      :: else -> bell[WORKER] -> bell[WORKER] = false
      fi
      mode[WORKER] = RUNNING
    fi
  od
  workerEnded = true
}

active proctype Router() {
  byte held, answered
  bool work

  do
  :: answered == CALLS && held == 0 -> break
  :: else ->
    work = false
    if
    :: upTaken != up -> upTaken++; upFree = upTaken; work = true
    :: else
    fi
    if
    :: upTaken == CALLS && answered == 0 -> answered = CALLS; held = CALLS
    :: else
    fi
    do
    :: held > 0 && down - downFree < 1 -> opened = true; down++; held--; ringBell(WORKER)
    :: else -> break
    od
    if
    :: work || (answered == CALLS && held == 0)
    :: else ->
      mode[ROUTER] = ASLEEP                /* S1 */
#ifndef NO_LOOK_UP
      work = upTaken != up                 /* S2 */
#endif
#ifndef SLEEP_ON_HELD
      work = work || held > 0
#endif
      if
      :: work
      :: else -> bell[ROUTER] -> bell[ROUTER] = false
      fi
      mode[ROUTER] = RUNNING
    fi
  od
  routerEnded = true
}

#ifdef LIVENESS
ltl ends { <> (workerEnded && routerEnded) }
#endif
