/* A compiled regular expression run over lines of bytes, in time linear in their size whatever both are: states of a DFA
 * are made as they are met, in bounded memory, and thrown away when it is full. The daemon compiles; no text of a
 * pattern is parsed here. Touches no file.
 *
 * A program, as it comes: u8 flags (REGEX_*), u8 bytes of literal, u16 count of instructions, the literal, then the
 * instructions of 8 bytes: u8 op, u8 low, u8 high, u8 zero, u16 x, u16 y. Execution begins at instruction 0. */
#ifndef CLOISTER_FILE_REGEX_H
#define CLOISTER_FILE_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_INSTRUCTIONS = 4096, MAX_STATES = 8192, REGEX_BYTES = 2 * 1024 * 1024 };

enum { /* flags */
  REGEX_FOLD = 1,   /* letters of the literal, which is then ASCII in lower case, stand for either case */
  REGEX_LITERAL = 2 /* the literal is all of it: no instructions */
};
enum { /* op */
  REGEX_MATCH = 0,
  REGEX_RANGE = 1,  /* a byte from low to high, then x */
  REGEX_SPLIT = 2,  /* x or y */
  REGEX_ASSERT = 3  /* low: what must hold, then x */
};
enum { ASSERT_BEGIN = 0, ASSERT_END = 1, ASSERT_WORD = 2, ASSERT_NO_WORD = 3 };

struct regex_state { /* of the DFA */
  uint32_t list;     /* where its instructions stand in the arena */
  uint16_t count;
  uint8_t before;    /* what is known of the byte before */
  bool is_match;
};

struct regex {
  uint8_t flags;
  uint8_t literal_bytes;
  uint16_t count;
  const uint8_t *literal;
  const uint8_t *code;
  uint8_t *memory;     /* REGEX_BYTES of the caller's */
  uint32_t used;       /* bytes of it */
  uint32_t states;
  uint32_t flushes;    /* times that all states were thrown away */
  uint32_t classes;    /* of bytes that no instruction tells apart; that of the newline is the end of a line */
  bool has_word;       /* it asks for word boundaries */
  uint32_t work;       /* instructions looked at, since the caller set it to 0 */
  uint8_t class_of[256];
};

/* False: it is malformed. The program must stay where it is. */
bool regex_open(struct regex *regex, const uint8_t *program, size_t bytes, uint8_t *memory);

/* The first place at or after `at` where the literal stands, or `end`. With no literal: `at`. */
size_t regex_find_literal(const struct regex *regex, const uint8_t *text, size_t at, size_t end);

enum { SCAN_NONE = 0, SCAN_MATCH = 1, SCAN_PAUSE = 2 };
/* From *state (0: a line begins) over text[*at..end), whatever lines it has; a newline ends each. SCAN_MATCH: *at is in, or
 * at the end of, the first line that matches; SCAN_PAUSE: it was much work, go on later with the same arguments;
 * SCAN_NONE: *at is `end`. */
int regex_scan(struct regex *regex, uint32_t *state, const uint8_t *text, size_t *at, size_t end);
/* Whether the line that scan has come to the end of, without a newline, matches. */
bool regex_ends(struct regex *regex, uint32_t state);

#endif
