/* Notes which edges of the instrumented code a run takes, and says whether any is new. gcc calls the first function at
 * every edge; this file itself is compiled without instrumentation. */
#include <stdint.h>
#include <string.h>

#define EDGES 65536

static uint8_t hits[EDGES];  /* of this run */
static uint8_t seen[EDGES];  /* of all runs: a bit for each order of magnitude of hits */
static _Thread_local uintptr_t before;

void __sanitizer_cov_trace_pc(void) {
  uintptr_t here = (uintptr_t)__builtin_return_address(0);
  uint8_t *hit = &hits[(here ^ before) & (EDGES - 1)];
  if (*hit != 255) ++*hit;
  before = here >> 1;
}

/* Begins a run. */
void rights_cover_begin(void) {
  memset(hits, 0, sizeof hits);
  before = 0;
}

/* How many edges the run took that none before it did, or more often by an order of magnitude than any. */
int rights_cover_new(void) {
  int found = 0;
  for (int i = 0; i < EDGES; i++) {
    if (hits[i] == 0) continue;
    uint8_t bit = (uint8_t)(1 << (31 - __builtin_clz(hits[i])));
    found += (seen[i] & bit) == 0;
    seen[i] |= bit;
  }
  return found;
}

/* Edges taken by any run. */
int rights_cover_total(void) {
  int total = 0;
  for (int i = 0; i < EDGES; i++) total += seen[i] != 0;
  return total;
}
