/* Owns the list of processes. PID 1 reads it itself, so that a stopped or killed supervisor does not matter. */
#define _GNU_SOURCE
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "exec.h"
#include "helper.h"
#include "memory.h"
#include "say.h"

enum { MAX_PROCESSES = 8192, DIRENT_BYTES = 16 * 1024, BETWEEN = 15 /* fields from ppid to num_threads */ };

struct process *tree;
static uint32_t count;
static int proc_fd = -1;

struct linux_dirent64 {
  uint64_t d_ino;
  int64_t d_off;
  uint16_t d_reclen;
  uint8_t d_type;
  char d_name[];
};

bool tree_open(void) {
  tree = (struct process *)(void *)memory_take_private(MAX_PROCESSES * sizeof *tree);
  proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return tree != NULL && proc_fd >= 0;
}

/* The number at `at`, which moves behind it and one separator. */
static int64_t number(const char **at) {
  int64_t value = 0;
  bool negative = **at == '-';
  if (negative) ++*at;
  for (; **at >= '0' && **at <= '9'; ++*at) value = value * 10 + (**at - '0');
  if (**at != '\0') ++*at;
  return negative ? -value : value;
}

static bool read_process(const char *name) {
  char path[32], text[512];
  size_t name_bytes = strlen(name);
  if (count == MAX_PROCESSES || name_bytes + sizeof "/stat" > sizeof path) return false;
  memcpy(path, name, name_bytes);
  memcpy(path + name_bytes, "/stat", sizeof "/stat");
  int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false; /* it ended */
  ssize_t got = read(fd, text, sizeof text - 1);
  if (close(fd) != 0) say("cannot close /proc", errno);
  if (got <= 0) return false;
  text[got] = '\0';
  /* pid (name, any bytes) state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime cutime
   * cstime priority nice num_threads */
  const char *at = strrchr(text, ')');
  if (at == NULL || at + 4 >= text + got) return false;
  char state = at[2];
  int64_t fields[BETWEEN + 2];
  at += 4;
  for (int i = 0; i < BETWEEN + 2; i++) fields[i] = number(&at);
  tree[count++] = (struct process){.pid = (pid_t)number(&name), .parent = (pid_t)fields[0], .group = (pid_t)fields[1], .owner = OWNER_UNKNOWN, .state = (int8_t)state,
                                   .alive = (state != 'Z' && state != 'X') || fields[BETWEEN + 1] > 1};
  return true;
}

static int by_pid(const void *a, const void *b) {
  return ((const struct process *)a)->pid - ((const struct process *)b)->pid;
}

static struct process *find(pid_t pid) {
  struct process key = {.pid = pid};
  return bsearch(&key, tree, count, sizeof *tree, by_pid);
}

static bool is_supervisor(const struct process *p) { return p->owner >= 0 && execs[p->owner].supervisor == p->pid; }

/* Follows the parents up to one whose owner is known. */
static int16_t owner_of(const struct process *p) {
  for (uint32_t steps = 0; steps < count; steps++) {
    if (p->owner != OWNER_UNKNOWN) return p->owner;
    if (p->parent == 0) return OWNER_INIT;
    if (p->parent == getpid()) return OWNER_STRAY;
    p = find(p->parent);
    if (p == NULL) return OWNER_UNKNOWN;
  }
  return OWNER_UNKNOWN;
}

static void assign_owners(void) {
  struct process *p;
  if ((p = find(getpid())) != NULL) p->owner = OWNER_INIT;
  for (int i = 0; i < HELPERS; i++)
    if (helper_pid(i) > 0 && (p = find(helper_pid(i))) != NULL) p->owner = OWNER_INIT;
  EACH_EXEC(e)
    if (e->supervisor > 0 && (p = find(e->supervisor)) != NULL) p->owner = (int16_t)(e - execs);
  for (p = tree; p < tree + count; p++) p->owner = owner_of(p);
  /* Last: until here a supervisor's owner leads its descendants to their exec. */
  for (p = tree; p < tree + count; p++)
    if (is_supervisor(p)) p->owner = OWNER_INIT;
}

uint32_t tree_scan(void) {
  static _Alignas(8) char entries[DIRENT_BYTES];
  bool sorted = true;
  count = 0;
  if (lseek(proc_fd, 0, SEEK_SET) < 0) say("cannot rewind /proc", errno);
  for (;;) {
    long got = syscall(SYS_getdents64, proc_fd, entries, sizeof entries);
    if (got < 0) say("cannot list /proc", errno);
    if (got <= 0) break;
    for (long at = 0; at < got;) {
      const struct linux_dirent64 *entry = (const void *)(entries + at);
      at += entry->d_reclen;
      if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !read_process(entry->d_name)) continue;
      if (count > 1 && tree[count - 1].pid < tree[count - 2].pid) sorted = false;
    }
  }
  if (!sorted) qsort(tree, count, sizeof *tree, by_pid);
  assign_owners();
  return count;
}
