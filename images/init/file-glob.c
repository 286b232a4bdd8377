/* A set of positions in the pattern, moved along the text byte by byte: nothing is ever tried twice. */
#include "file-glob.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { WORDS = (MAX_GLOB_BYTES + 1) / 64 };

struct glob {
  const char *pattern;
  size_t length;
  size_t words;
  uint64_t now[WORDS];
  uint64_t next[WORDS];
};

/* The two stars of a component of its own. Its first position is where a component begins, its second inside one. */
static bool is_double(const struct glob *glob, size_t at) {
  const char *p = glob->pattern;
  if (at + 1 >= glob->length || p[at] != '*' || p[at + 1] != '*' || (at > 0 && p[at - 1] != '/')) return false;
  return at + 2 == glob->length || p[at + 2] == '/';
}

static void add(const struct glob *glob, uint64_t *set, size_t at) {
  for (;;) {
    set[at / 64] |= (uint64_t)1 << at % 64;
    if (at >= glob->length || glob->pattern[at] != '*') return;
    if (is_double(glob, at)) {
      bool is_last = at + 2 == glob->length;
      set[(at + 1) / 64] |= (uint64_t)1 << (at + 1) % 64;
      at += is_last ? 2 : 3;
    } else {
      at++;
    }
  }
}

/* A bracket expression at `at`: its end, or 0 if it has none. */
static size_t bracket(const struct glob *glob, size_t at, uint8_t byte, bool *has) {
  const uint8_t *p = (const uint8_t *)glob->pattern;
  size_t i = at + 1;
  bool is_negative = i < glob->length && (p[i] == '!' || p[i] == '^');
  if (is_negative) i++;
  bool is_in = false;
  for (size_t first = i; i < glob->length && (p[i] != ']' || i == first); i++) {
    if (p[i] == '\\' && i + 1 < glob->length) i++;
    uint8_t low = p[i];
    uint8_t high = low;
    if (i + 2 < glob->length && p[i + 1] == '-' && p[i + 2] != ']') {
      i += 2;
      if (p[i] == '\\' && i + 1 < glob->length) i++;
      high = p[i];
    }
    if (byte >= low && byte <= high) is_in = true;
  }
  *has = is_in != is_negative && byte != '/';
  return i < glob->length ? i + 1 : 0;
}

static void move(struct glob *glob, size_t at, uint8_t byte) {
  const char *p = glob->pattern;
  bool has = false;
  size_t end;
  /* `?` is one character: the rest of its bytes belong to it. */
  if (at > 0 && p[at - 1] == '?' && (byte & 0xc0) == 0x80) add(glob, glob->next, at);
  if (at > 0 && is_double(glob, at - 1)) {
    glob->next[at / 64] |= (uint64_t)1 << at % 64;
    if (at + 1 == glob->length || byte == '/') add(glob, glob->next, at - 1);
    return;
  }
  if (at >= glob->length || is_double(glob, at)) return;
  if (p[at] == '*') {
    if (byte != '/') add(glob, glob->next, at);
  } else if (p[at] == '?') {
    if (byte != '/') add(glob, glob->next, at + 1);
  } else if (p[at] == '[' && (end = bracket(glob, at, byte, &has)) > 0) {
    if (has) add(glob, glob->next, end);
  } else {
    size_t literal = p[at] == '\\' && at + 1 < glob->length ? at + 1 : at;
    if ((uint8_t)p[literal] == byte) add(glob, glob->next, literal + 1);
  }
}

unsigned glob_match(const char *pattern, size_t pattern_bytes, const char *text, size_t bytes) {
  struct glob glob = {.pattern = pattern, .length = pattern_bytes, .words = pattern_bytes / 64 + 1};
  if (pattern_bytes > MAX_GLOB_BYTES) return 0;
  add(&glob, glob.now, 0);
  for (size_t i = 0; i < bytes; i++) {
    uint64_t alive = 0;
    for (size_t word = 0; word < glob.words; word++) {
      for (uint64_t bits = glob.now[word]; bits != 0; bits &= bits - 1) {
        move(&glob, word * 64 + (size_t)__builtin_ctzll(bits), (uint8_t)text[i]);
      }
    }
    for (size_t word = 0; word < glob.words; word++) {
      glob.now[word] = glob.next[word];
      alive |= glob.next[word];
      glob.next[word] = 0;
    }
    if (alive == 0) return 0;
  }
  bool is_match = (glob.now[pattern_bytes / 64] >> pattern_bytes % 64 & 1) != 0;
  return (is_match ? GLOB_MATCH : 0) | GLOB_ALIVE;
}
