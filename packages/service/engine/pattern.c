#include "pattern.h"

#include <string.h>

enum { LOOK_AT_CLOCK = 1 << 20, MOST_FRAMES = 1 << 22 };
/* Runs of this length need no bound on where a match may begin. */
enum { SHORT = 32 };
/* Frame.low of a place to go back to as it is; else the frame is a loop that may end earlier, down to `low`. */
static const uint32_t PLAIN = NO_SUCH;

static void push(struct Engine *engine, uint32_t *count, struct Frame frame) {
  if (*count >= MOST_FRAMES) give_up(engine, NO_MEMORY);
  struct Frame *frames = engine->frames.data;
  if ((*count + 1) * sizeof *frames > engine->frames.bytes)
    frames = reserve(engine, &engine->frames, 2 * (*count + 64) * sizeof *frames);
  frames[(*count)++] = frame;
}

/* Runs a program from `at`; frames below `base` belong to who calls. Returns the end of the match, or NO_SUCH; a match that
   ends at `not_at` is none. */
static uint32_t run(struct Engine *engine, const uint32_t *code, uint32_t pc, const uint32_t *text, uint32_t length,
                    uint32_t at, uint32_t base, uint32_t not_at) {
  const struct Model *model = &engine->model;
  uint32_t count = base;
  for (;;) {
    bool good = false;
    if (++engine->steps >= LOOK_AT_CLOCK) look_at_clock(engine);
    switch (code[pc]) {
      case OP_MATCH:
        if (at != not_at) return at;
        break;
      case OP_CHAR:
        good = at < length && text[at] == code[pc + 1];
        at++, pc += 2;
        break;
      case OP_SET:
        good = at < length && in_set(model, code[pc + 1], text[at]);
        at++, pc += 2;
        break;
      case OP_SPLIT:
        push(engine, &count, (struct Frame){code[pc + 2], at, PLAIN});
        pc = code[pc + 1], good = true;
        break;
      case OP_JUMP:
        pc = code[pc + 1], good = true;
        break;
      case OP_START:
        good = at == 0, pc++;
        break;
      case OP_END:
        good = at == length || (at + 1 == length && text[at] == '\n'), pc++;
        break;
      case OP_VERY_END:
        good = at == length, pc++;
        break;
      case OP_LOOK: {
        const uint32_t kind = code[pc + 1], back = kind & 2 ? code[pc + 2] : 0;
        const bool matches = at >= back && run(engine, code, pc + 4, text, length, at - back, count, NO_SUCH) != NO_SUCH;
        good = matches != (kind & 1), pc = code[pc + 3];
        break;
      }
      default: { /* OP_LOOP */
        const uint32_t set = code[pc + 1], least = code[pc + 2], most = code[pc + 3];
        uint32_t end = at;
        const uint32_t last = most < length - at ? at + most : length;
        while (end < last && in_set(model, set, text[end])) end++;
        engine->steps += (end - at) / 4;
        good = end - at >= least;
        if (good && end > at + least) push(engine, &count, (struct Frame){pc + 4, end - 1, at + least});
        at = end, pc += 4;
      }
    }
    if (good) continue;
    if (count == base) return NO_SUCH;
    struct Frame *frame = (struct Frame *)engine->frames.data + count - 1;
    pc = frame->pc, at = frame->at;
    if (frame->low == PLAIN || frame->at == frame->low) count--;
    else frame->at--;
  }
}

/* The end of the match of the first alternative that matches at `start`, of those whose matches may begin there. */
static uint32_t match_at(struct Engine *engine, int pattern, const uint32_t *text, uint32_t length, uint32_t start,
                         const uint32_t *lowest, uint32_t not_at) {
  const struct Model *model = &engine->model;
  const uint32_t next = start == length ? 129 : text[start] < 128 ? text[start] : 128;
  const uint32_t *tried = model->dispatch + model->dispatch_first[130 * pattern + next];
  const uint32_t *end = model->dispatch + model->dispatch_first[130 * pattern + next + 1];
  for (; tried < end; tried++) {
    const struct Alternative *a = &model->alternatives[*tried];
    if (next == 128 && !in_set(model, a->first, text[start])) continue;
    if (lowest && lowest[*tried] > start) continue;
    const uint32_t found = run(engine, model->code + a->code, 0, text, length, start, 0, not_at);
    if (found != NO_SUCH) return found;
  }
  return NO_SUCH;
}

/* Where matches of each alternative may begin at the earliest, in a long text: one that must end with the text can begin
   no further from its end than it is long, and not before a character that it cannot hold. Returns the least of them.
   Without this, a run of n characters that loses one at a time would cost n searches of n places. */
static uint32_t lowest_starts(struct Engine *engine, int pattern, const uint32_t *text, uint32_t length, uint32_t **lowest) {
  const struct Model *model = &engine->model;
  const uint32_t first = model->pattern_first[pattern], end = model->pattern_first[pattern + 1];
  /* Indexed by the alternative's number, as in `dispatch`. */
  uint32_t *starts = reserve(engine, &engine->lowest, (size_t)end * sizeof *starts), least = length;
  for (uint32_t i = first; i < end; i++) {
    const struct Alternative *a = &model->alternatives[i];
    uint32_t start = 0;
    if (a->flags & TO_END) {
      /* One more for the newline that $ may stand before. */
      if (a->most < length) start = length - a->most - 1;
      else {
        start = length - (text[length - 1] == '\n');
        while (start && in_set(model, a->body, text[start - 1])) start--;
        engine->steps += (length - start) / 4;
      }
    }
    starts[i] = start;
    if (start < least) least = start;
  }
  *lowest = starts;
  return least;
}

bool pattern_search(struct Engine *engine, int pattern, const uint32_t *text, uint32_t length, uint32_t from,
                    uint32_t not_at, uint32_t *start, uint32_t *end) {
  const struct Model *model = &engine->model;
  if (model->pattern_first[pattern] == model->pattern_first[pattern + 1]) return false;
  uint32_t last = length, *lowest = NULL;
  if (model->from_start[pattern]) last = 0;
  else if (length > SHORT) {
    const uint32_t least = lowest_starts(engine, pattern, text, length, &lowest);
    if (least > from) from = least;
  }
  for (; from <= last; from++) {
    const uint32_t found = match_at(engine, pattern, text, length, from, lowest, not_at);
    if (found == NO_SUCH) continue;
    *start = from, *end = found;
    return true;
  }
  return false;
}

bool pattern_match(struct Engine *engine, int pattern, const uint32_t *text, uint32_t length) {
  return match_at(engine, pattern, text, length, 0, NULL, NO_SUCH) != NO_SUCH;
}
