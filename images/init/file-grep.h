/* Lines of one file after another that match: a buffer of whole lines, searched for what the pattern can't do without and
 * then, line by line, by the pattern. A file with a NUL byte is binary and left alone from there on. */
#ifndef CLOISTER_FILE_GREP_H
#define CLOISTER_FILE_GREP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file-regex.h"

enum {
  GREP_BUFFER_BYTES = 256 * 1024,
  MAX_LINE_BYTES = 2048, /* of a line that are told */
  MAX_CONTEXT = 100,
  GREP_RECORD = 12       /* u8 kind, u8 is cut, u16 bytes that follow, u32 line, u32 bytes of the whole line */
};
enum grep_kind { GREP_FILE = 0, GREP_MATCH = 1, GREP_CONTEXT = 2 };
enum grep_progress { GREP_MORE, GREP_FULL, GREP_DONE, GREP_ENOUGH };

struct output { /* the frame being filled */
  uint8_t *bytes;
  size_t used;
  size_t room;
};

struct grep_totals {
  uint64_t files;   /* searched */
  uint64_t binary;  /* of them, given up at a NUL */
  uint64_t matches; /* lines */
  uint64_t cut;     /* lines told, or searched, in parts only */
};

struct grep {
  struct regex regex;
  uint32_t before, after; /* lines of context */
  uint64_t max_matches;   /* 0: no limit */
  uint64_t max_per_file;
  bool is_cut_short;      /* by max_per_file */
  struct grep_totals totals;
  int fd;                 /* file being searched, -1: none */
  uint64_t left;          /* bytes of it to be read */
  uint64_t file_matches;
  bool has_header;
  uint8_t *buffer;
  size_t have;
  size_t whole;           /* end of the whole lines in the buffer */
  size_t at;              /* search goes on here */
  size_t scan_end;        /* of the line that is looked at, 0: none */
  uint32_t state;         /* of the scan */
  size_t told;            /* lines before it are told */
  uint32_t after_left;
  uint64_t line;          /* number of the line at `counted` */
  size_t counted;
  struct { size_t at, end; } pending[2]; /* lines to be told */
  size_t match_at;        /* the one of them that matches */
  size_t match_end;       /* 0: none does */
};

void grep_open(struct grep *grep, uint8_t *buffer);
/* 0, or a negative errno with nothing begun: the file can't be searched. */
int grep_begin(struct grep *grep, int dir, const char *name);
/* The same for a file that is open; the descriptor is grep's from then on. */
int grep_begin_open(struct grep *grep, int fd);
/* A portion of work. `dir` and `name` make the path that is told. */
enum grep_progress grep_go(struct grep *grep, struct output *out, const char *dir, size_t dir_length, const char *name);
void grep_close(struct grep *grep);

#endif
