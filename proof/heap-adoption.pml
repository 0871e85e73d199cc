/*
 * Who may touch a page when records are pooled and living owners can lose pages: disowning, the pending queue as the one place a
 * page changes hands, adoption, forwarding, the end of an owner and the takeover of its record. Promela; checked exhaustively by
 * `spin -a`, see test/memory/proof.test.ts.
 *
 * The code: src/memory/adopt.ts (adoptPage), remote.ts (enqueue, takePending, forwardTaken), page.ts (setFull), record.ts (rebuild).
 * Two pages P, two records. Record 0 is held by an owner that may end at any step and is then taken over; record 1 by an adopter.
 * A sender frees into the pages. Atomic blocks are single compare-exchanges or exchanges with the plain stores that follow.
 *
 * Claims
 *   - a page is in the hands of one record at a time: whoever works on it finds itself alone;
 *   - it is queued at most once, and never while someone has it;
 *   - nothing is lost: when nobody moves any more, every announced page is in a record's hands.
 *
 * -DBREAK_DISOWN    the owner does not disown: it goes on freeing into a page that can be adopted
 * -DBREAK_FORWARD   an adopter drops what it took along with the page
 * -DBREAK_REBUILD   who takes over a dead record lists every page with its home there, queued or not
 */
#define PAGES 2
#define NONE 9
#define ANNOUNCEMENTS 4

byte home[PAGES];          /* OWNER, or ~OWNER while disowned */
bool disowned[PAGES];
bool armed[PAGES];         /* ARMED in REMOTE */
bool waiting[PAGES];       /* blocks in REMOTE */
byte hands[PAGES];         /* 1 + the record working on the page, 0 nobody: ghost */
bool queued[4];            /* [record * 2 + page]: R_PENDING of each record */
bool taken[4];             /* R_TAKEN of each record */
byte owed = NONE;          /* R_OWED of the sender */
byte announcements = 0;
bool alive = true;
bool quiet = false;        /* the sender has stopped */

#define Q(record, page) queued[(record) * 2 + (page)]
#define T(record, page) taken[(record) * 2 + (page)]

inline hide(me, page) {
  /* setFull(): disown, then A1; fails when blocks are waiting */
  atomic {
    assert(hands[page] == me + 1);
    if
    :: !waiting[page] ->
       hands[page] = 0; armed[page] = true;
#ifndef BREAK_DISOWN
       disowned[page] = true;
#endif
    :: else -> waiting[page] = false    /* adopted at once, the page stays */
    fi
  }
}

inline own(me, page) {
  atomic {
    assert(hands[page] == 0);
    assert(!armed[page]);
    hands[page] = me + 1; home[page] = me; disowned[page] = false; waiting[page] = false
  }
}

proctype Sender() {
  byte page, at;
  do
  :: announcements < ANNOUNCEMENTS ->
     select(page : 0 .. PAGES - 1);
     announcements++;
     atomic {                                     /* R1, R_OWED */
       waiting[page] = true;
       if
       :: armed[page] -> armed[page] = false; owed = page
       :: else
       fi
     };
     if
     :: owed != NONE ->
        at = home[owed];                          /* read, then E1: the page may have moved meanwhile */
        atomic { assert(!Q(0, owed) && !Q(1, owed) && hands[owed] == 0); Q(at, owed) = true; owed = NONE }
     :: else
     fi
  :: announcements == ANNOUNCEMENTS -> break
  od;
  quiet = true
}

inline forward(me, page) {
  /* R_TAKEN → R_OWED → E1 at home */
  atomic {
    T(me, page) = false;
#ifndef BREAK_FORWARD
    assert(!Q(0, page) && !Q(1, page)); Q(home[page], page) = true
#endif
  }
}

inline work(me, other, page) {
  if
  :: hands[page] == me + 1 -> hide(me, page)
#ifdef BREAK_DISOWN
  :: home[page] == me && !disowned[page] && hands[page] == 0 && armed[page] -> /* a local free puts a full page back on a list */
     atomic { hands[page] = me + 1 }
  :: home[page] == me && !disowned[page] && hands[page] == other + 1 -> assert(false)
#endif
  :: atomic { Q(me, 0) || Q(me, 1) ->             /* E2: takes all */
       T(me, 0) = T(me, 0) || Q(me, 0); T(me, 1) = T(me, 1) || Q(me, 1); Q(me, 0) = false; Q(me, 1) = false }
  :: atomic { T(me, page) && home[page] == me -> T(me, page) = false; own(me, page) }
  :: atomic { T(me, page) && home[page] != me -> forward(me, page) }
  :: else -> skip
  fi
}

/* Record 0: may end between any two steps; the next holder rebuilds and goes on. */
proctype Owner() {
  byte page;
  do
  :: select(page : 0 .. PAGES - 1); work(0, 1, page)
  :: alive -> alive = false;                      /* it ends; reclaim() */
     for (page : 0 .. PAGES - 1) {
       atomic {
         if
         :: Q(0, page) || T(0, page) ->
            Q(0, page) = false; T(0, page) = false;
            if
            :: home[page] == 0 -> assert(hands[page] == 0 && !armed[page]); hands[page] = 1; disowned[page] = false; waiting[page] = false
            :: else -> Q(1, page) = true
            fi
         :: else ->
#ifdef BREAK_REBUILD
            if
            :: home[page] == 0 -> assert(hands[page] < 2); hands[page] = 1; disowned[page] = false
            :: else
            fi
#else
            skip
#endif
         fi
       }
     }
  :: quiet && owed == NONE && !Q(0, 0) && !Q(0, 1) && !T(0, 0) && !T(0, 1) -> break
  od
}

proctype Adopter() {
  byte page;
  do
  :: select(page : 0 .. PAGES - 1); work(1, 0, page)
  :: !T(1, 0) && !T(1, 1) && (Q(0, 0) || Q(0, 1)) ->
     atomic {                                     /* adoptPage(): E2 on another record's queue, into its own R_TAKEN */
       T(1, 0) = Q(0, 0); T(1, 1) = Q(0, 1); Q(0, 0) = false; Q(0, 1) = false
     };
     if
     :: atomic { T(1, 0) && home[0] == 0 -> T(1, 0) = false; own(1, 0) }
     :: atomic { T(1, 1) && home[1] == 0 -> T(1, 1) = false; own(1, 1) }
     :: else
     fi
  :: quiet && owed == NONE && !T(1, 0) && !T(1, 1) && !Q(1, 0) && !Q(1, 1) && !Q(0, 0) && !Q(0, 1) && !T(0, 0) && !T(0, 1) -> break
  od
}

init {
  byte page;
  atomic {
    for (page : 0 .. PAGES - 1) { home[page] = 0; hands[page] = 1; }
    run Sender(); run Owner(); run Adopter()
  };
  (_nr_pr == 1);
  for (page : 0 .. PAGES - 1) { assert(hands[page] != 0 || armed[page]) }
}
