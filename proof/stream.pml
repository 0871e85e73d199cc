/*
 * Streams (src/group/stream.ts and stream-source.ts): a reader asks for items in two halves, as ordinary tasks of the lane; the worker makes
 * items only while it answers one, may answer with fewer than asked for, and may die at any step; the reader may leave at any time. A
 * successor opens a stream of somebody else's before it serves what was left in the lane.
 *
 * Shown: the items come once, in order and of the right stream; the worker is never further ahead than the credits; a reader that stays
 * comes to the end, or hears of the death; every task is answered; a stream that was left is ended, and nobody else's is touched.
 *
 * run: right                          3 credits
 * run: right -DCREDITS=1              one pull at a time
 * run: right -DCREDITS=2              two, one item each
 * run: right -DCREDITS=4              two, two items each
 * run: right -DLIVENESS               the reader always ends
 * run: broken -DASK_EARLY             it asks again before it has read what came
 * run: broken -DRUN_AHEAD             the worker makes one more while it has time
 * run: broken -DSAME_KEY              a successor counts its streams from the beginning
 * run: broken -DFORGET_STARTED        the pull that a dead worker had taken is not failed
 */
#ifndef CREDITS
#define CREDITS 3
#endif
#define ITEMS 5
#define FIRST ((CREDITS + 1) / 2)
#define SECOND (CREDITS - FIRST)

#define MORE 0
#define LAST 1
#define FAILED 2
#define CANCELLED 3
#define CANCEL 0

/* the lane of tasks: a key and how many items, or CANCEL; the lane of completions */
chan pulls = [4] of { byte, byte }
chan answers = [4] of { byte, byte, byte, byte } /* mark, stream, first item, how many */

byte made, read
bool dead, left, ended, readerDone
byte asked

proctype Worker(byte key; byte stream) {
  byte wanted, count, items, first
  bool open = true
  bool mine = stream == 0
  byte at = 0
end:
  do
  :: pulls ? wanted, count ->
    /* started: from here on a death fails it */
    if
    :: atomic { !dead -> dead = true }
#ifndef FORGET_STARTED
      answers ! FAILED, 0, 0, 0
#endif
#ifdef SAME_KEY
      run Worker(key, 1)
#else
      run Worker(key + 1, 1)
#endif
      goto died
    :: skip
    fi
    if
    :: count == CANCEL ->
      if
      :: wanted == key -> assert(mine); open = false; ended = true
      :: else
      fi
      answers ! CANCELLED, 0, 0, 0
    :: count != CANCEL && (wanted != key || !open) -> answers ! FAILED, 0, 0, 0
    :: count != CANCEL && wanted == key && open ->
      assert(mine) /* else it takes the items of somebody else's reader */
      first = at
      items = 0
      do
      :: at < ITEMS && items < count ->
        d_step {
          at++
          items++
          if
          :: mine -> made++; assert(made - read <= CREDITS)
          :: else
          fi
        }
      :: items > 0 && at < ITEMS -> break
      :: at == ITEMS -> break
#ifdef RUN_AHEAD
      :: items == count && mine && at < ITEMS -> d_step { made++; assert(made - read <= CREDITS) } break
#endif
      od
      if
      :: at == ITEMS -> open = false; ended = true; answers ! LAST, stream, first, items
      :: else -> answers ! MORE, stream, first, items
      fi
    fi
  od
died: skip
}

inline ask(n) {
  pulls ! 1, n
  asked++
}

active proctype Reader() {
  byte mark, stream, first, items, count = FIRST
  run Worker(1, 0)
  ask(FIRST)
  if
  :: SECOND > 0 -> ask(SECOND)
  :: else
  fi
  do
  :: answers ? mark, stream, first, items ->
    asked--
    if
    :: mark == FAILED -> assert(dead); break
    :: else
    fi
    assert(stream == 0 && first == read)
#ifdef ASK_EARLY
    if
    :: mark == MORE -> ask(count)
    :: else
    fi
#endif
    do
    :: items > 0 -> read++; items--
    :: items == 0 -> break
    od
    if
    :: mark == LAST -> assert(read == ITEMS); break
    :: else
    fi
#ifndef ASK_EARLY
    ask(count)
#endif
    if
    :: SECOND > 0 -> count = CREDITS - count
    :: else
    fi
  :: !left -> /* it leaves */
    left = true
    ask(CANCEL)
    break
  od
  do /* what is still under way is answered too */
  :: asked > 0 -> answers ? mark, stream, first, items; asked--
  :: else -> break
  od
  assert(!left || ended || dead)
  readerDone = true
}

#ifdef LIVENESS
ltl ends { <> readerDone }
#endif
