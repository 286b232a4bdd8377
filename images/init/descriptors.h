/* Small acts on descriptors that several modules need. */
#ifndef CLOISTER_DESCRIPTORS_H
#define CLOISTER_DESCRIPTORS_H

#include <stdbool.h>

void close_from(int first);         /* every descriptor from this number on */
void close_one(int *fd);            /* and marks it as closed */
bool set_nonblocking(int fd);
void send_at_once(int fd);          /* of TCP: what is written in two parts does not wait for the other side's delayed ACK */
void open_standard_descriptors(void); /* 0, 1, 2 exist afterwards, so that no other descriptor takes their number */

#endif
