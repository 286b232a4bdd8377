/* WATCH: what happens below a directory, by inotify. The directories on the way are watched one by one as they are found;
 * each is opened below the root without following a symlink, and watched by its descriptor. What a directory held when
 * it came to be watched is told as created if the directory itself was news. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-job.h"
#include "file-reply.h"
#include "file-watch-table.h"
#include "frame.h"

enum {
  MASK = IN_CREATE | IN_MODIFY | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR,
  MAX_RECORD = WATCH_RECORD + 2 * MAX_PATH_BYTES
};

/* False: there is no room. */
static bool tell(struct output *out, uint8_t kind, bool is_directory, const char *path, size_t bytes, const char *from, size_t from_bytes) {
  if (out->room - out->used < WATCH_RECORD + bytes + from_bytes) return false;
  uint8_t *at = out->bytes + out->used;
  at[0] = kind;
  at[1] = is_directory ? 1 : 0;
  put_u16(at + 2, (uint16_t)bytes);
  put_u16(at + 4, (uint16_t)from_bytes);
  put_u16(at + 6, 0);
  memcpy(at + WATCH_RECORD, path, bytes);
  memcpy(at + WATCH_RECORD + bytes, from, from_bytes);
  out->used += WATCH_RECORD + bytes + from_bytes;
  return true;
}

static void tell_entry(const struct watch_state *state, struct output *out, uint8_t kind, bool is_directory, int32_t wd, const char *name) {
  char path[MAX_PATH_BYTES + 1];
  bool is_one = state->only[0] != '\0';
  if (is_temporary(name) || (is_one && strcmp(name, state->only) != 0)) return;
  int bytes = watched_path(state, wd, is_one ? "" : name, path);
  if (bytes < 0) tell(out, WATCH_OVERFLOW, false, "", 0, "", 0);
  else tell(out, kind, is_directory, path, (size_t)bytes, "", 0);
}

int watch_add(struct watch_state *state, int fd, int32_t parent, const char *name, bool is_news) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int wd = inotify_add_watch(state->inotify, link, MASK);
  if (wd < 0) return -errno;
  struct watched *watched = watched_put(state, wd, parent, name);
  if (watched == NULL) {
    inotify_rm_watch(state->inotify, wd);
    return -ENOSPC;
  }
  watched->is_unread = state->is_recursive;
  watched->is_news = is_news;
  uint32_t index = (uint32_t)(watched - watched_at(state, 0));
  if (index < state->scan) state->scan = index;
  return 0;
}

static void add_child(struct watch_state *state, struct output *out, int dir, int32_t parent, const char *name, bool is_news) {
  int fd = tree_open_child(dir, name, false);
  int error = fd < 0 ? fd : watch_add(state, fd, parent, name, is_news);
  if (fd >= 0) close(fd);
  if (error < 0 && error != -ENOENT && error != -ENOTDIR) tell_entry(state, out, WATCH_LIMIT, true, parent, name);
}

/* A directory below the root, if that still is what was watched first. */
static int open_below(const struct watch_state *state, const char *path) {
  struct stat st;
  int path_fd = resolve(state->path);
  if (path_fd < 0) return path_fd;
  int root = fstat(path_fd, &st) < 0 ? -errno : open_directory(path_fd);
  close(path_fd);
  if (root < 0) return root;
  bool is_same = st.st_dev == state->device && st.st_ino == state->inode;
  int fd = is_same ? resolve_directory(root, path) : -ENOENT;
  close(root);
  return fd;
}

/* Opens the next directory whose own directories are to be watched; false: there is none. */
static bool scan_begin(struct watch_state *state) {
  char path[MAX_PATH_BYTES + 1];
  for (; state->scan < state->count; state->scan++) {
    struct watched *watched = watched_at(state, state->scan);
    if (watched->is_dead || !watched->is_unread) continue;
    watched->is_unread = false;
    if (watched->parent == 0) path[0] = '\0';
    else if (watched_path(state, watched->wd, "", path) < 0) continue;
    int fd = open_below(state, path);
    if (fd < 0) continue;
    tree_end(&state->tree);
    int error = tree_begin(&state->tree, fd);
    close(fd);
    if (error < 0) continue;
    state->scanning = watched->wd;
    return true;
  }
  return false;
}

static void scan_entry(struct watch_state *state, struct output *out) {
  struct tree_entry entry;
  const struct watched *watched = watched_find(state, state->scanning);
  if (watched == NULL || tree_next(&state->tree, &entry) <= 0) {
    tree_end(&state->tree);
    state->scanning = 0;
    return;
  }
  bool is_news = watched->is_news;
  if (is_news) tell_entry(state, out, WATCH_CREATE, entry.type == DT_DIR, state->scanning, entry.name);
  if (entry.type == DT_DIR) add_child(state, out, state->tree.fd, state->scanning, entry.name, is_news);
}

static void found_directory(struct watch_state *state, struct output *out, int32_t wd, const char *name) {
  char path[MAX_PATH_BYTES + 1];
  if (!state->is_recursive || watched_path(state, wd, "", path) < 0) return;
  int dir = open_below(state, path);
  if (dir < 0) return;
  add_child(state, out, dir, wd, name, true);
  close(dir);
}

/* The other half did not come: it went out of what is watched. */
static void tell_departed(struct watch_state *state, struct output *out) {
  if (!state->has_from) return;
  state->has_from = false;
  tell_entry(state, out, WATCH_DELETE, state->is_from_directory, state->from_wd, state->from_name);
  struct watched *moved = state->is_from_directory ? watched_child(state, state->from_wd, state->from_name) : NULL;
  if (moved != NULL) watched_forget(state, moved, true);
}

static void tell_rename(struct watch_state *state, struct output *out, const struct inotify_event *event) {
  char path[MAX_PATH_BYTES + 1];
  char from[MAX_PATH_BYTES + 1];
  bool is_directory = (event->mask & IN_ISDIR) != 0;
  state->has_from = false;
  if (state->only[0] != '\0') {
    tell_entry(state, out, WATCH_DELETE, is_directory, state->from_wd, state->from_name);
    tell_entry(state, out, is_temporary(state->from_name) ? WATCH_CHANGE : WATCH_CREATE, is_directory, event->wd, event->name);
    return;
  }
  int from_bytes = watched_path(state, state->from_wd, state->from_name, from);
  struct watched *moved = is_directory ? watched_child(state, state->from_wd, state->from_name) : NULL;
  if (moved != NULL) watched_put(state, moved->wd, event->wd, event->name);
  if (is_temporary(state->from_name)) {
    bool is_new = temporary_is_new(state->from_name);
    tell_entry(state, out, is_new ? WATCH_CREATE : WATCH_CHANGE, is_directory, event->wd, event->name);
    return;
  }
  int bytes = watched_path(state, event->wd, event->name, path);
  if (bytes < 0 || from_bytes < 0) tell(out, WATCH_OVERFLOW, false, "", 0, "", 0);
  else tell(out, WATCH_RENAME, is_directory, path, (size_t)bytes, from, (size_t)from_bytes);
}

static void on_event(struct watch_state *state, struct output *out, const struct inotify_event *event) {
  bool is_directory = (event->mask & IN_ISDIR) != 0;
  if ((event->mask & IN_MOVED_TO) != 0 && state->has_from && state->from_cookie == event->cookie) {
    tell_rename(state, out, event);
    return;
  }
  tell_departed(state, out);
  struct watched *watched = watched_find(state, event->wd);
  if ((event->mask & IN_Q_OVERFLOW) != 0) tell(out, WATCH_OVERFLOW, false, "", 0, "", 0);
  if (watched == NULL) return;
  if ((event->mask & IN_IGNORED) != 0) {
    watched_forget(state, watched, false);
  } else if ((event->mask & IN_MOVED_FROM) != 0) {
    state->has_from = true;
    state->is_from_directory = is_directory;
    state->from_cookie = event->cookie;
    state->from_wd = event->wd;
    memcpy(state->from_name, event->name, strnlen(event->name, MAX_NAME_BYTES) + 1);
  } else if ((event->mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
    tell_entry(state, out, WATCH_CREATE, is_directory, event->wd, event->name);
    if (is_directory) found_directory(state, out, event->wd, event->name);
  } else if ((event->mask & IN_DELETE) != 0) {
    tell_entry(state, out, WATCH_DELETE, is_directory, event->wd, event->name);
  } else if ((event->mask & (IN_MODIFY | IN_ATTRIB)) != 0 && event->len > 0) {
    tell_entry(state, out, WATCH_CHANGE, is_directory, event->wd, event->name);
  }
}

/* One event of those that were read, or a new read: false when there is none now. */
static bool take_event(struct watch_state *state, struct output *out) {
  if (state->events_at >= state->events_end) {
    ssize_t size;
    do size = read(state->inotify, state->events, sizeof state->events);
    while (size < 0 && errno == EINTR);
    if (size <= 0) {
      tell_departed(state, out);
      return false;
    }
    state->events_at = 0;
    state->events_end = (uint32_t)size;
  }
  const struct inotify_event *event = (const void *)((const uint8_t *)state->events + state->events_at);
  state->events_at += (uint32_t)sizeof *event + event->len;
  on_event(state, out, event);
  return true;
}

/* The root is the first of the table, as long as it is there. */
static bool is_over(const struct watch_state *state) {
  return state->count == 0 || watched_at(state, 0)->is_dead || watched_at(state, 0)->parent != 0;
}

void watch_step(struct file_job *job) {
  struct watch_state *state = &job->u.watch;
  struct output out = {.bytes = reply_data(), .room = job_credit(job)};
  uint64_t begun = step_begin();
  bool has_more = true;
  /* One act tells at most two records. */
  while (has_more && out.room - out.used >= 2 * MAX_RECORD && !step_is_over(begun)) {
    if (state->scanning != 0) scan_entry(state, &out);
    else if (scan_begin(state)) continue;
    else if (!state->is_told_ready) state->is_told_ready = tell(&out, WATCH_READY, false, "", 0, "", 0);
    else has_more = take_event(state, &out);
  }
  bool is_full = out.room - out.used < 2 * MAX_RECORD;
  if (out.used > 0) reply_data_commit(job->id, out.used);
  job->sent += out.used;
  if (is_over(state)) {
    job_end(job, -ENOENT, 0, NULL, 0);
    return;
  }
  if (is_full && job_credit(job) < 2 * MAX_RECORD) job->is_ready = false; /* the next credit wakes it */
  job->wait_fd = is_full ? -1 : state->inotify;
  if (has_more) return;
  job->is_ready = false;
  job->wait_from = begun + (uint64_t)WATCH_PAUSE_MS * 1000000u;
}
