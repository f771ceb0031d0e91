/* What the engine does with damaged model files and odd texts: it refuses the file or answers, and never reads or writes
   where it should not. To be compiled with the sanitizers of addresses and of undefined behaviour.

   damage MODEL header        every byte of header and directory, three values each, with and without hashes put right
   damage MODEL tables N      N changes of tables, hashes put right: only the checks of their content are left
   damage MODEL rest N        N changes anywhere, hashes as they were
   damage MODEL texts N       N texts of random code points and of pieces that tokenizers know, on the file as it is
   SEED in the environment; prints what it counted. */
#define _GNU_SOURCE

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
        found[4 * i + 3] >= ner_labels(engine))
      abort();
  count >= 0 ? answered++ : gave_up++;
  const uint64_t *tokens;
  if (ner_tokens(engine, exact, lengths[0], &tokens) < 0) gave_up++;
  free(exact);
  free(text);
}

static void try_file(uint32_t most) {
  char error[256];
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

/* Puts the hashes right: of the section that holds `at`, and of the directory. */
static void put_right(size_t at) {
  unsigned char *now = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  uint32_t sections;
  memcpy(&sections, original + 12, 4);
  for (uint32_t i = 0; i < sections; i++) {
    unsigned char *entry = now + HEADER_BYTES + (size_t)i * ENTRY_BYTES;
    uint64_t offset, bytes, hash;
    memcpy(&offset, entry + 8, 8), memcpy(&bytes, entry + 16, 8);
    if (at < offset || offset > size || bytes > size - offset || at - offset >= bytes) continue;
    hash = hash_bytes(now + offset, bytes);
    memcpy(entry + 24, &hash, 8);
  }
  const uint64_t hash = hash_bytes(now + HEADER_BYTES, (size_t)sections * ENTRY_BYTES);
  memcpy(now + 24, &hash, 8);
  munmap(now, size);
}

static void damage(size_t at, unsigned char value, bool right, uint32_t most) {
  write_at(at, &value, 1);
  if (right) put_right(at);
  try_file(most);
  write_at(at, original + at, 1);
  if (!right) return;
  uint32_t sections;
  memcpy(&sections, original + 12, 4);
  write_at(0, original, HEADER_BYTES + (size_t)sections * ENTRY_BYTES);
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
  const unsigned long times = count > 3 ? strtoul(args[3], NULL, 10) : 0;
  uint32_t sections;
  memcpy(&sections, original + 12, 4);
  const size_t directory = HEADER_BYTES + (size_t)sections * ENTRY_BYTES;
  if (!strcmp(args[2], "header")) {
    for (size_t at = 0; at < directory; at++)
      for (int i = 0; i < 6; i++)
        damage(at, i % 3 == 0 ? 0xff : i % 3 == 1 ? 0 : (unsigned char)(original[at] ^ (1 << random_below(8))), i > 2, 60);
  } else if (!strcmp(args[2], "tables")) {
    for (unsigned long i = 0; i < times; i++) {
      const unsigned char *entry = original + HEADER_BYTES + (size_t)random_below(sections) * ENTRY_BYTES;
      uint32_t number;
      uint64_t offset, bytes;
      memcpy(&number, entry, 4), memcpy(&offset, entry + 8, 8), memcpy(&bytes, entry + 16, 8);
      if (number >= TABLES || !bytes) continue;
      const size_t at = offset + random_below((uint32_t)bytes);
      damage(at, random_below(3) ? (unsigned char)(original[at] ^ (1 << random_below(8))) : (unsigned char)random_below(256), true, 200);
    }
  } else if (!strcmp(args[2], "rest")) {
    for (unsigned long i = 0; i < times; i++) {
      const size_t at = directory + random_below((uint32_t)(size - directory));
      damage(at, (unsigned char)random_below(256), false, 200);
    }
  } else {
    char error[256];
    Engine *engine = ner_open(path, error, sizeof error);
    if (!engine) return 2;
    opened++;
    for (unsigned long i = 0; i < times; i++) ask(engine, random_below(50) ? 300 : 20000);
    ner_close(engine);
  }
  printf("%lu opened, %lu refused, %lu answered, %lu out of time or memory\n", opened, refused, answered, gave_up);
  return 0;
}
