/* The file worker: serves the FILE frames of protocol.h on one stream socket, inside the sandbox, as the
 * tenant. It knows nothing of commands, of the daemon's connection or of any directory but the workspace. */
#ifndef CLOISTER_WORKER_H
#define CLOISTER_WORKER_H

/* Never returns: exits 0 when the socket ends, 1 on a frame it can't accept.
 * Beyond protocol.h:
 *   - request 17 of MAX_FILE_REQUESTS is answered with EMFILE;
 *   - FILE_DATA, FILE_CREDIT and FILE_CANCEL of a request that has ended are ignored;
 *   - an absolute symlink is EXDEV, also one that names the workspace's own mount point;
 *   - a read, a hash and a copy end at the size the file had when they began;
 *   - a list sorts a directory in chunks when its names exceed the arena (file-list.c). */
_Noreturn void worker_main(int socket_fd, int workspace_fd);

#endif
