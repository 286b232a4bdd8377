#define _GNU_SOURCE
#include "file-tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file-resolve.h"

/* struct linux_dirent64: u64 inode, i64 next, u16 size, u8 type, name and NUL */
enum { DENT_NEXT = 8, DENT_SIZE = 16, DENT_TYPE = 18, DENT_NAME = 19 };

static void forget_dents(struct tree *tree) {
  tree->dents_at = 0;
  tree->dents_end = 0;
}

int tree_begin(struct tree *tree, int root) {
  tree->root = root;
  tree->depth = 0;
  tree->path[0] = '\0';
  tree->level[0] = (struct tree_level){0};
  forget_dents(tree);
  tree->fd = resolve_directory(root, "");
  return tree->fd < 0 ? tree->fd : 0;
}

void tree_end(struct tree *tree) {
  if (tree->fd >= 0) close(tree->fd);
  tree->fd = -1;
}

static int read_dents(struct tree *tree) {
  forget_dents(tree);
  long size;
  do size = syscall(SYS_getdents64, tree->fd, tree->dents, (size_t)DENTS_BYTES);
  while (size < 0 && errno == EINTR);
  if (size < 0) return -errno;
  tree->dents_end = (uint32_t)size;
  return size > 0;
}

static bool is_dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

int tree_next(struct tree *tree, struct tree_entry *entry) {
  for (;;) {
    if (tree->dents_at >= tree->dents_end) {
      int more = read_dents(tree);
      if (more <= 0) return more;
    }
    const uint8_t *dent = (const uint8_t *)tree->dents + tree->dents_at;
    uint16_t size;
    memcpy(&tree->level[tree->depth].next, dent + DENT_NEXT, sizeof(int64_t));
    memcpy(&size, dent + DENT_SIZE, sizeof size);
    if (size <= DENT_NAME || size > tree->dents_end - tree->dents_at) return -EIO;
    tree->dents_at += size;
    entry->type = dent[DENT_TYPE];
    entry->name = (const char *)dent + DENT_NAME;
    if (!is_dots(entry->name)) return 1;
  }
}

int tree_seek(struct tree *tree) {
  forget_dents(tree);
  return lseek(tree->fd, tree->level[tree->depth].next, SEEK_SET) < 0 ? -errno : 0;
}

int tree_rewind(struct tree *tree) {
  tree->level[tree->depth].next = 0;
  return tree_seek(tree);
}

int tree_enter(struct tree *tree, const char *name, int fd) {
  size_t length = tree->level[tree->depth].length;
  size_t size = strlen(name);
  if (tree->depth + 1 >= MAX_LEVELS || length + 1 + size > MAX_PATH_BYTES) return -ENAMETOOLONG;
  if (length > 0) tree->path[length++] = '/';
  memcpy(tree->path + length, name, size + 1);
  close(tree->fd);
  tree->fd = fd;
  tree->depth++;
  tree->level[tree->depth] = (struct tree_level){.length = (uint16_t)(length + size)};
  forget_dents(tree);
  return 0;
}

int tree_leave(struct tree *tree, char *name) {
  size_t leaf = path_leaf(tree->path, tree->level[tree->depth].length);
  size_t size = tree->level[tree->depth].length - leaf;
  memcpy(name, tree->path + leaf, size);
  name[size] = '\0';
  tree_end(tree);
  tree->depth--;
  tree->path[tree->level[tree->depth].length] = '\0';
  tree->fd = resolve_directory(tree->root, tree->path);
  return tree->fd < 0 ? tree->fd : tree_seek(tree);
}

int tree_open_child(int dir, const char *name, bool own) {
  struct stat st;
  int path_fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (path_fd < 0) return -errno;
  int error = 0;
  if (own) {
    if (fstat(path_fd, &st) < 0) error = -errno;
    else if ((st.st_mode & 0700) != 0700) error = change_mode(path_fd, (st.st_mode & 07777) | 0700);
  }
  int fd = error < 0 ? error : open_directory(path_fd);
  close(path_fd);
  return fd;
}
