#define _GNU_SOURCE
#include "file-filter.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-glob.h"
#include "file-resolve.h"
#include "frame.h"

enum { RULE_NEGATIVE = 1, RULE_DIRECTORY = 2, RULE_ANCHORED = 4 };
enum { TEXT_AT = MAX_RULES * sizeof(struct rule) };
_Static_assert(TEXT_AT + RULE_TEXT_BYTES <= FILTER_BYTES, "rules and their text fit");

static struct rule *rules_of(const struct filter *filter) { return (struct rule *)(void *)filter->memory; }

bool filter_open(struct filter *filter, const char *root, const uint8_t *globs, size_t globs_bytes, uint8_t *memory) {
  *filter = (struct filter){.globs = globs, .globs_bytes = globs_bytes, .memory = memory};
  filter->prefix = strlen(root);
  memcpy(filter->path, root, filter->prefix);
  if (filter->prefix > 0) filter->path[filter->prefix++] = '/';
  for (size_t at = 0; at < globs_bytes;) {
    if (globs_bytes - at < 2 || globs_bytes - at - 2 < get_u16(globs + at)) return false;
    at += 2u + get_u16(globs + at);
  }
  return true;
}

static size_t trimmed(const char *line, size_t length) {
  if (length > 0 && line[length - 1] == '\r') length--;
  while (length > 0 && line[length - 1] == ' ' && (length < 2 || line[length - 2] != '\\')) length--;
  return length;
}

static void add_rule(struct filter *filter, const char *line, size_t length, size_t base) {
  uint8_t flags = 0;
  length = trimmed(line, length);
  if (length == 0 || line[0] == '#') return;
  if (line[0] == '!') {
    flags |= RULE_NEGATIVE;
    line++;
    length--;
  }
  if (length > 0 && line[length - 1] == '/') {
    flags |= RULE_DIRECTORY;
    length--;
  }
  if (memchr(line, '/', length) != NULL) flags |= RULE_ANCHORED;
  if (length > 0 && line[0] == '/') {
    line++;
    length--;
  }
  if (length == 0) return;
  if (filter->rules == MAX_RULES || length > MAX_GLOB_BYTES || length > RULE_TEXT_BYTES - filter->text) {
    filter->has_dropped = true;
    return;
  }
  memcpy(filter->memory + TEXT_AT + filter->text, line, length);
  rules_of(filter)[filter->rules++] = (struct rule){.text = filter->text, .length = (uint16_t)length, .base = (uint16_t)base, .flags = flags};
  filter->text += (uint32_t)length;
}

/* -1: there is none that counts. */
static ssize_t read_rules(int dir, char *text) {
  struct stat st;
  /* Safe because: a FIFO put there meanwhile is opened without waiting for anyone and is not read. */
  int fd = openat(dir, ".gitignore", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t size = -1;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
    do size = read(fd, text, IGNORE_FILE_BYTES);
    while (size < 0 && errno == EINTR);
  }
  close(fd);
  return size;
}

static void take_rules(struct filter *filter, int dir, size_t base) {
  static char text[IGNORE_FILE_BYTES];
  ssize_t size = read_rules(dir, text);
  if (size == IGNORE_FILE_BYTES) filter->has_dropped = true;
  for (ssize_t at = 0; at < size;) {
    const char *end = memchr(text + at, '\n', (size_t)(size - at));
    ssize_t length = end == NULL ? size - at : end - (text + at);
    add_rule(filter, text + at, (size_t)length, base);
    at += length + 1;
  }
}

void filter_enter(struct filter *filter, int dir, size_t length) {
  if (filter->is_ignoring) take_rules(filter, dir, filter->prefix + length + (length > 0));
}

void filter_enter_ancestors(struct filter *filter) {
  char path[MAX_PATH_BYTES + 1];
  if (!filter->is_ignoring) return;
  for (size_t at = 0; at < filter->prefix; at++) {
    if (at > 0 && filter->path[at - 1] != '/') continue;
    size_t length = at == 0 ? 0 : at - 1;
    memcpy(path, filter->path, length);
    path[length] = '\0';
    int path_fd = resolve(path);
    int dir = path_fd < 0 ? -1 : open_directory(path_fd);
    if (path_fd >= 0) close(path_fd);
    if (dir < 0) continue;
    take_rules(filter, dir, at);
    close(dir);
  }
}

void filter_leave(struct filter *filter, uint32_t rules) {
  if (rules >= filter->rules) return;
  filter->text = rules_of(filter)[rules].text;
  filter->rules = rules;
}

static bool is_ignored(const struct filter *filter, size_t length, size_t leaf, bool is_directory) {
  if (is_directory && strcmp(filter->path + leaf, ".git") == 0) return true;
  for (uint32_t i = filter->rules; i > 0; i--) {
    const struct rule *rule = &rules_of(filter)[i - 1];
    const char *pattern = (const char *)filter->memory + TEXT_AT + rule->text;
    size_t from = (rule->flags & RULE_ANCHORED) != 0 ? rule->base : leaf;
    if ((rule->flags & RULE_DIRECTORY) != 0 && !is_directory) continue;
    if ((glob_match(pattern, rule->length, filter->path + from, length - from) & GLOB_MATCH) == 0) continue;
    return (rule->flags & RULE_NEGATIVE) == 0;
  }
  return false;
}

/* By the globs alone, which see the path from the walk's root. */
static unsigned judge_globs(struct filter *filter, size_t length, bool is_directory) {
  const char *path = filter->path + filter->prefix;
  size_t bytes = length - filter->prefix;
  bool has_positive = false;
  unsigned verdict = 0;
  for (size_t at = 0; at < filter->globs_bytes; at += 2u + get_u16(filter->globs + at)) {
    const char *glob = (const char *)filter->globs + at + 2;
    size_t glob_bytes = get_u16(filter->globs + at);
    if (glob_bytes > 0 && glob[0] == '!') {
      if ((glob_match(glob + 1, glob_bytes - 1, path, bytes) & GLOB_MATCH) != 0) return 0;
      continue;
    }
    has_positive = true;
    if ((glob_match(glob, glob_bytes, path, bytes) & GLOB_MATCH) != 0) verdict |= FILTER_TAKE;
    if (!is_directory || (verdict & FILTER_DESCEND) != 0) continue;
    filter->path[length] = '/';
    if ((glob_match(glob, glob_bytes, path, bytes + 1) & GLOB_ALIVE) != 0) verdict |= FILTER_DESCEND;
    filter->path[length] = '\0';
  }
  return has_positive ? verdict : FILTER_TAKE | FILTER_DESCEND;
}

unsigned filter_judge(struct filter *filter, const char *dir, size_t dir_length, const char *name, bool is_directory) {
  if (filter->globs_bytes == 0 && !filter->is_ignoring) return FILTER_TAKE | FILTER_DESCEND;
  size_t name_length = strlen(name);
  size_t leaf = filter->prefix + dir_length + (dir_length > 0);
  size_t length = leaf + name_length;
  if (length >= MAX_FULL_PATH) return FILTER_TAKE | FILTER_DESCEND;
  memcpy(filter->path + filter->prefix, dir, dir_length);
  if (dir_length > 0) filter->path[leaf - 1] = '/';
  memcpy(filter->path + leaf, name, name_length + 1);
  unsigned verdict = judge_globs(filter, length, is_directory);
  return verdict != 0 && filter->is_ignoring && is_ignored(filter, length, leaf, is_directory) ? 0 : verdict;
}
