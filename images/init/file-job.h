/* One file request from FILE to END, and the table of operations. Each operation is a state machine: start, then
 * steps of bounded work, so that a long one never makes a short one wait. */
#ifndef CLOISTER_FILE_JOB_H
#define CLOISTER_FILE_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file-chmod.h"
#include "file-list.h"
#include "file-remove.h"
#include "file-temporary.h"
#include "file-resolve.h"
#include "protocol.h"
#include "file-watch.h"
#include "sha256.h"

struct file_args { /* of a request, checked: paths end in NUL and have the grammar of protocol.h */
  uint32_t mode;
  uint32_t depth;
  uint64_t offset;
  uint64_t length;
  const char *path2;
  const uint8_t *extra; /* followed by a NUL */
  size_t extra_bytes;
};

struct read_state {
  int fd;
  uint64_t offset;
  uint64_t left;
  struct sha256 hash; /* HASH */
};

struct write_state {
  struct place place;
  int fd;
  bool is_append;
  bool is_kept;     /* append: what came of one that was cut short stays */
  bool is_created;  /* append: the file is ours to take away */
  bool has_match;
  bool is_matching; /* the present content is being hashed */
  char temporary[TEMPORARY_NAME_BYTES]; /* "": none to remove */
  uint32_t mode;
  uint64_t base;    /* append: size before */
  uint64_t written;
  uint64_t reported;
  uint8_t match[SHA256_BYTES];
  int present;      /* file being hashed, -1: none */
  uint64_t present_left;
  struct sha256 hash;
  uint8_t *held;    /* append: data that came before the hash was known, FILE_WINDOW_BYTES */
  size_t held_bytes;
  bool is_held_last;
};

struct copy_state {
  struct place place;
  char temporary[TEMPORARY_NAME_BYTES];
  int error;         /* why a tree is being taken away again, 0: it is not */
  int what;
  bool is_tree;
  bool is_exclusive;
  int from;          /* file being copied, -1: none */
  int to;
  uint64_t left;
  uint32_t mode;
  uint32_t method;   /* of moving bytes, see file-copy.c */
  int to_root;       /* of a tree */
  int to_dir;        /* beside the cursor of the source */
  uint64_t to_device;
  uint64_t to_inode;
  struct removal walk; /* its tree is the cursor over the source, then over what is taken away */
};

struct file_job {
  uint32_t id;
  uint8_t op;
  uint8_t flags;
  bool is_used;
  bool is_ready;     /* step() has work */
  int wait_fd;       /* readable: it has, -1: none */
  uint64_t wait_from; /* nanoseconds of step_begin() before which that is not asked */
  uint64_t sent;     /* data bytes up */
  uint64_t credited;
  char path[MAX_PATH_BYTES + 1];
  union {
    struct read_state read;
    struct write_state write;
    struct copy_state copy;
    struct removal removal;
    struct list_state list;
    struct chmod_state chmod;
    struct watch_state watch;
  } u;
};

struct file_op {
  uint8_t flags; /* that it takes */
  bool has_path2;
  void (*start)(struct file_job *job, const struct file_args *args);
  void (*step)(struct file_job *job);                                               /* NULL: ends in start */
  void (*data)(struct file_job *job, const uint8_t *bytes, size_t length, bool is_last);
  void (*cancel)(struct file_job *job);                                             /* NULL: job_end does */
  void (*close)(struct file_job *job);                                              /* frees, undoes */
};

/* NULL for an op that there is none of. */
const struct file_op *file_op_of(uint8_t op);

/* Sends FILE_END and frees the job. `error` is 0 or a negative errno. */
void job_end(struct file_job *job, int error, int what, const uint8_t *extra, size_t length);
/* The same for an error of a path: ENOTDIR says that a component is not a directory. */
void job_fail_path(struct file_job *job, int error);
/* END with the stat of an open file. */
void job_end_stat(struct file_job *job, int fd);
/* Data bytes that may still be sent before more credit, at most MAX_DATA. */
size_t job_credit(const struct file_job *job);

/* A step's time: work goes on until it is over. */
uint64_t step_begin(void);
bool step_is_over(uint64_t begun);

void read_start(struct file_job *job, const struct file_args *args);
void read_step(struct file_job *job);
void read_close(struct file_job *job);
void hash_step(struct file_job *job);
void write_start(struct file_job *job, const struct file_args *args);
void write_step(struct file_job *job);
void write_data(struct file_job *job, const uint8_t *bytes, size_t length, bool is_last);
void write_cancel(struct file_job *job);
void write_close(struct file_job *job);
void list_start(struct file_job *job, const struct file_args *args);
void list_step(struct file_job *job);
void list_end(struct file_job *job); /* END with what it came to */
void list_cancel(struct file_job *job);
void list_close(struct file_job *job);
void remove_start(struct file_job *job, const struct file_args *args);
void remove_step(struct file_job *job);
void remove_close(struct file_job *job);
void copy_start(struct file_job *job, const struct file_args *args);
void copy_step(struct file_job *job);
void copy_cancel(struct file_job *job);
void copy_close(struct file_job *job);
void entry_stat(struct file_job *job, const struct file_args *args);
void entry_mkdir(struct file_job *job, const struct file_args *args);
void entry_move(struct file_job *job, const struct file_args *args);
void chmod_start(struct file_job *job, const struct file_args *args);
void chmod_step(struct file_job *job);
void chmod_close(struct file_job *job);
void watch_start(struct file_job *job, const struct file_args *args);
void watch_step(struct file_job *job);
void watch_close(struct file_job *job);
void entry_readlink(struct file_job *job, const struct file_args *args);
void entry_symlink(struct file_job *job, const struct file_args *args);

#endif
