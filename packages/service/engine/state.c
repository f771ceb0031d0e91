#define _GNU_SOURCE

#include "state.h"

#include <stdlib.h>
#include <time.h>

void give_up(struct Engine *engine, int code) { longjmp(engine->failed, code); }

void *reserve(struct Engine *engine, struct Buffer *buffer, size_t bytes) {
  if (bytes > buffer->bytes) {
    void *data = realloc(buffer->data, bytes);
    if (!data) give_up(engine, NO_MEMORY);
    buffer->data = data, buffer->bytes = bytes;
  }
  return buffer->data;
}

double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void look_at_clock(struct Engine *engine) {
  engine->steps = 0;
  if (seconds_now() >= engine->deadline) give_up(engine, OUT_OF_TIME);
}
