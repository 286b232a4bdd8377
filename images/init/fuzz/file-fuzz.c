/* Fuzzes what the file worker is told to look for, and where: programs of regular expressions, globs and .gitignore rules, all over
 * hostile text. What is sound must end, stay in its memory, and say what a plain reading of the same program says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../file-filter.h"
#include "../file-glob.h"
#include "../file-regex.h"
#include "../file-resolve.h"
#include "../frame.h"

enum { DEFAULT_INPUTS = 100000, MAX_TEXT = 64, MAX_CODE = 24 };

static uint64_t state;
static uint8_t memory[REGEX_BYTES] __attribute__((aligned(64)));

/* The filter asks for directories above its root only when it has one. */
int resolve(const char *path) { return path[0] == '\0' ? -2 : -1; }
int open_directory(int path_fd) { return path_fd; }

static uint32_t next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 32);
}

static void check(int claim, const char *what) {
  if (claim) return;
  fprintf(stderr, "broken claim: %s\n", what);
  abort();
}

static int is_word(const uint8_t *text, size_t at, size_t end) {
  return at < end && (text[at] == '_' || (text[at] >= '0' && text[at] <= '9') || ((text[at] | 32) >= 'a' && (text[at] | 32) <= 'z'));
}

static int holds(uint8_t kind, const uint8_t *text, size_t at, size_t size) {
  if (kind == ASSERT_BEGIN) return at == 0;
  if (kind == ASSERT_END) return at == size;
  if (kind == ASSERT_NO_WORD && at < size && (text[at] & 0xc0) == 0x80) return 0; /* inside a character */
  int is_edge = is_word(text, at, size) != (at > 0 && is_word(text, at - 1, size));
  return is_edge == (kind == ASSERT_WORD);
}

/* One line, position by position, with no memory of what was met before. */
static int plainly(const uint8_t *code, size_t count, const uint8_t *text, size_t size) {
  uint8_t now[MAX_CODE] = {0}, following[MAX_CODE];
  for (size_t at = 0; at <= size; at++) {
    now[0] = 1;
    for (size_t round = 0; round < count; round++) {
      for (size_t pc = 0; pc < count; pc++) {
        const uint8_t *op = code + pc * 8;
        if (!now[pc]) continue;
        if (op[0] == REGEX_SPLIT) now[get_u16(op + 4)] = now[get_u16(op + 6)] = 1;
        if (op[0] == REGEX_ASSERT && holds(op[1], text, at, size)) now[get_u16(op + 4)] = 1;
      }
    }
    memset(following, 0, sizeof following);
    for (size_t pc = 0; pc < count; pc++) {
      const uint8_t *op = code + pc * 8;
      if (now[pc] && op[0] == REGEX_MATCH) return 1;
      if (now[pc] && op[0] == REGEX_RANGE && at < size && text[at] >= op[1] && text[at] <= op[2]) following[get_u16(op + 4)] = 1;
    }
    memcpy(now, following, sizeof now);
  }
  return 0;
}

static size_t make_program(uint8_t *out) {
  size_t count = 1 + next() % MAX_CODE;
  memset(out, 0, 4);
  put_u16(out + 2, (uint16_t)count);
  for (size_t pc = 0; pc < count; pc++) {
    uint8_t *op = out + 4 + pc * 8;
    memset(op, 0, 8);
    op[0] = (uint8_t)(next() % 4);
    op[1] = op[0] == REGEX_ASSERT ? (uint8_t)(next() % 4) : (uint8_t)("ab_ \xc3"[next() % 5]);
    op[2] = op[0] == REGEX_RANGE ? (uint8_t)(op[1] + next() % 3) : 0;
    put_u16(op + 4, (uint16_t)(next() % count));
    put_u16(op + 6, (uint16_t)(next() % count));
  }
  size_t bytes = 4 + count * 8;
  for (uint32_t flips = next() % 8 == 0 ? 1 + next() % 3 : 0; flips > 0; flips--) out[next() % bytes] = (uint8_t)next();
  return next() % 64 == 0 ? next() % bytes : bytes;
}

static void fuzz_regex(void) {
  uint8_t program[4 + MAX_CODE * 8], text[MAX_TEXT];
  struct regex regex;
  size_t bytes = make_program(program);
  size_t size = next() % MAX_TEXT;
  for (size_t i = 0; i < size; i++) text[i] = (uint8_t)(next() % 16 == 0 ? next() : (uint8_t)("ab_ \xc3\xa9"[next() % 6]));
  for (size_t i = 0; i < size; i++) text[i] = text[i] == '\n' ? 'a' : text[i];
  uint8_t *exact = malloc(bytes == 0 ? 1 : bytes);
  memcpy(exact, program, bytes);
  if (regex_open(&regex, exact, bytes, memory) && regex.count > 0 && regex.literal_bytes == 0) {
    uint32_t scan = 0;
    size_t at = 0;
    int found;
    for (int turns = 0; (found = regex_scan(&regex, &scan, text, &at, size)) == SCAN_PAUSE; regex.work = 0) check(++turns < 100000, "a scan ends");
    if (found == SCAN_NONE) found = regex_ends(&regex, scan) ? SCAN_MATCH : SCAN_NONE;
    check(found == (plainly(regex.code, regex.count, text, size) ? SCAN_MATCH : SCAN_NONE), "the states say what the program says");
  }
  free(exact);
}

static int glob_plainly(const char *p, const char *pe, const char *t, const char *te, int is_start) {
  if (p == pe) return t == te;
  int is_double = is_start && pe - p >= 2 && p[0] == '*' && p[1] == '*' && (pe - p == 2 || p[2] == '/');
  if (is_double && pe - p == 2) return 1;
  if (is_double) {
    if (glob_plainly(p + 3, pe, t, te, 1)) return 1;
    for (const char *slash = t; slash < te; slash++) {
      if (*slash == '/' && glob_plainly(p + 3, pe, slash + 1, te, 1)) return 1;
    }
    return 0;
  }
  if (*p == '*') return glob_plainly(p + 1, pe, t, te, 0) || (t < te && *t != '/' && glob_plainly(p, pe, t + 1, te, 0));
  if (t == te) return 0;
  if (*p == '?' ? *t == '/' : *p != *t) return 0;
  return glob_plainly(p + 1, pe, t + 1, te, *p == '/');
}

static void fuzz_glob(void) {
  char pattern[12], text[16];
  size_t pattern_bytes = next() % sizeof pattern, bytes = next() % sizeof text;
  int is_plain = next() % 2 == 0;
  for (size_t i = 0; i < pattern_bytes; i++) pattern[i] = is_plain ? "ab/*?"[next() % 5] : "ab/*?[]!\\-\x80"[next() % 11];
  for (size_t i = 0; i < bytes; i++) text[i] = "ab/"[next() % 3];
  unsigned verdict = glob_match(pattern, pattern_bytes, text, bytes);
  if (!is_plain) return;
  int expected = glob_plainly(pattern, pattern + pattern_bytes, text, text + bytes, 1);
  check(((verdict & GLOB_MATCH) != 0) == expected, "a glob matches what it says");
  check(!expected || (verdict & GLOB_ALIVE) != 0, "what matches is alive");
}

static void fuzz_filter(void) {
  static struct filter filter;
  static uint8_t rules[FILTER_BYTES] __attribute__((aligned(64)));
  uint8_t globs[64];
  size_t bytes = next() % sizeof globs;
  for (size_t i = 0; i < bytes; i++) globs[i] = (uint8_t)(next() % 3 == 0 ? next() % 4 : (uint8_t)("!a*/["[next() % 5]));
  uint8_t *exact = malloc(bytes == 0 ? 1 : bytes);
  memcpy(exact, globs, bytes);
  if (filter_open(&filter, next() % 2 == 0 ? "" : "a/b", exact, bytes, rules)) {
    unsigned verdict = filter_judge(&filter, "a/b", 3, "name", next() % 2 == 0);
    check(verdict <= (FILTER_TAKE | FILTER_DESCEND), "there are four verdicts");
  }
  free(exact);
}

int main(int argc, char **argv) {
  unsigned long inputs = argc > 1 ? strtoul(argv[1], NULL, 10) : DEFAULT_INPUTS;
  unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
  state = seed * 0x9e3779b97f4a7c15u + 1;
  for (unsigned long i = 0; i < inputs; i++) {
    fuzz_regex();
    fuzz_glob();
    fuzz_filter();
  }
  printf("%lu inputs, seed %lu: clean\n", inputs, seed);
  return 0;
}
