/*
 * Calls from inside handlers (src/group/nested.ts, src/group/router.ts): two workers, each with a lane up to the group's thread and one down, of one
 * slot each. Two chains of tasks begin on each worker; every task but the last calls the next, which the router gives to the other worker, and answers
 * when it has its answer. One worker may die at any step: it is joined, what it had taken fails, its successor takes what is left in its lane.
 *
 * Shown: with everything full nobody waits for ever; each call whose maker lives is answered once; all chains end. It would be enough if one side, the workers
 * or the router, kept what finds its lane full and went on; both do, since neither should wait for the other.
 *
 * run: right                                        no death
 * run: right -DDEATH                                one worker dies
 * run: right -DWORKER_BLOCKS                        a worker that finds its lane full waits, and takes nothing meanwhile
 * run: right -DROUTER_BLOCKS                        the router does
 * run: broken -DWORKER_BLOCKS -DROUTER_BLOCKS -DLEVELS=2    both do
 * run: broken -DDEATH -DNO_GENERATION               a successor takes answers to a dead thread's calls for its own
 * run: broken -DDEATH -DFORGET                      what a dead worker had taken is not failed
 */
#ifndef LEVELS
#define LEVELS 1
#endif
#define CHAINS 4
#define TASKS (CHAINS * (LEVELS + 1))
#define ANSWER 16

/* task t is on level t / CHAINS of chain t % CHAINS; it calls t + CHAINS */
chan up[2] = [1] of { byte }
chan down[2] = [1] of { byte }
chan unsent[2] = [8] of { byte } /* a thread's own memory: as much as it needs */
chan held[2] = [16] of { byte }
byte taken[TASKS], answers[TASKS] /* who has taken it, plus one; answers that reached its maker */
byte makerEpoch[TASKS], epoch[2]
bool ended[TASKS], finished[CHAINS], deadNow[2]
byte deaths

#define worker(t) (((t) / CHAINS + (t)) % 2)

inline send(w, m) {
#ifdef WORKER_BLOCKS
  up[w] ! m
#else
  if
  :: atomic { empty(unsent[w]) && nfull(up[w]) -> up[w] ! m }
  :: else -> unsent[w] ! m
  fi
#endif
}

inline begin(me, t) {
  taken[t] = me + 1
  if
  :: t / CHAINS < LEVELS -> makerEpoch[t + CHAINS] = epoch[me]; send(me, (t + CHAINS))
  :: else -> ended[t] = true; send(me, (t + ANSWER))
  fi
}

proctype Worker(byte w; bool first) {
  byte m
  if
  :: first -> m = w; begin(w, m); m = w + 2; begin(w, m)
  :: else
  fi
end:
  do
#ifdef DEATH
  :: atomic { deaths == 0 -> deaths++; deadNow[w] = true; goto gone }
#endif
  :: atomic { nempty(unsent[w]) && nfull(up[w]) -> unsent[w] ? m; up[w] ! m }
  :: down[w] ? m ->
    if
    :: m < ANSWER -> begin(w, m)
    :: else -> m = m - ANSWER; goto answered
    fi
  od
answered: /* its call m has its answer: the task that made it ends */
#ifndef NO_GENERATION
  if
  :: makerEpoch[m] != epoch[w] -> goto end /* a dead thread's */
  :: else
  fi
#endif
  answers[m]++
  assert(answers[m] == 1)
  assert(taken[m - CHAINS] == w + 1 && makerEpoch[m] == epoch[w])
  ended[m - CHAINS] = true
  if
  :: m - CHAINS < CHAINS -> finished[m - CHAINS] = true
  :: else -> send(w, (m - CHAINS + ANSWER))
  fi
  goto end
gone: skip
}

inline put(w, m) {
#ifdef ROUTER_BLOCKS
  down[w] ! m
#else
  if
  :: atomic { empty(held[w]) && nfull(down[w]) -> down[w] ! m }
  :: else -> held[w] ! m
  fi
#endif
}

/* the answer of task t goes to whoever called it, if that thread still is */
inline answer(t) {
  if
  :: makerEpoch[t] == epoch[worker(t - CHAINS)] -> put(worker(t - CHAINS), (t + ANSWER))
  :: else
  fi
}

active proctype Router() {
  byte m, w, t
  run Worker(0, true)
  run Worker(1, true)
end:
  do
  :: up[0] ? m -> goto route
  :: up[1] ? m -> goto route
  :: atomic { nempty(held[0]) && nfull(down[0]) -> held[0] ? m; down[0] ! m }
  :: atomic { nempty(held[1]) && nfull(down[1]) -> held[1] ? m; down[1] ! m }
  :: atomic { deadNow[0] -> deadNow[0] = false; w = 0 } goto recover
  :: atomic { deadNow[1] -> deadNow[1] = false; w = 1 } goto recover
  od
route:
  if
  :: m < ANSWER -> put(worker(m), m)
  :: else -> t = m - ANSWER; answer(t)
  fi
  goto end
recover: /* joined: what it sent is taken first */
  do
  :: up[w] ? m ->
    if
    :: m < ANSWER -> put(worker(m), m)
    :: else -> t = m - ANSWER; ended[t] = true; answer(t)
    fi
  :: empty(up[w]) -> break
  od
  do
  :: unsent[w] ? m -> if :: m >= ANSWER -> ended[m - ANSWER] = false :: else fi
  :: empty(unsent[w]) -> break
  od
  epoch[w]++
  t = 0
#ifndef FORGET
  do
  :: t < TASKS ->
    if
    :: taken[t] == w + 1 && !ended[t] ->
      ended[t] = true
      if
      :: t < CHAINS -> finished[t] = true /* the group's own call fails */
      :: else -> answer(t)
      fi
    :: else
    fi
    t++
  :: else -> break
  od
#endif
  run Worker(w, false)
  goto end
}

active proctype Watch() {
  finished[0] && finished[1] && finished[2] && finished[3]
}

#ifdef LIVENESS
ltl ends { <> (finished[0] && finished[1] && finished[2] && finished[3]) }
#endif
