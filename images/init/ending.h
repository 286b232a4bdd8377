/* How an exec ends: records of its supervisor, its loss, draining, and the EXIT that says it once. */
#ifndef CLOISTER_ENDING_H
#define CLOISTER_ENDING_H

#include <sys/resource.h>

#include "exec.h"

void ending_read_report(struct exec *e);
void ending_not_started(struct exec *e, uint32_t stage, int error);
void ending_supervisor_gone(struct exec *e, const struct rusage *used);
void ending_leader_reaped(struct exec *e, int status, const struct rusage *used);
void ending_settle(struct exec *e); /* makes the EXIT ready when all that belongs before it is done */
uint64_t ending_due(const struct exec *e);
void ending_put_exit(const struct exec *e);

#endif
