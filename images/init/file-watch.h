/* State of a WATCH, see file-watch.c. */
#ifndef CLOISTER_FILE_WATCH_H
#define CLOISTER_FILE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file-path.h"
#include "file-tree.h"
#include "protocol.h"

enum {
  MAX_WATCHES = 4,        /* WATCH requests at once */
  MAX_WATCHED = 8192,     /* directories of one */
  WATCH_NAME_BYTES = 512 * 1024,
  WATCH_RECORD = 8,       /* u8 kind, u8 is a directory, u16 bytes of path, u16 bytes of from, u16 zero, path, from */
  WATCH_PAUSE_MS = 20     /* between two looks: what happens meanwhile to one file is often one event */
};
enum watch_kind {
  WATCH_READY = 1,    /* what happens from here on is told */
  WATCH_CREATE = 2,
  WATCH_CHANGE = 3,
  WATCH_DELETE = 4,
  WATCH_RENAME = 5,   /* from -> path */
  WATCH_OVERFLOW = 6, /* events were lost */
  WATCH_LIMIT = 7     /* path and what is below it is not watched: too many directories */
};

struct watched { /* one directory */
  int32_t wd;       /* the table is in their order, which is that of their making */
  int32_t parent;   /* wd, 0: the root */
  uint32_t name;    /* in the arena, ended by NUL */
  bool is_dead;
  bool is_unread;   /* its directories are not watched yet */
  bool is_news;     /* its entries are to be told */
};

struct watch_state {
  int inotify;
  const char *path;              /* of the root, which is not held open: it would not be gone when it is removed */
  uint64_t device;
  uint64_t inode;
  bool is_recursive;
  bool is_told_ready;
  char only[MAX_NAME_BYTES + 1]; /* of a file: its name in the directory that is watched */
  uint8_t *memory;               /* watched, then names */
  uint32_t count;
  uint32_t name_bytes;
  uint32_t scan;                 /* entries before it are read */
  int32_t scanning;              /* wd of the directory being read, 0: none */
  struct tree tree;
  bool has_from;                 /* half of a rename waits for the other */
  bool is_from_directory;
  uint32_t from_cookie;
  int32_t from_wd;
  char from_name[MAX_NAME_BYTES + 1];
  uint32_t events_at;            /* of those read and not told */
  uint32_t events_end;
  uint64_t events[4096 / 8];
};

/* Watches a directory, open as `fd`, which stays the caller's: 0, or a negative errno. */
int watch_add(struct watch_state *state, int fd, int32_t parent, const char *name, bool is_news);

#endif
