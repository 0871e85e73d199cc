/*
 * Whose hands a heap record is in when parked threads lend theirs: parking, borrowing, giving back, the deaths of the holder and of the
 * borrower, and the thread that takes a pooled record over. Promela; checked exhaustively by `spin -a`, see test/memory/proof.test.ts.
 *
 * The code: src/memory/lend.ts (park, unpark, borrow, giveBack, poolParked), record.ts (acquireRecord, poolRecord, reclaimRecord). One record;
 * its holder, which parks twice; a borrower that borrows twice; one more thread that attaches; a supervisor. Holder and borrower may die
 * between any two steps. Atomic blocks are single atomic operations with the plain stores that follow them in a straight line.
 *
 * Claims
 *   - whoever works on the record is alone with it;
 *   - a holder that unparks gets its record back, also when the borrower died (no run ends with the holder waiting);
 *   - in the end the record is with its living holder or in the pool, never lent, and never parked by a dead thread.
 *
 * -DBREAK_UNPARK     the holder takes its record back with a plain store
 * -DBREAK_BORROW     the borrower takes the record with a load and a store
 * -DBREAK_GIVE_BACK  the borrower puts back what it found when it borrowed
 * -DBREAK_DEATH      the supervisor pools the record of a dead parked thread, whoever has borrowed it
 * -DBREAK_RECLAIM    a dead borrower's note of what it had borrowed is not looked at
 */
mtype = { LIVE, POOLED, BORROWED, PARKED, PARKED_BORROWED };
mtype state = LIVE;        /* R_STATE */
bool borrowed = false;     /* R_BORROWED of the borrower */
byte atWork = 0;           /* ghost: threads that read and write the record plainly */
bool holderDied = false, holderDone = false;
bool borrowerDied = false, borrowerDone = false;
bool attached = false;     /* the other thread has been and gone, or will not come */

inline work() {
  atWork++;
  assert(atWork == 1);
  atWork--
}

proctype Holder() {
  byte parks = 0;
  do
  :: parks < 2 ->
     work();
     state = PARKED;                                   /* L1 */
     if
     :: goto dies
     :: skip
     fi;
#ifdef BREAK_UNPARK
     state = LIVE;
#else
     atomic { state == PARKED -> state = LIVE };       /* L2: again and again, until it comes true */
#endif
     parks++;
     work()
  :: parks > 0 -> goto dies
  :: parks == 2 -> goto done
  od;
dies:
  holderDied = true;
done:
  holderDone = true
}

inline giveBack() {
#ifdef BREAK_GIVE_BACK
  if
  :: found == PARKED -> atomic { state = PARKED; borrowed = false }
  :: else -> atomic { state = POOLED; borrowed = false }
  fi
#else
  if
  :: state == PARKED_BORROWED ->                       /* a guess */
     if
     :: atomic { state == PARKED_BORROWED -> state = PARKED; borrowed = false }   /* L4 */
     :: atomic { state != PARKED_BORROWED -> skip }; atomic { state = POOLED; borrowed = false }
     fi
  :: else -> atomic { state = POOLED; borrowed = false }
  fi
#endif
}

proctype Borrower() {
  byte tries = 0;
  mtype found;
  do
  :: tries < 2 ->
     tries++;
     found = state;
     if
     :: found == POOLED || found == PARKED ->
#ifdef BREAK_BORROW
        if
        :: found == POOLED -> atomic { state = BORROWED; borrowed = true }
        :: else -> atomic { state = PARKED_BORROWED; borrowed = true }
        fi;
#else
        atomic {                                       /* L3 */
          if
          :: state == found && found == POOLED -> state = BORROWED; borrowed = true
          :: state == found && found == PARKED -> state = PARKED_BORROWED; borrowed = true
          :: else
          fi
        };
#endif
        if
        :: borrowed ->
           work();
           if
           :: goto dies
           :: skip
           fi;
           giveBack()
        :: else
        fi
     :: else
     fi
  :: tries > 0 -> break
  od;
  goto done;
dies:
  borrowerDied = true;
done:
  borrowerDone = true
}

/* Takes the record over when it is in the pool. */
proctype Heir() {
  do
  :: atomic { state == POOLED -> state = LIVE };
     work();
     state = POOLED;
     break
  :: break
  od;
  attached = true
}

proctype Supervisor() {
  bool holderSeen = false, borrowerSeen = false;
  mtype found;
  do
  :: holderDied && !holderSeen ->
     holderSeen = true;
     found = state;
     do
     :: found == PARKED || found == PARKED_BORROWED ->
#ifdef BREAK_DEATH
        state = POOLED; break
#else
        if                                             /* L5 */
        :: atomic { state == found && found == PARKED -> state = POOLED }; break
        :: atomic { state == found && found == PARKED_BORROWED -> state = BORROWED }; break
        :: atomic { state != found -> found = state }
        fi
#endif
     :: else -> work(); state = POOLED; break          /* LIVE: the lists are made anew */
     od
  :: borrowerDied && !borrowerSeen ->
     borrowerSeen = true;
#ifndef BREAK_RECLAIM
     if
     :: borrowed -> found = PARKED; work(); giveBack()
     :: else
     fi
#endif
  :: holderDone && borrowerDone && holderDied == holderSeen && borrowerDied == borrowerSeen -> break
  od
}

init {
  atomic { run Holder(); run Borrower(); run Heir(); run Supervisor() };
  (_nr_pr == 1);
  if
  :: holderDied -> assert(state == POOLED)
  :: else -> assert(state == LIVE)
  fi
}
