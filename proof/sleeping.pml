/*
 * How a group's thread and a worker go to sleep and wake each other (src/group/poller.ts, src/group/idle.ts, both by src/ring/doorbell.ts), with a lane of normal
 * and one of high priority, a task that waits until it is called off (src/group/called-off.ts), and two plain hints: `mayHaveMore` of the high lane, which may be
 * old news, and `looking`, which tells the worker that the caller looks. Labels are those of the sources.
 *
 * Shown: nothing is slept through, whatever the hints say. All tasks are completed, the caller hears of it and both end; a lost wake-up is an invalid end
 * state. A hint that is old news is so only until the reader has seen newer ones by an atomic load.
 *
 * run: right                                  a task of each priority
 * run: right -DNORMAL=2 -DHIGH=2              two of each
 * run: right -DOFF                            one more, which waits until it is called off
 * run: right -DLIVENESS                       every run ends
 * run: right -DLIVENESS -DOFF                 every run ends, with one that is called off
 * run: broken -DNORMAL_ONLY                   the worker looks only into the normal lane before it sleeps
 * run: broken -DHINT_FOR_LOOK                 it takes the hint for the look
 * run: broken -DNO_SECOND_LOOK                the caller does not look again before it sleeps
 * run: broken -DRING_BY_HINT                  the worker rings only while the caller does not seem to look
 * run: broken -DOFF -DNO_COUNT                the worker does not look for tasks that were called off before it sleeps
 * run: broken -DOFF -DRING_EARLY              X3 comes before X2
 * run: broken -DOFF -DWORD_LATE               X1 comes after X2
 */
#ifndef NORMAL
#define NORMAL 1
#endif
#ifndef HIGH
#define HIGH 1
#endif
#ifdef OFF
#define WAITING 1
#else
#define WAITING 0
#endif
#define TASKS (NORMAL + HIGH + WAITING)
#define RUNNING 0
#define BLOCKED 1
#define IN_LOOP 2
#define CALLER 0
#define WORKER 1

byte tail[2]       /* published in the normal lane and in the high one */
byte completed     /* completions published */
byte mode[2]       /* mode words */
bool message[2]    /* a message lies in the port */
bool waiting       /* the worker is inside Atomics.wait */
bool looking       /* the plain word */
bool word          /* of the task that may be called off */
byte counted       /* tasks called off, of this worker */
bool stop
bool callerEnded, workerEnded

inline ringBell(who) {
  seen = mode[who] /* R2 */
  if
  :: seen == RUNNING
  :: else ->
    atomic { /* R3 */
      won = mode[who] == seen
      if
      :: won -> mode[who] = RUNNING
      :: else
      fi
    }
    if
    :: won && seen == BLOCKED -> waiting = false
    :: won && seen == IN_LOOP -> message[who] = true
    :: !won
    fi
  fi
}

inline push(lane) {
  pushed[lane]++
  tail[lane] = pushed[lane] /* R1 */
  ringBell(WORKER)
}

/* The first of the normal lane is the task that waits. */
inline callOff() {
  called = true
#ifdef WORD_LATE
  counted = 1
  word = true
#else
  word = true  /* X1 */
#ifdef RING_EARLY
  ringBell(WORKER)
#endif
  counted = 1  /* X2 */
#endif
#ifndef RING_EARLY
  ringBell(WORKER) /* X3 */
#endif
}

active proctype Caller() {
  byte pushed[2], seen, taken
  bool won, called

  looking = true
  do
  :: pushed[0] < NORMAL + WAITING -> push(0)
  :: pushed[1] < HIGH -> push(1)
  :: taken != completed -> taken = completed
#ifdef OFF
  :: !called && pushed[0] > 0 -> callOff()
#endif
  :: taken == TASKS -> break
  :: taken == completed && taken < TASKS ->
    mode[CALLER] = IN_LOOP /* S1 */
#ifdef NO_SECOND_LOOK
    if
    :: true ->
#else
    if
    :: taken != completed -> mode[CALLER] = RUNNING /* S2 */
    :: else ->
#endif
      looking = false
      if /* S3: a message, or the program itself has something to send and so polls again */
      :: message[CALLER] -> message[CALLER] = false; mode[CALLER] = RUNNING; looking = true
      :: pushed[0] < NORMAL + WAITING -> mode[CALLER] = RUNNING; looking = true; push(0)
      :: pushed[1] < HIGH -> mode[CALLER] = RUNNING; looking = true; push(1)
#ifdef OFF
      :: !called && pushed[0] > 0 -> callOff(); mode[CALLER] = RUNNING; looking = true
#endif
      fi
    fi
  od
  stop = true
  ringBell(WORKER)
  callerEnded = true
}

inline complete() {
  completed++
#ifdef RING_BY_HINT
  if
  :: looking
  :: else -> ringBell(CALLER)
  fi
#else
  ringBell(CALLER)
#endif
}

active proctype Worker() {
  byte head[2], known, seen, seenCount, how
  bool won, more, running

  do
  :: stop && head[0] + head[1] == TASKS -> break
  :: else ->
    /* cancels.look */
    if
    :: running && counted != seenCount -> /* X4 */
      seenCount = counted
      if
      :: word -> running = false; complete()
      :: else
      fi
    :: else
    fi
    /* mayHaveMore: true if this thread knows of more; else it may or may not see what there is */
    if
    :: known != head[1] -> more = true
    :: known == head[1] -> more = false
    :: known == head[1] && tail[1] != head[1] -> more = true
    fi
    if
    :: more -> known = tail[1]; head[1]++; complete()
    :: !more && tail[0] != head[0] ->
      head[0]++
#ifdef OFF
      if
      :: head[0] == 1 && !word -> running = true
      :: else -> complete()
      fi
#else
      complete()
#endif
    :: !more && tail[0] == head[0] ->
      if
      :: how = BLOCKED
      :: how = IN_LOOP
      fi
      mode[WORKER] = how /* S1 */
      more = tail[0] != head[0] /* S2 */
#ifdef HINT_FOR_LOOK
      if
      :: more = more || known != head[1]
      :: more = more || tail[1] != head[1]
      fi
#endif
#if !defined(HINT_FOR_LOOK) && !defined(NORMAL_ONLY)
      known = tail[1]
      more = more || known != head[1]
#endif
#ifndef NO_COUNT
      more = more || (running && counted != seenCount)
#endif
      more = more || stop
      if
      :: more
      :: !more && how == BLOCKED ->
        atomic { waiting = mode[WORKER] == BLOCKED } /* S3 */
        !waiting
      :: !more && how == IN_LOOP -> message[WORKER] -> message[WORKER] = false
      fi
      mode[WORKER] = RUNNING
    fi
  od
  workerEnded = true
}

#ifdef LIVENESS
ltl ends { <> (callerEnded && workerEnded) }
#endif
