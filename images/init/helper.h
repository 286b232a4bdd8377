/* The two helpers of PID 1 that run for its whole life: file worker and egress relay. They share the tenant's uid, so
 * they may be killed or stopped at any time; they come back. */
#ifndef CLOISTER_HELPER_H
#define CLOISTER_HELPER_H

#include <stdbool.h>
#include <sys/types.h>

enum helper { HELPER_WORKER, HELPER_RELAY, HELPER_PROBE, HELPERS };

/* Starts worker and relay. The workspace and the listening socket stay open here for those that follow. */
void helper_open(int workspace_fd, int listen_fd);
pid_t helper_pid(int helper);
void helper_set_pid(enum helper helper, pid_t pid);
bool helper_reaped(pid_t pid, int status); /* false: none of ours */
void helper_tick(void);
/* In a forked child: no signal but SIGKILL and SIGSTOP, only these descriptors besides 0-2; they get the numbers 3
 * and 4. */
void helper_become(const char *name, int third, int fourth);

#endif
