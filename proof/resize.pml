/*
 * Taking a worker away (src/group/elastic.ts, Dispatcher.retire and whenRelieved, Supervisor.stop): the caller stops giving it tasks, waits
 * until what it has been given has been answered, asks it to end and joins it; later it may start another thread in the same slot. The worker may die at
 * any step but while it ends; its successor carries on with what is in the lane.
 *
 * Shown: every accepted task is answered once; the thread that is asked to end has nothing left, and no task is ever given to a slot without a thread;
 * everything ends.
 *
 * run: right                          it is taken away and comes back; one death
 * run: right -DLIVENESS
 * run: broken -DNO_SHUT               a balancer that still thinks of it may give it a task
 * run: broken -DNO_WAIT               it is asked to end while it has tasks
 * run: broken -DIGNORE_DEATH          a death on the way out is taken for its end
 */
#define TASKS 3

chan lane = [TASKS] of { byte }
chan done = [TASKS + 1] of { byte }
byte accepted, answered, dead, threads
byte outcome[TASKS]
bool shut, closing, exited, died, over
byte running = 255

proctype Worker() {
  byte task
  threads++
  assert(threads == 1)
end:
  do
  :: atomic { lane ? task -> running = task }
    if
    :: dead == 0 -> atomic { dead++; threads--; died = true; goto gone }
    :: skip
    fi
    atomic { done ! task; running = 255 }
  :: empty(lane) && closing -> assert(empty(lane)); break
  :: dead == 0 && !closing -> atomic { dead++; threads--; died = true; goto gone }
  od
  atomic { threads--; exited = true }
gone: skip
}

inline answer(task) {
  outcome[task]++
  assert(outcome[task] == 1)
  answered++
}

/* the caller's thread: gives tasks, settles, recovers, and takes the worker away once */
active proctype Caller() {
  byte task, step = 0 /* 0 in service, 1 retired, 2 asked to end, 3 gone */
  run Worker()
  do
  :: accepted < TASKS && !shut && step == 0 -> lane ! accepted; accepted++
#ifdef NO_SHUT
  :: accepted < TASKS && step > 0 -> assert(step < 2); lane ! accepted; accepted++
#endif
  :: done ? task -> answer(task)
  :: atomic { died && step < 3 -> died = false } /* joined: what it was running fails, what lies in the lane waits for a successor */
    do
    :: done ? task -> answer(task)
    :: empty(done) -> break
    od
    if
    :: running != 255 -> answer(running); running = 255
    :: else
    fi
#ifdef IGNORE_DEATH
    if
    :: step == 1 -> step = 3; assert(empty(lane))
    :: else -> run Worker()
    fi
#else
    run Worker()
#endif
  :: step == 0 && !over -> over = true; step = 1; shut = true
#ifdef NO_WAIT
  :: step == 1 -> step = 2; closing = true; assert(answered == accepted)
#else
  :: step == 1 && answered == accepted && !died -> step = 2; closing = true
#endif
  :: step == 2 && exited -> step = 3; closing = false; exited = false
  :: step == 2 && died -> died = false; closing = false; step = 3
  :: step == 3 -> shut = false; step = 0; run Worker()
  :: accepted == TASKS && answered == TASKS && step == 0 && over && !died -> break
  od
}

#ifdef LIVENESS
ltl ends { <> (answered == TASKS) }
#endif
