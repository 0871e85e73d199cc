/*
 * The event count (src/ring/event-count.ts): several threads sleep behind one word, blocked or in their event loops, and each who brings
 * work wakes as many of the blocked as there is work for.
 *
 * Shown: no wake-up is lost, and nobody sleeps while there is work for him. There are as many pieces of work as sleepers, and each
 * wants one; work may be taken by one who was not asleep, so that wake-ups come for nothing.
 *
 * run: right                          two blocked, two ringers with a piece each
 * run: right -DBULK                   two blocked, one ringer with two pieces
 * run: right -DLOOP                   one blocked, one in its event loop, two ringers
 * run: right -DSLEEPERS=3             three blocked, three ringers
 * run: right -DLIVENESS               two blocked, two ringers: every run ends
 * run: broken -DLOOK_FIRST            the sleeper looks before it announces its sleep, and not after
 * run: broken -DEPOCH_STAYS           the ringer does not change the word: who has announced, and not yet slept, sleeps through it
 * run: broken -DBULK -DONE_FOR_ALL    one is woken for two pieces
 * run: broken -DOFF_AT_ONCE           the flag is taken off although more may sleep than are woken
 * run: broken -DTHREE -DOFF_SAME_EPOCH  the flag is taken off within an epoch: the next sleeper brings the old word back
 * run: broken -DOFF_SILENTLY          the flag is taken off when too few slept, and whoever has come meanwhile is not woken
 * run: broken -DLOOP -DFORGETS        the message does not stay until it is received
 */
#ifdef THREE
#define SLEEPERS 3
#else
#define SLEEPERS 2
#endif
#ifdef BULK
#define RINGERS 1
#else
#define RINGERS 2
#endif
#define EPOCHS 16

byte work
/* the word */
byte epoch
bool blocked, inLoop
/* who is in Atomics.wait, who is in its event loop, and the message there */
bool waiting[SLEEPERS], listening, message
byte got

inline notify(count) {
  d_step {
    woken = 0
    i = 0
    do
    :: i < SLEEPERS ->
      if
      :: waiting[i] && woken < count -> waiting[i] = false; woken++
      :: else
      fi
      i++
    :: else -> break
    od
  }
}

proctype Sleeper(byte me; bool loops) {
  byte e
  bool l, none

  do
  :: atomic { work > 0 -> work--; got++; break }
  :: work == 0 ->
#ifdef LOOK_FIRST
    none = work == 0
#endif
    if /* S1 */
    :: !loops -> atomic { blocked = true; e = epoch; l = inLoop }
    :: loops -> inLoop = true
    fi
#ifndef LOOK_FIRST
    none = work == 0 /* S2 */
#endif
    if
    :: !none
    :: none && !loops -> /* S3: waits only if the word is what it announced with */
      atomic {
        if
        :: epoch == e && blocked && inLoop == l -> waiting[me] = true
        :: else
        fi
      }
      !waiting[me]
    :: none && loops ->
      listening = true
      message
      atomic { message = false; listening = false }
    fi
  od
}

proctype Ringer(byte pieces) {
  byte e, i, woken
  bool b, l, won

  work = work + pieces /* R1 */
  if
  :: blocked || inLoop -> /* R2 */
    atomic { /* R3 */
      b = blocked
      l = inLoop
      inLoop = false
#ifndef EPOCH_STAYS
      epoch = (epoch + 1) % EPOCHS
#endif
#ifdef OFF_AT_ONCE
      blocked = false
#endif
      e = epoch
    }
    if /* R4 */
    :: l ->
#ifdef FORGETS
      message = listening
#else
      message = true
#endif
    :: else
    fi
    if
    :: b ->
#ifdef ONE_FOR_ALL
      notify(1)
      woken = pieces
#else
      notify(pieces)
#endif
      if
      :: woken < pieces -> /* R5 */
        atomic {
          won = epoch == e && blocked && !inLoop
          if
          :: won ->
            blocked = false
#if !defined(OFF_SAME_EPOCH) && !defined(EPOCH_STAYS)
            epoch = (epoch + 1) % EPOCHS
#endif
          :: else
          fi
        }
        if
        :: won ->
#ifndef OFF_SILENTLY
          notify(SLEEPERS)
#endif
        :: else
        fi
      :: else
      fi
    :: else
    fi
  :: !blocked && !inLoop
  fi
}

init {
  byte n
  atomic {
    do
    :: n < SLEEPERS ->
#ifdef LOOP
      run Sleeper(n, n == 0)
#else
      run Sleeper(n, false)
#endif
      n++
    :: else -> break
    od
    n = 0
    do
    :: n < RINGERS - 1 -> run Ringer(1); n++
    :: else -> run Ringer(SLEEPERS - n); break /* the last one brings the rest */
    od
  }
}

#ifdef LIVENESS
ltl ends { <> (got == SLEEPERS) }
#endif
