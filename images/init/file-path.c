#include "file-path.h"

#include <errno.h>
#include <string.h>

#include "protocol.h"

static bool is_dots(const char *name, size_t length) {
  return (length == 1 && name[0] == '.') || (length == 2 && name[0] == '.' && name[1] == '.');
}

int path_check(const char *path, size_t length) {
  if (length > MAX_PATH_BYTES) return -ENAMETOOLONG;
  if (memchr(path, 0, length) != NULL) return -EINVAL;
  size_t start = 0;
  while (length > 0 && start <= length) {
    const char *slash = memchr(path + start, '/', length - start);
    size_t end = slash == NULL ? length : (size_t)(slash - path);
    size_t size = end - start;
    if (size == 0 || is_dots(path + start, size)) return -EINVAL;
    if (size > MAX_NAME_BYTES) return -ENAMETOOLONG;
    start = end + 1;
  }
  return 0;
}

size_t path_leaf(const char *path, size_t length) {
  while (length > 0 && path[length - 1] != '/') length--;
  return length;
}

bool path_target_stays(const char *path, const char *target) {
  if (target[0] == '/') return false;
  size_t depth = 0;
  for (const char *at = path; *at != '\0'; at++) depth += *at == '/';
  while (*target != '\0') {
    size_t size = strcspn(target, "/");
    if (size == 2 && is_dots(target, size)) {
      if (depth == 0) return false;
      depth--;
    } else if (size > 0 && !is_dots(target, size)) {
      depth++;
    }
    target += size + (target[size] == '/');
  }
  return true;
}

bool path_is_within(const char *path, const char *ancestor) {
  size_t size = strlen(ancestor);
  if (size == 0) return true;
  return strncmp(path, ancestor, size) == 0 && (path[size] == '\0' || path[size] == '/');
}
