/*
 * Death and recovery (the words `started`, `part` and `written` of src/ring/lanes.ts, and `alarm` of src/ring/doorbell.ts): a worker
 * takes tasks from one lane and puts completions into another, and dies at any step, up to DEATHS times. The first descriptor holds two
 * tasks, which are started one by one. A supervisor that has seen it end recovers both lanes, fails the task that was running and starts a successor.
 *
 * Shown: every accepted task gets exactly one outcome; no task is run twice; only a task that was running is failed; and the
 * reader of the completions, asleep in its event loop, always hears of them.
 *
 * run: right                          one death
 * run: right -DDEATHS=2               two deaths
 * run: right -DLIVENESS               one death: every run ends
 * run: broken -DSTARTED_LATE          `started` is moved after the handler has run
 * run: broken -DHEAD_STAYS            the consumed lane is not recovered: what ran since the last release runs again
 * run: broken -DHEAD_TO_TAIL          the successor skips everything published
 * run: broken -DPART_SKIPPED          it skips the rest of the descriptor the dead one was in
 * run: broken -DPART_AGAIN            it begins that one anew
 * run: broken -DPART_LATE             `part` is moved after the handler has run
 * run: broken -DTAIL_STAYS            the produced lane is not recovered: completions written and not published are lost
 * run: broken -DWRITTEN_EARLY         `written` is moved before the slot is written
 * run: broken -DRING_ONLY             the supervisor trusts the mode word, which the dead thread had cleared without waking
 * run: broken -DSILENT                the supervisor publishes and wakes nobody
 */
#ifndef DEATHS
#define DEATHS 1
#endif
#define TASKS 3
#define CAPACITY 2
#define NOTHING 255

/* the lane of tasks: descriptor 0 holds tasks 0 and 1, descriptor 1 task 2 */
#define DESCRIPTORS 2
#define parts(d) (2 - (d))
byte tail, head, started, part
byte slot[CAPACITY] /* the first task in it */
/* the lane of completions: never full, because no more tasks are in flight than it holds */
byte outTail, outWritten
byte outSlot[TASKS]
/* the doorbell of the reader */
byte mode
bool message

byte deaths
byte failed
bool dead
byte ran[TASKS]
byte outcome[TASKS]
byte outcomes

#define step if :: atomic { deaths < DEATHS -> deaths++; goto died } :: skip fi

active proctype Feeder() {
  byte d
  do
  :: d < DESCRIPTORS ->
    tail - head < CAPACITY
    slot[d % CAPACITY] = 2 * d
    tail = d + 1
    d++
  :: else -> break
  od
}

inline ringReader(seen, won) {
  step
  seen = mode
  if
  :: seen != 0 ->
    step
    atomic {
      won = mode == seen
      if
      :: won -> mode = 0
      :: else
      fi
    }
    step
    if
    :: won -> message = true
    :: else
    fi
  :: else
  fi
}

proctype Worker() {
  byte next = head, written = outTail, ready, task, seen, entry
  bool won

  /* a plain read: the thread before has been joined */
  if
  :: started == next + 1 -> entry = part
  :: else
  fi
#ifdef PART_AGAIN
  entry = 0
#endif
  do
  :: next == DESCRIPTORS -> break
  :: next != DESCRIPTORS ->
    atomic { tail != next -> ready = tail - next }
    do
    :: ready > 0 ->
      step
      d_step { /* straight-line plain stores */
        skip
#ifndef STARTED_LATE
        started = next + 1
#ifndef PART_LATE
        part = entry + 1
#endif
#endif
      }
      task = slot[next % CAPACITY] + entry
      step
      ran[task]++
      assert(ran[task] == 1)
#ifdef STARTED_LATE
      step
      d_step { started = next + 1; part = entry + 1 }
#endif
#ifdef PART_LATE
      step
      part = entry + 1
#endif
      step
#ifdef WRITTEN_EARLY
      outWritten = written + 1
      step
      outSlot[written] = task
#else
      outSlot[written] = task
      step
      outWritten = written + 1
#endif
      written++
      entry++
      if
      :: entry == parts(next) -> entry = 0; next++; ready--
      :: else
      fi
      if /* the oldest completion has grown old, or not */
      :: step; outTail = written; ringReader(seen, won)
      :: skip
      fi
    :: else -> break
    od
    step
    outTail = written
    ringReader(seen, won)
    step
    head = next
  od
  goto ended
died:
  dead = true
ended:
  skip
}

active proctype Supervisor() {
  run Worker()
end:
  do
  :: dead ->
    dead = false
    if /* how many had been started: those of whole descriptors before, and some of the one it was in */
    :: started > 0 && 2 * (started - 1) + part != outWritten + failed -> /* it was running a task */
      failed++
      d_step {
        outcome[slot[(started - 1) % CAPACITY] + part - 1]++
        outcomes++
      }
    :: else
    fi
#ifdef HEAD_TO_TAIL
    head = tail
#else
#ifndef HEAD_STAYS
    if
#ifndef PART_SKIPPED
    :: started != head && part < parts(started - 1) -> head = started - 1
#endif
    :: else -> head = started
    fi
#endif
#endif
#ifndef TAIL_STAYS
    outTail = outWritten
#endif
#ifdef RING_ONLY
    if
    :: atomic { mode != 0 -> mode = 0; message = true }
    :: else
    fi
#else
#ifndef SILENT
    mode = 0
    message = true
#endif
#endif
    run Worker()
  od
}

active proctype Reader() {
  byte next
  do
  :: outcomes == TASKS -> break
  :: else ->
    if
    :: next != outTail ->
      d_step {
        outcome[outSlot[next]]++
        outcomes++
        outSlot[next] = NOTHING
        next++
      }
    :: else ->
      mode = 2
      if
      :: next != outTail || outcomes == TASKS
      :: else ->
        message
        message = false
      fi
      mode = 0
    fi
  od
  assert(outcome[0] == 1 && outcome[1] == 1 && outcome[2] == 1)
}

#ifdef LIVENESS
ltl ends { <> (outcomes == TASKS) }
#endif
