/* What the engine does with damaged model files and odd texts: it refuses the file or answers, and never reads or writes
   where it should not. To be compiled with the sanitizers of addresses and of undefined behaviour, and the engine itself
   with -fsanitize-coverage=trace-pc.

   damage MODEL header EACH        of header and directory every EACH-th byte, three values, with and without hashes put right
   damage MODEL files N [SECONDS]  N files with a few changes each, most with hashes put right, so that only the checks of
                                   the content are left. A file that took the engine along a new path is changed further
   damage MODEL texts N [SECONDS]  N texts of random code points and of pieces that tokenizers know, on the file as it is
   SEED in the environment; prints what it counted. What broke the engine is written to the file that FOUND names. */
#define _GNU_SOURCE

#include <fcntl.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "../engine.h"
#include "../model.h"

static unsigned char *original;
static size_t size;
static int file;
static char path[64];
static unsigned long opened, refused, answered, gave_up;

static uint64_t random_state = 1;
static uint32_t random_below(uint32_t n) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)((random_state >> 33) % n);
}

/* ---- Which ways through the engine were gone: pairs of places, one after the other */

static unsigned char gone[1 << 16];
static uint16_t last_place;
static bool new_way;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) {
  /* Counted from a function of the engine: the same wherever the program is loaded. */
  const uint64_t here = (uint64_t)((uintptr_t)__builtin_return_address(0) - (uintptr_t)ner_open);
  const uint16_t place = (uint16_t)(here * 0x9e3779b97f4a7c15u >> 48);
  const uint16_t way = place ^ last_place;
  last_place = place >> 1;
  if (!gone[way]) gone[way] = 1, new_way = true;
}

/* ---- What is kept of a failure */

static void keep(void) {
  const char *found = getenv("FOUND");
  const int out = found ? open(found, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
  const void *now = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
  if (out < 0 || now == MAP_FAILED) return;
  if (write(out, now, size) == (ssize_t)size) close(out);
}

/* CPU seconds that one file, or one text, may take. */
enum { SLOWEST = 20 };

static void too_long(int signal) {
  (void)signal;
  keep();
  fprintf(stderr, "damage: a file or a text took more than %d s of CPU, here:\n", SLOWEST);
  __sanitizer_print_stack_trace();
  _exit(4);
}

/* Counts the time of a file or a text. */
static void count_time(void) {
  const struct itimerval time = {{0, 0}, {SLOWEST, 0}};
  setitimer(ITIMER_PROF, &time, NULL);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- */

/* Pieces in UTF-32 that take a tokenizer through its rules. */
static const char *const PIECES[] = {
    "(", ")", "[", "{", "\"", "'", "''", "...", "..", ".", ",", ";", ":", "!", "?", "-", "--", "=", "/", "@", "$", "%", "*",
    "don't", "can't", "U.S.", "e.g.", "Mr.", "a.m.", "10km", "9.", "A.", "I'm", "y'all", "C++", "http://a.b.com/x?y=1",
    "a@b.org", "user:", "x", "Angela Merkel", "London", "Paris", "Barack Obama", " ", " ", " ", "  ", "\n", "\t", "of", "the",
    "in 2019", "5 May 2020", ":)", "<3", "o.O", "aaaaaaaaaaaaaaaa", "1", "3.5", "TAG", "IS_SPACE"};

static uint32_t add_piece(uint32_t *text, uint32_t at, uint32_t most) {
  const uint32_t kind = random_below(8);
  if (at >= most) return most;
  if (kind == 0) {
    uint32_t c = random_below(random_below(2) ? 0x3000 : 0x110000);
    if (c >= 0xd800 && c < 0xe000) c = 'a';
    text[at++] = c;
    return at;
  }
  const char *piece = PIECES[random_below(sizeof PIECES / sizeof *PIECES)];
  for (uint32_t times = random_below(20) ? 1 : 1 + random_below(40); times; times--)
    for (const char *c = piece; *c && at < most; c++) text[at++] = (unsigned char)*c;
  return at;
}

static void ask(Engine *engine, uint32_t most) {
  uint32_t *text = malloc((most + 64) * sizeof *text), lengths[3], at = 0;
  for (int i = 0; i < 3; i++) {
    const uint32_t first = at, limit = first + random_below(most / 3);
    while (at < limit && at < most) at = add_piece(text, at, most);
    lengths[i] = at - first;
  }
  uint32_t *exact = malloc(at * sizeof *exact + 1); /* so that a read behind its end is seen */
  memcpy(exact, text, at * sizeof *exact);
  const uint32_t *found;
  const int32_t count = ner_find(engine, exact, lengths, 3, 0.5, &found);
  for (int32_t i = 0; i < count; i++)
    if (found[4 * i] > 2 || found[4 * i + 1] >= found[4 * i + 2] || found[4 * i + 2] > lengths[found[4 * i]] ||
        found[4 * i + 3] >= ner_labels(engine)) {
      keep();
      abort();
    }
  count >= 0 ? answered++ : gave_up++;
  const uint64_t *tokens;
  /* It has no clock, and a damaged program may be one that never ends. */
  if (count >= 0 && ner_tokens(engine, exact, lengths[0], &tokens) < 0) gave_up++;
  free(exact);
  free(text);
}

static void try_file(uint32_t most) {
  char error[256];
  count_time();
  Engine *engine = ner_open(path, error, sizeof error);
  if (!engine) {
    refused++;
    return;
  }
  opened++;
  ask(engine, most);
  ner_close(engine);
}

static void write_at(size_t at, const void *bytes, size_t count) {
  if (pwrite(file, bytes, count, (off_t)at) != (ssize_t)count) exit(3);
}

/* Puts the hashes of a copy right: of its sections, where they lie within it, and of the directory. */
static void put_right(unsigned char *copy) {
  uint32_t sections;
  memcpy(&sections, original + 12, 4);
  for (uint32_t i = 0; i < sections; i++) {
    unsigned char *entry = copy + HEADER_BYTES + (size_t)i * ENTRY_BYTES;
    uint64_t offset, bytes, hash;
    memcpy(&offset, entry + 8, 8), memcpy(&bytes, entry + 16, 8);
    if (offset > size || bytes > size - offset) continue;
    hash = hash_bytes(copy + offset, bytes);
    memcpy(entry + 24, &hash, 8);
  }
  const uint64_t hash = hash_bytes(copy + HEADER_BYTES, (size_t)sections * ENTRY_BYTES);
  memcpy(copy + 24, &hash, 8);
}

/* One byte of header or directory. */
static void damage(unsigned char *copy, size_t at, unsigned char value, bool right) {
  memcpy(copy, original, size);
  copy[at] = value;
  if (right) put_right(copy);
  write_at(0, copy, size);
  try_file(60);
}

/* What tables are broken by: ends of counting, and floats that are no numbers. */
static const uint32_t ODD[] = {0, 1, 2, 7, 0xff, 0xffff, 0x10000, 0x10ffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
                               0x7f800000 /* inf */, 0xff800000, 0x7fc00000 /* nan */, 0x7f7fffff, 0x00000001};

/* Changes a few bytes of one section, or of the directory. */
static void change(unsigned char *copy) {
  uint32_t sections, number;
  uint64_t offset = HEADER_BYTES, bytes = 0;
  memcpy(&sections, original + 12, 4);
  bytes = (uint64_t)sections * ENTRY_BYTES;
  if (random_below(12)) {
    const unsigned char *entry = original + HEADER_BYTES + (size_t)random_below(sections) * ENTRY_BYTES;
    if (!random_below(6)) entry = original + HEADER_BYTES; /* INFO, which has all sizes, is the first */
    memcpy(&number, entry, 4), memcpy(&offset, entry + 8, 8), memcpy(&bytes, entry + 16, 8);
  }
  if (bytes < 8) return;
  unsigned char *section = copy + offset;
  const size_t words = bytes / 4, word = random_below((uint32_t)words), other = random_below((uint32_t)words);
  uint32_t value;
  memcpy(&value, section + 4 * word, 4);
  switch (random_below(7)) {
    case 0: section[random_below((uint32_t)bytes)] ^= 1 << random_below(8); return;
    case 1: section[random_below((uint32_t)bytes)] = (unsigned char)random_below(256); return;
    case 2: value = ODD[random_below(sizeof ODD / sizeof *ODD)]; break;
    case 3: value += random_below(2) ? 1 + random_below(16) : -1 - random_below(16); break;
    case 4: memcpy(&value, section + 4 * other, 4); break;
    case 5: { /* a run of the same */
      const uint32_t odd = ODD[random_below(sizeof ODD / sizeof *ODD)];
      for (size_t i = word, end = word + 1 + random_below(64); i < words && i < end; i++) memcpy(section + 4 * i, &odd, 4);
      return;
    }
    default: { /* a run from elsewhere in it */
      const size_t from = word > other ? word : other, left = words - from;
      memmove(section + 4 * word, section + 4 * other, 4 * (1 + random_below((uint32_t)(left < 64 ? left : 64))));
      return;
    }
  }
  memcpy(section + 4 * word, &value, 4);
}

enum { MOST_KEPT = 64 };

static void try_files(unsigned long times, double until, unsigned char *copy) {
  static unsigned char *kept[MOST_KEPT];
  uint32_t count = 0;
  for (unsigned long i = 0; i < times && seconds() < until; i++) {
    memcpy(copy, count && random_below(4) ? kept[random_below(count)] : original, size);
    for (uint32_t changes = 1 + random_below(4); changes; changes--) change(copy);
    if (random_below(16)) put_right(copy);
    write_at(0, copy, size);
    new_way = false;
    try_file(200);
    if (!new_way) continue;
    unsigned char **place = &kept[count < MOST_KEPT ? count++ : random_below(MOST_KEPT)];
    if (!*place && !(*place = malloc(size))) exit(3);
    memcpy(*place, copy, size);
  }
}

int main(int count, char **args) {
  if (count < 3) return 2;
  if (getenv("SEED")) random_state = strtoull(getenv("SEED"), NULL, 10);
  const int from = open(args[1], O_RDONLY);
  size = (size_t)lseek(from, 0, SEEK_END);
  original = mmap(NULL, size, PROT_READ, MAP_PRIVATE, from, 0);
  if (from < 0 || original == MAP_FAILED) return 2;
  file = memfd_create("model", 0);
  write_at(0, original, size);
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  const unsigned long times = count > 3 ? strtoul(args[3], NULL, 10) : 1;
  const double until = seconds() + (count > 4 ? strtod(args[4], NULL) : 1e9);
  unsigned char *copy = malloc(size);
  if (!copy) return 3;
  __sanitizer_set_death_callback(keep);
  signal(SIGPROF, too_long);
  if (!strcmp(args[2], "header")) {
    uint32_t sections;
    memcpy(&sections, original + 12, 4);
    for (size_t at = 0; at < HEADER_BYTES + (size_t)sections * ENTRY_BYTES; at += times)
      for (int i = 0; i < 6; i++)
        damage(copy, at, i % 3 == 0 ? 0xff : i % 3 == 1 ? 0 : (unsigned char)(original[at] ^ (1 << random_below(8))), i > 2);
  } else if (!strcmp(args[2], "files")) {
    try_files(times, until, copy);
  } else {
    char error[256];
    Engine *engine = ner_open(path, error, sizeof error);
    if (!engine) return 2;
    opened++;
    for (unsigned long i = 0; i < times && seconds() < until; i++) count_time(), ask(engine, random_below(50) ? 300 : 20000);
    ner_close(engine);
  }
  free(copy);
  printf("%lu opened, %lu refused, %lu answered, %lu out of time or memory\n", opened, refused, answered, gave_up);
  return 0;
}
