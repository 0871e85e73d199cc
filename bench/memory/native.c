/*
 * The memory benches in C, for whichever malloc is linked or preloaded: `percore-native BENCH key=value...` measures once and prints
 * one JSON line of readings. Built by bench/memory/native.ts; the loops are those of bench/memory/loops.ts and larson-thread.ts, step by step.
 *
 * The invariant: same numbers drawn, same sizes, same order of malloc and free as in JavaScript.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64
#define LINE __attribute__((aligned(128)))

static int argumentCount;
static char **arguments;

static long option(const char *name) {
  size_t length = strlen(name);
  for (int i = 2; i < argumentCount; i++)
    if (strncmp(arguments[i], name, length) == 0 && arguments[i][length] == '=') return atol(arguments[i] + length + 1);
  fprintf(stderr, "%s=? is missing\n", name);
  exit(2);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static double residentMb(void) {
  long total = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%ld %ld", &total, &resident) != 2) resident = 0;
  fclose(file);
  return resident * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

/* strace finds the steady state between these two. */
static void mark(const char *text) {
  if (getenv("PERCORE_BENCH_MARKS") != NULL && write(2, text, strlen(text)) < 0) exit(3);
}

static inline uint32_t nextRandom(uint32_t x) {
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return x;
}

static uint32_t seedOf(uint32_t seed, uint32_t thread) {
  uint32_t x = seed + 0x9E3779B9u * thread;
  return x == 0 ? 1 : x;
}

static inline uint32_t sizeOf(uint32_t r, uint32_t min, uint32_t range) { return min + (((r >> 16) * range) >> 16); }

static volatile uint32_t sink;

/* mixed, mid-large */

enum { TOUCH_NOTHING, TOUCH_FIRST, TOUCH_ENDS };

typedef struct {
  uint32_t **slots;
  uint32_t x;
  double start, end;
} LINE Mixer;

static struct { uint32_t slots, min, range, touch; long steps, warmup; } mix;
static Mixer mixers[THREADS_MAX];
static pthread_barrier_t barrier;

static uint32_t randomSlots(uint32_t **slots, uint32_t x, long steps, uint32_t mask, uint32_t min, uint32_t range, uint32_t touch) {
  uint32_t sum = 0;
  for (long step = 0; step < steps; step++) {
    x = nextRandom(x);
    uint32_t i = x & mask;
    uint32_t *block = slots[i];
    if (block != NULL) {
      if (touch != TOUCH_NOTHING) sum += block[0];
      free(block);
      slots[i] = NULL;
    } else {
      uint32_t size = sizeOf(x, min, range);
      block = malloc(size);
      if (touch != TOUCH_NOTHING) {
        block[0] = x;
        if (touch == TOUCH_ENDS) block[(size >> 2) - 1] = x;
      }
      slots[i] = block;
    }
  }
  sink += sum;
  return x;
}

static cpu_set_t cores;

/* Ties the calling thread to the k-th core that the process had, counted round; see own-core.ts. */
static void takeCore(long k) {
  long seen = 0, count = CPU_COUNT(&cores);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &cores) || seen++ != k % count) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    return;
  }
}

static void *mixerThread(void *argument) {
  Mixer *mixer = argument;
  if (option("threads") > 1) takeCore(mixer - mixers);
  uint32_t x = randomSlots(mixer->slots, mixer->x, mix.warmup, mix.slots - 1, mix.min, mix.range, mix.touch);
  if (option("threads") > 1) pthread_barrier_wait(&barrier);
  mark("steady: begins\n");
  mixer->start = now();
  randomSlots(mixer->slots, x, mix.steps, mix.slots - 1, mix.min, mix.range, mix.touch);
  mixer->end = now();
  mark("steady: ends\n");
  return NULL;
}

static void benchMixed(void) {
  long threads = option("threads");
  pthread_t ids[THREADS_MAX];
  mix.slots = option("slots"), mix.min = option("min"), mix.range = option("range"), mix.touch = option("touch");
  mix.steps = option("steps"), mix.warmup = option("warmup");
  double residentBefore = residentMb();
  for (long t = 0; t < threads; t++) mixers[t].slots = calloc(mix.slots, sizeof(uint32_t *)), mixers[t].x = seedOf(option("seed"), t);
  /* One thread is the main thread: a process without a second one is what single-threaded programs are. */
  if (threads == 1) mixerThread(&mixers[0]);
  else {
    pthread_barrier_init(&barrier, NULL, threads);
    for (long t = 0; t < threads; t++) pthread_create(&ids[t], NULL, mixerThread, &mixers[t]);
    for (long t = 0; t < threads; t++) pthread_join(ids[t], NULL);
  }
  double start = mixers[0].start, end = mixers[0].end;
  for (long t = 1; t < threads; t++) {
    if (mixers[t].start < start) start = mixers[t].start;
    if (mixers[t].end > end) end = mixers[t].end;
  }
  printf("{\"readings\":[{\"metric\":\"ops_per_s\",\"value\":%.1f},{\"metric\":\"rss_mb\",\"value\":%.4f}]}\n",
    mix.steps * threads / (end - start), residentMb() - residentBefore);
}

/* larson */

typedef struct {
  char **blocks;
  uint32_t x;
  long ops, threadsDone;
} LINE Lineage;

static struct { long blocks, threads, opsPerThread; uint32_t min, range; } lar;
static Lineage lineages[THREADS_MAX];
static char **larsonBlocks;
static uint32_t larsonState;
static atomic_int larsonStop, larsonEnded;

static inline char *larsonBlock(uint32_t size) {
  char *block = malloc(size);
  block[0] = 1;
  block[1] = 2;
  return block;
}

static void *larsonSetUp(void *argument) {
  (void)argument;
  long count = lar.blocks * lar.threads;
  uint32_t x = larsonState;
  for (long i = 0; i < count; i++) {
    x = nextRandom(x);
    larsonBlocks[i] = larsonBlock(sizeOf(x, lar.min, lar.range));
  }
  for (long i = count - 1; i > 0; i--) {
    x = nextRandom(x);
    long j = ((uint64_t)x * (uint64_t)(i + 1)) >> 32;
    char *swapped = larsonBlocks[i];
    larsonBlocks[i] = larsonBlocks[j];
    larsonBlocks[j] = swapped;
  }
  for (long i = 0; i < 4 * count; i++) {
    x = nextRandom(x);
    long v = ((uint64_t)x * (uint64_t)count) >> 32;
    free(larsonBlocks[v]);
    x = nextRandom(x);
    larsonBlocks[v] = larsonBlock(sizeOf(x, lar.min, lar.range));
  }
  larsonState = x;
  return NULL;
}

static void *larsonThread(void *argument) {
  Lineage *lineage = argument;
  takeCore(lineage - lineages);
  char **blocks = lineage->blocks;
  uint32_t x = lineage->x, count = lar.blocks, min = lar.min, range = lar.range;
  long done = 0;
  while (done < lar.opsPerThread && atomic_load_explicit(&larsonStop, memory_order_relaxed) == 0) {
    for (long end = done + 10000; done < end; done++) {
      x = nextRandom(x);
      uint32_t v = ((uint64_t)x * count) >> 32;
      free(blocks[v]);
      x = nextRandom(x);
      blocks[v] = larsonBlock(sizeOf(x, min, range));
    }
  }
  lineage->x = x;
  lineage->ops += done;
  lineage->threadsDone++;
  pthread_t heir;
  if (atomic_load(&larsonStop) == 0 && pthread_create(&heir, NULL, larsonThread, lineage) == 0) pthread_detach(heir);
  else atomic_fetch_add(&larsonEnded, 1);
  return NULL;
}

static void benchLarson(void) {
  pthread_t id;
  lar.blocks = option("blocks"), lar.threads = option("threads"), lar.opsPerThread = option("ops_per_thread");
  lar.min = option("min"), lar.range = option("range");
  long measureMs = option("measure_ms");
  double residentBefore = residentMb();
  larsonBlocks = calloc(lar.blocks * lar.threads, sizeof(char *));
  larsonState = seedOf(option("seed"), 0);
  /* By a thread that ends, as in JavaScript: whoever keeps running keeps its pages. */
  pthread_create(&id, NULL, larsonSetUp, NULL);
  pthread_join(id, NULL);
  for (long t = 0; t < lar.threads; t++) {
    larsonState = nextRandom(larsonState);
    lineages[t].blocks = larsonBlocks + t * lar.blocks;
    lineages[t].x = larsonState;
  }
  double start = now();
  for (long t = 0; t < lar.threads; t++) {
    pthread_create(&id, NULL, larsonThread, &lineages[t]);
    pthread_detach(id);
  }
  usleep(measureMs * 1000);
  atomic_store(&larsonStop, 1);
  while (atomic_load(&larsonEnded) < lar.threads) usleep(100);
  double seconds = now() - start;
  double ops = 0;
  for (long t = 0; t < lar.threads; t++) ops += lineages[t].ops;
  printf("{\"readings\":[{\"metric\":\"ops_per_s\",\"value\":%.1f},{\"metric\":\"rss_mb\",\"value\":%.4f}]}\n", ops / seconds, residentMb() - residentBefore);
}

/* producer-consumer */

#define RING 4096u

static struct { LINE _Atomic uint32_t tail; LINE _Atomic uint32_t head; LINE uint32_t *slots[RING]; } ring;
static struct { uint32_t count, batch, min, range; } pc;

static inline void relax(uint32_t *spins) {
  if (++*spins > 10000) {
    sched_yield();
    *spins = 0;
  }
}

static uint32_t produce(uint32_t x, uint32_t count, uint32_t batch, uint32_t min, uint32_t range) {
  uint32_t tail = atomic_load(&ring.tail), head = atomic_load(&ring.head), spins = 0;
  for (uint32_t i = 1; i <= count; i++) {
    x = nextRandom(x);
    uint32_t *block = malloc(sizeOf(x, min, range));
    block[0] = i;
    while (tail - head == RING) {
      head = atomic_load(&ring.head);
      relax(&spins);
    }
    ring.slots[tail & (RING - 1)] = block;
    tail++;
    if ((i & (batch - 1)) == 0) atomic_store(&ring.tail, tail);
  }
  atomic_store(&ring.tail, tail);
  return x;
}

static uint32_t consume(uint32_t count, uint32_t batch) {
  uint32_t head = atomic_load(&ring.head), end = head + count, tail = head, sum = 0, spins = 0;
  while (head != end) {
    while ((tail = atomic_load(&ring.tail)) == head) relax(&spins);
    while (head != tail) {
      uint32_t *block = ring.slots[head & (RING - 1)];
      sum += block[0];
      free(block);
      head++;
      if ((head & (batch - 1)) == 0) atomic_store(&ring.head, head);
    }
  }
  atomic_store(&ring.head, head);
  return sum;
}

static void *consumerThread(void *argument) {
  (void)argument;
  takeCore(1);
  sink += consume(option("warmup"), pc.batch);
  sink += consume(pc.count, pc.batch);
  return NULL;
}

static void benchProducerConsumer(void) {
  pthread_t consumer;
  pc.count = option("count"), pc.batch = option("batch"), pc.min = option("min"), pc.range = option("range");
  double residentBefore = residentMb();
  takeCore(0);
  pthread_create(&consumer, NULL, consumerThread, NULL);
  uint32_t x = produce(seedOf(option("seed"), 0), option("warmup"), pc.batch, pc.min, pc.range);
  while (atomic_load(&ring.head) != atomic_load(&ring.tail)) sched_yield();
  double start = now();
  produce(x, pc.count, pc.batch, pc.min, pc.range);
  pthread_join(consumer, NULL);
  printf("{\"readings\":[{\"metric\":\"items_per_s\",\"value\":%.1f},{\"metric\":\"rss_mb\",\"value\":%.4f}]}\n", pc.count / (now() - start), residentMb() - residentBefore);
}

/* remote-free: this thread allocates, the other one frees; only the freeing is timed. */

static struct { uint32_t **blocks; uint32_t count; double seconds; } rf;

static void *freerThread(void *argument) {
  (void)argument;
  takeCore(1);
  double start = now();
  for (uint32_t i = 0; i < rf.count; i++) free(rf.blocks[i]);
  rf.seconds = now() - start;
  return NULL;
}

static void benchRemoteFree(void) {
  pthread_t freer;
  rf.count = option("count");
  takeCore(0);
  rf.blocks = calloc(rf.count, sizeof(uint32_t *));
  double seconds = 0;
  long rounds = option("rounds");
  for (long round = 0; round < rounds; round++) {
    for (uint32_t i = 0; i < rf.count; i++) {
      rf.blocks[i] = malloc(option("bytes"));
      rf.blocks[i][0] = i;
    }
    pthread_create(&freer, NULL, freerThread, NULL);
    pthread_join(freer, NULL);
    if (round >= rounds / 2) seconds += rf.seconds;
  }
  printf("{\"readings\":[{\"metric\":\"ns_per_free\",\"value\":%.4f}]}\n", seconds * 1e9 / ((rounds - rounds / 2) * (double)rf.count));
}

/* spawn-blocks */

static void spawnOne(long count, uint32_t bytes) {
  uint32_t sum = 0;
  for (long i = 0; i < count; i++) {
    volatile uint32_t *block = malloc(bytes);
    block[0] = i;
    sum += block[0];
    free((void *)block);
  }
  sink += sum;
}

static long spawnFifo(uint32_t **blocks, long at, long live, long count, uint32_t bytes) {
  for (long i = 0; i < count; i++) {
    free(blocks[at]);
    uint32_t *block = malloc(bytes);
    block[0] = i;
    blocks[at] = block;
    if (++at == live) at = 0;
  }
  return at;
}

static void benchSpawnBlocks(void) {
  long count = option("count"), warmup = option("warmup"), live = option("live");
  uint32_t bytes = option("bytes");
  double start;
  if (live == 1) {
    spawnOne(warmup, bytes);
    start = now();
    spawnOne(count, bytes);
  } else {
    uint32_t **blocks = calloc(live, sizeof(uint32_t *));
    for (long i = 0; i < live; i++) blocks[i] = malloc(bytes);
    long at = spawnFifo(blocks, 0, live, warmup, bytes);
    start = now();
    spawnFifo(blocks, at, live, count, bytes);
  }
  printf("{\"readings\":[{\"metric\":\"ops_per_s\",\"value\":%.1f}]}\n", 2 * count / (now() - start));
}

/* grow */

static double growOnce(uint32_t **blocks, long count, uint32_t bytes) {
  double start = now();
  for (long i = 0; i < count; i++) {
    uint32_t *block = malloc(bytes);
    block[0] = i;
    blocks[i] = block;
  }
  return (now() - start) * 1e9 / count;
}

static void benchGrow(void) {
  long count = option("count");
  uint32_t bytes = option("bytes");
  uint32_t **blocks = malloc(count * sizeof(uint32_t *));
  memset(blocks, 1, count * sizeof(uint32_t *));
  double residentBefore = residentMb();
  double cold = growOnce(blocks, count, bytes);
  double resident = residentMb() - residentBefore;
  for (long i = 0; i < count; i++) free(blocks[i]);
  double warm = growOnce(blocks, count, bytes);
  printf("{\"readings\":[{\"metric\":\"ns_per_malloc\",\"value\":%.3f,\"params\":{\"memory\":\"cold\"}},"
    "{\"metric\":\"ns_per_malloc\",\"value\":%.3f,\"params\":{\"memory\":\"warm\"}},{\"metric\":\"rss_mb\",\"value\":%.4f,\"params\":{\"memory\":\"cold\"}}]}\n", cold, warm, resident);
}

/* first-allocation: the first blocks of fresh threads, one thread after the other. */

static struct { uint32_t sizes[4096]; long count; double *latencies; } fa;

static void *firstThread(void *argument) {
  double *latencies = argument;
  uint32_t **blocks = calloc(fa.count, sizeof(uint32_t *));
  for (long i = 0; i < fa.count; i++) {
    double start = now();
    uint32_t *block = malloc(fa.sizes[i]);
    block[0] = i;
    block[(fa.sizes[i] >> 2) - 1] = i;
    latencies[i] = (now() - start) * 1e6;
    blocks[i] = block;
  }
  return blocks;
}

static int ascending(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

static void benchFirst(void) {
  long threads = option("fresh_threads"), total;
  for (int i = 2; i < argumentCount; i++) {
    if (strncmp(arguments[i], "sizes=", 6) != 0) continue;
    for (char *at = strtok(arguments[i] + 6, ","); at != NULL && fa.count < 4096; at = strtok(NULL, ",")) fa.sizes[fa.count++] = atol(at);
  }
  total = threads * fa.count;
  fa.latencies = calloc(total, sizeof(double));
  for (long i = 0; i < total; i++) fa.latencies[i] = 1;
  /* All threads stay alive to the end, so that none inherits what another touched. */
  for (long t = 0; t < threads; t++) {
    pthread_t id;
    pthread_create(&id, NULL, firstThread, fa.latencies + t * fa.count);
    pthread_join(id, NULL);
  }
  qsort(fa.latencies, total, sizeof(double), ascending);
  printf("{\"readings\":[{\"metric\":\"latency_us_p50\",\"value\":%.4f},{\"metric\":\"latency_us_p99\",\"value\":%.4f}]}\n", fa.latencies[(total - 1) / 2], fa.latencies[(total * 99 + 99) / 100 - 1]);
}

int main(int count, char **values) {
  sched_getaffinity(0, sizeof cores, &cores);
  argumentCount = count;
  arguments = values;
  const char *bench = count > 1 ? values[1] : "";
  if (strcmp(bench, "mixed") == 0) benchMixed();
  else if (strcmp(bench, "larson") == 0) benchLarson();
  else if (strcmp(bench, "producer-consumer") == 0) benchProducerConsumer();
  else if (strcmp(bench, "remote-free") == 0) benchRemoteFree();
  else if (strcmp(bench, "spawn-blocks") == 0) benchSpawnBlocks();
  else if (strcmp(bench, "grow") == 0) benchGrow();
  else if (strcmp(bench, "first-allocation") == 0) benchFirst();
  else {
    fprintf(stderr, "no bench named '%s'\n", bench);
    return 2;
  }
  return 0;
}
