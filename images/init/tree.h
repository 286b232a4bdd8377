/* The processes of the sandbox as /proc shows them at one moment, and whose each is. */
#ifndef CLOISTER_TREE_H
#define CLOISTER_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum owner {
  OWNER_UNKNOWN = -1, /* an ancestor was gone when it was looked at: the next scan knows */
  OWNER_INIT = -2,    /* PID 1, supervisors, worker, relay; and what the operator brought in from outside */
  OWNER_STRAY = -3    /* reparented to PID 1: its supervisor is lost */
};                    /* from 0: index of the exec */

struct process {
  pid_t pid, parent, group;
  int16_t owner;
  int8_t state;
  bool alive; /* false: a zombie without a living thread */
};

bool tree_open(void);
/* Fills the list; its length. Processes past the bound are met by a later scan, when these are dead. */
uint32_t tree_scan(void);
extern struct process *tree;

#endif
